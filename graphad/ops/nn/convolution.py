"""Convolution layers in one, two, three and more axes of space.

A convolution is padding, windows (a view), the windows as columns of a matrix (the one copy), and
a product of matrices by BLAS. Each step is linear and knows its transpose, so that derivatives of
any order, and transposed convolutions, are made of the same steps the other way round.
K. Chellapilla et al., "High performance convolutional neural networks for document processing"
(2006). Limit: the columns take as many times the memory of x as a kernel has places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.variable import Variable, as_variable
from graphad.ops.nn.arguments import Pads, each_axis, paddings, space_axes
from graphad.ops.signal.placing import embed
from graphad.ops.signal.windows import count, extent, overlap_add, slide


class Layout(NamedTuple):
    """How a kernel moves over the axes of space, and how channels are grouped."""

    name: str
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Pads
    groups: int

    @property
    def space(self) -> tuple[int, ...]:
        """The axes of space of an array whose channels are split into (groups, channels)."""
        return tuple(range(3, 3 + len(self.strides)))


def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


# ---- the steps -------------------------------------------------------------------------------
def _split(x: Variable, axis: int, groups: int) -> Variable:
    """An axis of channels as (groups, channels of one group)."""
    shape = x.shape
    return OPS["reshape"](x, (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))


def _join(x: Variable, axis: int) -> Variable:
    """The axes `axis` and `axis + 1` as one."""
    shape = x.shape
    return OPS["reshape"](x, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _padded(x: Variable, pads: Pads) -> Variable:
    """Zeros around the axes of space, which are the last ones."""
    lead = x.ndim - len(pads)
    sizes = [before + n + after for (before, after), n in zip(pads, x.shape[lead:], strict=True)]
    offsets = [None] * lead + [before for before, _ in pads]
    return embed(x, offsets, [*x.shape[:lead], *sizes])


def _matrix(kernel: Variable, groups: int) -> Variable:
    """(out, in/groups, *window) as (groups, out/groups, in/groups · window)."""
    parts = _split(kernel, 0, groups)
    return OPS["reshape"](parts, (*parts.shape[:2], _product(parts.shape[2:])))


def _forward(x: Variable, kernel: Variable, layout: Layout) -> Variable:
    """(batch, in, *space) and (out, in/groups, *window) to (batch, out, *places)."""
    windows = _split(_padded(x, layout.pads), 1, layout.groups)
    windows = slide(windows, layout.space, kernel.shape[2:], layout.strides, layout.dilations)
    axes = len(layout.strides)
    ends = tuple(range(3 + axes, 3 + 2 * axes))
    columns = OPS["transpose"](windows, (1, 2, *ends, 0, *layout.space))
    batch, places = columns.shape[2 + axes], columns.shape[3 + axes :]
    inside, outside = _product(columns.shape[1 : 2 + axes]), _product([batch, *places])
    flat = OPS["reshape"](columns, (layout.groups, inside, outside))
    matrix = _matrix(kernel, layout.groups)
    result = OPS["reshape"](OPS["matmul"](matrix, flat), (*matrix.shape[:2], batch, *places))
    moved = OPS["transpose"](result, (2, 0, 1, *layout.space))
    return _join(moved, 1)


def _backward(x: Variable, kernel: Variable, layout: Layout, sizes: Sequence[Any]) -> Variable:
    """(batch, out, *places) to (batch, in, *sizes): the transposed steps of `_forward`."""
    axes = len(layout.strides)
    parts = _split(x, 1, layout.groups)
    batch, places = parts.shape[0], parts.shape[3:]
    moved = OPS["transpose"](parts, (1, 2, 0, *layout.space))
    flat = OPS["reshape"](moved, (*moved.shape[:2], _product([batch, *places])))
    matrix = _matrix(kernel, layout.groups)
    columns = OPS["matmul"](matrix.mT, flat)
    apart = (layout.groups, *kernel.shape[1:], batch, *places)
    windows = OPS["reshape"](columns, apart)
    ends = tuple(range(2, 2 + axes))
    windows = OPS["transpose"](windows, (2 + axes, 0, 1, *range(3 + axes, 3 + 2 * axes), *ends))
    full = [before + n + after for (before, after), n in zip(layout.pads, sizes, strict=True)]
    windows = overlap_add(windows, layout.space, full, layout.strides, layout.dilations)
    result = _join(windows, 1)
    offsets = [None, None, *[-before for before, _ in layout.pads]]
    return embed(result, offsets, [*result.shape[:2], *sizes])


# ---- checks ----------------------------------------------------------------------------------
def _check_channels(name: str, x: Variable, kernel: Variable, groups: int, back: bool) -> None:
    given, out, inside = x.type.shape[1], *kernel.type.shape[:2]
    if 0 in kernel.type.shape[2:]:
        raise ShapeError(
            f"{name}: a kernel of shape {shape_text(kernel.type.shape)} has no element",
            remedy="its axes of space have sizes of 1 or more",
        )
    for what, size in (("kernels", out), ("channels", given)):
        if isinstance(size, int) and size % groups:
            raise ShapeError(
                f"{name}: {size} {what} in {groups} groups",
                remedy="groups divides the numbers of channels before and after",
            )
    wanted = out if back else inside * groups
    both = isinstance(given, int) and isinstance(wanted, int)
    if joint_size(given, wanted) is None or (both and given != wanted):
        layout = "(channels, out/groups, *space)" if back else "(out, channels/groups, *space)"
        raise ShapeError(
            f"{name}: x of shape {shape_text(x.type.shape)} has {given} channels, the kernel of "
            f"shape {shape_text(kernel.type.shape)} is for {wanted}",
            cause=f"x is (batch, channels, *space), the kernel {layout}",
            remedy="check the order of axes, and groups=",
        )


def _sizes_before(
    layout: Layout, x: Variable, reaches: Sequence[Any], given: Any
) -> Sequence[Any]:
    """The sizes of space which a transposed convolution makes."""
    places = x.shape[2:]
    if given is None:
        rows = zip(places, layout.strides, reaches, layout.pads, strict=True)
        return [(p - 1) * step + reach - a - b for p, step, reach, (a, b) in rows]
    sizes = list(given) if isinstance(given, tuple | list) else [given] * len(places)
    if len(sizes) != len(places):
        raise UseError(
            f"{layout.name}: output_size={given!r}",
            remedy=f"give one size for each of the {len(places)} axes of space",
        )
    for size, p, reach, step, (a, b) in zip(
        sizes, places, reaches, layout.strides, layout.pads, strict=True
    ):
        if all([isinstance(part, int) for part in (size, p, reach, a, b)]) and (
            (size + a + b - reach) // step + 1 != p
        ):
            raise ShapeError(
                f"{layout.name}: output_size={given!r} for {p} places",
                cause=f"a convolution of {size} elements has {(size + a + b - reach) // step + 1}",
                remedy="give a size from which the convolution makes that of x",
            )
    return sizes


# ---- public functions ------------------------------------------------------------------------
def _convolve(
    name: str, axes: int | None, x: Any, kernel: Any, mode: str, padding: Any, stride: Any,
    dilation: Any, groups: Any, transposed: bool, output_size: Any, flip: bool,
) -> Variable:  # fmt: skip
    image, weights = as_variable(x), as_variable(kernel)
    found = space_axes(name, image, axes)
    if weights.ndim != image.ndim:
        raise ShapeError(
            f"{name}: x of shape {shape_text(image.type.shape)} and a kernel of shape "
            f"{shape_text(weights.type.shape)}",
            cause="x is (batch, channels, *space), the kernel (out, channels/groups, *space)",
            remedy="give both the same number of axes",
        )
    (parts,) = each_axis(name, "groups", groups, 1)
    _check_channels(name, image, weights, parts, transposed)
    strides = each_axis(name, "stride", stride, found)
    dilations = each_axis(name, "dilation", dilation, found)
    pairs = zip(weights.shape[2:], dilations, strict=True)
    reaches = [extent(width, gap) for width, gap in pairs]
    pads = paddings(name, mode, padding, reaches, flip)
    layout = Layout(name, strides, dilations, pads, parts)
    if flip:
        weights = OPS["flip"](weights, axis=tuple(range(2, weights.ndim)))
    if transposed:
        return _backward(
            image, weights, layout, _sizes_before(layout, image, reaches, output_size)
        )
    if output_size is not None:
        raise UseError(
            f"{name}: output_size={output_size!r}", remedy="it is for transposed=True only"
        )
    return _forward(image, weights, layout)


def direct(
    x: Any, kernel: Any, *, mode: str = "valid", padding: Any = None, stride: Any = 1,
    dilation: Any = 1, groups: int = 1, transposed: bool = False, output_size: Any = None,
    flip: bool = False,
) -> np.ndarray:  # fmt: skip
    """The definition, by loops on arrays, for tests: see `convolve_nd`."""
    axes = np.ndim(x) - 2
    kernel = np.flip(kernel, tuple(range(2, 2 + axes))) if flip else kernel
    s, d = each_axis("", "", stride, axes), each_axis("", "", dilation, axes)
    window = kernel.shape[2:]
    reaches = [extent(w, g) for w, g in zip(window, d, strict=True)]
    pads = paddings("", mode, padding, reaches, flip)
    batch, out, inside = len(x), kernel.shape[0] // groups, kernel.shape[1]
    fits = x.shape[1] == groups * (out if transposed else inside)
    if not fits or kernel.shape[0] % groups or 0 in window:
        raise ValueError("x and kernel do not fit")
    dtype = np.result_type(x, kernel)
    if transposed:
        shape = [(p - 1) * t + r for p, t, r in zip(x.shape[2:], s, reaches, strict=True)]
        result: Any = np.zeros((batch, groups * inside, *shape), dtype)
        places = x.shape[2:]
    else:
        x = np.pad(x, [(0, 0), (0, 0), *pads])
        places = tuple([count(*row) for row in zip(x.shape[2:], window, s, d, strict=True)])
        if min(places) < 0 or min(np.subtract(x.shape[2:], reaches)) < 0:
            raise ValueError("the kernel is larger than the array")
        result = np.zeros((batch, groups * out, *places), dtype)
    for g in range(groups):
        ins, outs = slice(g * inside, (g + 1) * inside), slice(g * out, (g + 1) * out)
        for k in np.ndindex(*window):
            weights = kernel[(outs, slice(None), *k)]
            rows = zip(places, s, d, k, strict=True)
            where = [slice(i * e, i * e + (p - 1) * t + 1 if p else 0, t) for p, t, e, i in rows]
            if transposed:
                result[(slice(None), ins, *where)] += np.einsum(
                    "oi,bo...->bi...", weights, x[:, outs]
                )
            else:
                part = x[(slice(None), ins, *where)]
                result[:, outs] += np.einsum("oi,bi...->bo...", weights, part)
    if not transposed:
        return result
    crops = [slice(a, n - b) for (a, b), n in zip(pads, result.shape[2:], strict=True)]
    return result[(..., *crops)]


def _arguments(
    rng: np.random.Generator, x: tuple[int, ...], kernel: tuple[int, ...], **keywords: Any
) -> Sample:
    return Sample((rng.normal(size=x), rng.normal(size=kernel)), keywords)


_ONE: Any = lambda rng: [  # noqa: E731
    _arguments(rng, (2, 3, 7), (4, 3, 3)),
    _arguments(rng, (2, 4, 6), (2, 2, 2), mode="same", groups=2),
    _arguments(rng, (1, 2, 7), (3, 2, 2), stride=2, dilation=2, padding=[(1, 2)]),
    _arguments(rng, (2, 3, 4), (3, 2, 3), transposed=True, stride=2),
    _arguments(rng, (1, 2, 4), (1, 2, 2), mode="full", flip=True)]  # fmt: skip
_TWO: Any = lambda rng: [  # noqa: E731
    _arguments(rng, (2, 2, 4, 5), (3, 2, 2, 3)),
    _arguments(rng, (1, 2, 4, 4), (2, 2, 3, 2), mode="same", stride=(1, 2)),
    _arguments(rng, (1, 2, 3, 2), (2, 1, 2, 2), transposed=True, padding=1, stride=2)]  # fmt: skip
_THREE: Any = lambda rng: [  # noqa: E731
    _arguments(rng, (1, 2, 3, 3, 4), (2, 2, 2, 1, 3))]  # fmt: skip


@public(namespace="nn", reference=direct, samples=_ONE)
def convolve_nd(
    x: Any, kernel: Any, *, mode: str = "valid", padding: Any = None, stride: Any = 1,
    dilation: Any = 1, groups: int = 1, transposed: bool = False, output_size: Any = None,
    flip: bool = False,
) -> Variable:  # fmt: skip
    """A convolution layer: x (batch, in, *space), kernel (out, in/groups, *window).

    The result (batch, out, *places) is, at the places p = 0, stride, 2·stride, … of padded x,

        y[b, o, p] = Σ_(i, k) x[b, i, p + dilation·k] · kernel[o, i, k]

    As in other libraries for networks the kernel is not reversed (a cross-correlation); with
    flip=True it is, and the function is the convolution of ``np.convolve``.

    Parameters
    ----------
    mode: "valid": no padding. "same": as many places as elements, if stride is 1 (of reach - 1
        zeros the larger half comes after; before if flip=True, as in NumPy), of which strides take
        some. "full": each element meets each place of the kernel.
    padding: zeros, instead of a mode: an integer, or for each axis an integer or a pair
        (before, after).
    stride, dilation: an integer, or one for each axis of space.
    groups: channels are split in so many groups, and each kernel sees its own only; groups = in
        is a depthwise convolution.
    transposed: the transpose of the convolution with the same kernel and options: x is
        (batch, out, *places), the result (batch, in, *space). Where several sizes of space have
        that many places, it is the least; `output_size` names another.

    The dtype is the common one. Raises ShapeError for axes and channels that do not fit and for
    windows larger than padded x, UseError for options that are no such numbers.

    >>> import graphad as ga
    >>> image, kernel = ga.tensor("x", shape=("n", 3, 32, 32)), ga.tensor("k", shape=(8, 3, 5, 5))
    >>> ga.nn.convolve_nd(image, kernel, stride=2, padding=2).type
    float64[n, 8, 16, 16]
    """
    return _convolve("convolve_nd", None, x, kernel, mode, padding, stride, dilation, groups,
                     transposed, output_size, flip)  # fmt: skip


@public(namespace="nn", reference=direct, samples=_ONE)
def convolve1d(
    x: Any, kernel: Any, *, mode: str = "valid", padding: Any = None, stride: Any = 1,
    dilation: Any = 1, groups: int = 1, transposed: bool = False, output_size: Any = None,
    flip: bool = False,
) -> Variable:  # fmt: skip
    """`convolve_nd` for one axis of space: x (batch, in, n), kernel (out, in/groups, k).

    >>> import graphad as ga
    >>> x = ga.constant([[[1.0, 2.0, 4.0, 8.0]]])
    >>> ga.nn.convolve1d(x, [[[1.0, -1.0]]]).eval()
    array([[[-1., -2., -4.]]])
    """
    return _convolve("convolve1d", 1, x, kernel, mode, padding, stride, dilation, groups,
                     transposed, output_size, flip)  # fmt: skip


@public(namespace="nn", reference=direct, samples=_TWO)
def convolve2d(
    x: Any, kernel: Any, *, mode: str = "valid", padding: Any = None, stride: Any = 1,
    dilation: Any = 1, groups: int = 1, transposed: bool = False, output_size: Any = None,
    flip: bool = False,
) -> Variable:  # fmt: skip
    """`convolve_nd` for two axes of space: x (batch, in, h, w), kernel (out, in/groups, k, l).

    >>> import graphad as ga
    >>> x = ga.tensor("x", shape=("n", 3, "h", "w"), dtype="float32")
    >>> kernel = ga.tensor("kernel", shape=(8, 3, 3, 3), dtype="float32")
    >>> ga.nn.convolve2d(x, kernel, mode="same").type
    float32[n, 8, h, w]
    """
    return _convolve("convolve2d", 2, x, kernel, mode, padding, stride, dilation, groups,
                     transposed, output_size, flip)  # fmt: skip


@public(namespace="nn", reference=direct, samples=_THREE)
def convolve3d(
    x: Any, kernel: Any, *, mode: str = "valid", padding: Any = None, stride: Any = 1,
    dilation: Any = 1, groups: int = 1, transposed: bool = False, output_size: Any = None,
    flip: bool = False,
) -> Variable:  # fmt: skip
    """`convolve_nd` for three axes of space: x (batch, in, d, h, w), kernel (out, in/groups, …).

    >>> import graphad as ga
    >>> x, kernel = ga.tensor("x", shape=(1, 2, 5, 5, 5)), ga.tensor("k", shape=(4, 2, 3, 3, 3))
    >>> ga.nn.convolve3d(x, kernel).type
    float64[1, 4, 3, 3, 3]
    """
    return _convolve("convolve3d", 3, x, kernel, mode, padding, stride, dilation, groups,
                     transposed, output_size, flip)  # fmt: skip
