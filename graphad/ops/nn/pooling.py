"""Pooling: the largest or the average element of windows over the axes of space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.families.common import public
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Constant, Variable, as_variable
from graphad.ops.nn.arguments import Pads, each_axis, paddings, space_axes
from graphad.ops.signal.placing import embed
from graphad.ops.signal.windows import count, extent, slide

# Reducing over windows that lie in memory element after element is many times slower than over
# whole rows: the windows are copied, with their own axes first.
_contiguous = Movement(
    "contiguous", is_view=True, shape=lambda types: types[0].shape,
    value=lambda xp, x: xp.ascontiguousarray(x), vjp=lambda g, node: [g],
    batch=along_axes)  # fmt: skip


# ---- windows ---------------------------------------------------------------------------------
class _Windows:
    """The windows of a pool: sizes, strides, dilations, paddings, checked."""

    def __init__(
        self, name: str, x: Variable, window: Any, stride: Any, mode: str, padding: Any,
        dilation: Any,
    ) -> None:  # fmt: skip
        axes = space_axes(name, x)
        self.widths = each_axis(name, "window", window, axes)
        self.strides = each_axis(name, "stride", window if stride is None else stride, axes)
        self.dilations = each_axis(name, "dilation", dilation, axes)
        pairs = zip(self.widths, self.dilations, strict=True)
        self.reaches = [extent(width, gap) for width, gap in pairs]
        self.pads: Pads = paddings(name, mode, padding, self.reaches)
        if padding is None:
            return
        for reach, pair in zip(self.reaches, self.pads, strict=True):
            if any([isinstance(p, int) and p >= reach for p in pair]):
                raise ShapeError(
                    f"{name}: padding={padding!r} for windows over {reach} elements",
                    cause="a window that lies in the padding has no element",
                    remedy="pad by less than a window reaches over",
                )

    @property
    def is_padded(self) -> bool:
        return any([pair != (0, 0) for pair in self.pads])

    def padded(self, x: Variable) -> Variable:
        """Zeros around the axes of space, which are the last ones."""
        lead = x.ndim - len(self.pads)
        rows = zip(self.pads, x.shape[lead:], strict=True)
        sizes = [before + n + after for (before, after), n in rows]
        offsets = [None] * lead + [before for before, _ in self.pads]
        return embed(x, offsets, [*x.shape[:lead], *sizes])

    def reduced(self, x: Variable, reduce: Callable[..., Variable]) -> Variable:
        """`reduce` over the elements of each window of (padded) x."""
        axes = len(self.widths)
        lead = x.ndim - axes
        x = slide(x, tuple(range(lead, lead + axes)), self.widths, self.strides, self.dilations)
        ends = tuple(range(lead + axes, lead + 2 * axes))
        rearranged = OPS["transpose"](x, (*ends, *range(lead + axes)))
        return reduce(_contiguous(rearranged), axis=tuple(range(axes)))

    def present(self, x: Variable) -> Variable:
        """Ones where x has elements, zeros in the padding: (*space of padded x)."""
        ones: Variable = OPS["ones"](x.shape[2:], dtype=x.dtype)
        return self.padded(ones)


# ---- references for tests, by a loop over places ---------------------------------------------
def _direct(reduce: Callable[..., Any], fill: bool) -> Callable[..., Any]:
    def reference(
        x: Any, window: Any, stride: Any = None, mode: str = "valid", padding: Any = None,
        dilation: Any = 1, count_padding: bool = False,
    ) -> Any:  # fmt: skip
        x = np.asarray(x)
        if x.dtype.kind == "c" and fill:
            raise TypeError("complex numbers have no order")
        axes = x.ndim - 2
        w, s, d = (
            each_axis("", "", g, axes)
            for g in (window, window if stride is None else stride, dilation)
        )
        reaches = [extent(a, b) for a, b in zip(w, d, strict=True)]
        pads = paddings("", mode, padding, reaches)
        if (
            min([b + n + a - r for n, r, (b, a) in zip(x.shape[2:], reaches, pads, strict=True)])
            < 0
        ):
            raise ValueError("a window is larger than the array")
        lead = [(0, 0), (0, 0)]
        here = np.pad(np.ones(x.shape, bool), lead + pads, constant_values=count_padding)
        x = np.pad(x, lead + pads)
        if np.any(np.less(x.shape[2:], reaches)):
            raise ValueError("a window is larger than the array")
        places = [count(*row) for row in zip(x.shape[2:], w, s, d, strict=True)]
        dtype = x.dtype if fill or x.dtype.kind in "fc" else float
        y: Any = np.zeros((*x.shape[:2], *places), dtype)
        for p in np.ndindex(*places):
            rows = zip(p, s, d, w, strict=True)
            at: Any = (..., *[slice(i * t, i * t + (k - 1) * e + 1, e) for i, t, e, k in rows])
            for b, c in np.ndindex(*x.shape[:2]):
                inside = x[b, c][at][here[b, c][at]]
                y[(b, c, *p)] = reduce(inside)
        return y

    return reference


def _max(values: Any) -> Any:
    return np.max(values, initial=_least(values.dtype).item())


def _globally(reduce: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any) -> Any:
        if x.ndim < 3:
            raise ValueError("no axes of space")
        return reduce(x, axis=tuple(range(2, x.ndim)))

    return reference


def _mean(values: Any) -> Any:
    return np.sum(values, dtype=values.dtype if values.dtype.kind in "fc" else float) / len(values)


def _samples(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> np.ndarray:  # no two elements are close
        return rng.permutation(int(np.prod(shape))).reshape(shape) / 4 - 3.1

    return [
        Sample((x(2, 2, 5),), {"window": 2}),
        Sample((x(1, 2, 4, 5),), {"window": (2, 3), "stride": 1}),
        Sample((x(2, 1, 5),), {"window": 3, "padding": [(1, 2)], "stride": 2}),
        Sample((x(1, 1, 4, 4),), {"window": 2, "mode": "same", "stride": (1, 2), "dilation": 2}),
        Sample((x(1, 1, 3, 2, 2),), {"window": (2, 1, 2)}),
    ]


# ---- public functions ------------------------------------------------------------------------
@public(namespace="nn", reference=_direct(_max, True), samples=_samples)
def max_pool(
    x: Any, window: Any, stride: Any = None, mode: str = "valid", padding: Any = None,
    dilation: Any = 1,
) -> Variable:  # fmt: skip
    """The largest element of each window: x (batch, channels, *space) to (…, *places).

    window, dilation: an integer, or one for each axis of space. stride: the distance of windows;
    None: that of `window`. mode, padding: as for `convolve_nd`; elements of the padding are never
    the largest (-inf where a window has no others). NaN wins. Equal largest
    elements of a window share its derivative equally.

    Raises ShapeError for windows larger than padded x, and for padding that could fill a window,
    UseError for options that are no such numbers, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.max_pool(ga.constant([[[1.0, 5.0, 2.0, 3.0, 9.0]]]), 2).eval()
    array([[[5., 3.]]])
    """
    variable = as_variable(x)
    windows = _Windows("max_pool", variable, window, stride, mode, padding, dilation)
    if variable.dtype.kind == "c":
        raise DTypeError(
            f"max_pool of dtype {variable.dtype}", remedy="take abs(x), x.real or x.imag first"
        )
    if windows.is_padded:
        least = Constant(_least(variable.dtype))
        inside = OPS["astype"](windows.present(variable), "bool")
        variable = OPS["where"](inside, windows.padded(variable), least)
    return windows.reduced(variable, OPS["max"])


def _least(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """What is never larger than an element."""
    if dtype.kind == "f":
        return np.asarray(-np.inf, dtype)
    return np.asarray(False if dtype.kind == "b" else np.iinfo(dtype).min, dtype)


@public(namespace="nn", reference=_direct(_mean, False), samples=lambda rng: [
    *_samples(rng), Sample((rng.normal(size=(1, 2, 4)),),
                           {"window": 2, "padding": 1, "count_padding": True})])  # fmt: skip
def average_pool(
    x: Any, window: Any, stride: Any = None, mode: str = "valid", padding: Any = None,
    dilation: Any = 1, count_padding: bool = False,
) -> Variable:  # fmt: skip
    """The mean of each window: x (batch, channels, *space) to (…, *places).

    Options and errors are those of `max_pool`. The mean is taken over the elements of x in the
    window; with count_padding=True over all, those of the padding being zeros. Integers are
    averaged as float64.

    >>> import graphad as ga
    >>> ga.nn.average_pool(ga.constant([[[1.0, 5.0, 2.0, 4.0]]]), 2, padding=1).eval()
    array([[[1. , 3.5, 4. ]]])
    """
    variable = as_variable(x)
    windows = _Windows("average_pool", variable, window, stride, mode, padding, dilation)
    if variable.dtype.kind not in "fc":
        variable = variable.astype("float64")
    total = windows.reduced(windows.padded(variable), OPS["sum"])
    if not windows.is_padded or count_padding:
        return total / float(np.prod(windows.widths))
    return total / windows.reduced(windows.present(variable), OPS["sum"])


def _space(x: Variable) -> Sequence[int]:
    return tuple(range(2, x.ndim))


@public(namespace="nn", samples=lambda rng: [Sample((rng.permutation(12).reshape(2, 2, 3) / 4,))],
        reference=_globally(np.max))  # fmt: skip
def global_max_pool(x: Any) -> Variable:
    """The largest element of each channel: (batch, channels, *space) to (batch, channels).

    Equal largest elements share the derivative equally.

    >>> import graphad as ga
    >>> ga.nn.global_max_pool(ga.constant([[[1.0, 5.0, 2.0]]])).eval()
    array([[5.]])
    """
    variable = as_variable(x)
    space_axes("global_max_pool", variable)
    return OPS["max"](variable, axis=_space(variable))


@public(namespace="nn", samples=lambda rng: [Sample((rng.normal(size=(2, 3, 2, 2)),))],
        reference=_globally(np.mean))  # fmt: skip
def global_average_pool(x: Any) -> Variable:
    """The mean of each channel: (batch, channels, *space) to (batch, channels).

    >>> import graphad as ga
    >>> ga.nn.global_average_pool(ga.constant([[[1.0, 5.0, 3.0]]])).eval()
    array([[3.]])
    """
    variable = as_variable(x)
    space_axes("global_average_pool", variable)
    return OPS["mean"](variable, axis=_space(variable))
