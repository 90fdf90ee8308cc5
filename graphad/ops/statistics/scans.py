"""Scans along an axis: cumprod, nancumsum, nancumprod, cumulative_sum, cumulative_prod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError
from graphad.ir.families.common import (
    Declared,
    add_up,
    broadcast_shapes,
    fit,
    normalize_axis,
    public,
    refuse_out,
    weigh,
)
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.families.reduction import Scan, sum_dtype
from graphad.ir.families.stacks import aligned, shifted
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, apply, as_variable
from graphad.ops.reduction import scan_along

Index = tuple[Any, ...]
_ZERO_ROWS = np.array([[1.5, 0.0, -2.0, 0.5], [2.0, 0.0, 0.0, 1.25], [0.0, 1.5, 2.0, 0.0]])


def _scan_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [Sample((x,)), Sample((x,), {"axis": 0}), Sample((x,), {"axis": -1})]


def _along(axis: int, start: Any, stop: Any) -> Index:
    """The index that takes ``start:stop`` along `axis`."""
    return (slice(None),) * axis + (slice(start, stop),)


# ---- linear recurrences: what derivatives of cumulative products are made of -----------------
def _shift_value(xp: Any, x: Any, axis: int, step: int) -> Any:
    first, last = _along(axis, None, 1), _along(axis, -1, None)
    if step > 0:
        parts = [xp.zeros_like(x[first]), x[_along(axis, None, -1)]]
    else:
        parts = [x[_along(axis, 1, None)], xp.zeros_like(x[last])]
    return xp.concatenate(parts, axis=axis)


_shift: Movement = Movement(
    "shift",
    shape=lambda types, axis, step: types[0].shape,
    value=_shift_value,
    vjp=lambda g, node: [_shift(g, axis=node.op.params["axis"], step=-node.op.params["step"])],
    batch=along_axes,
)  # y_i = x_{i - step} for step ±1, 0 at the end that is open


class Recurrence(Declared):
    """``s_i = a_i s_{i-1} + b_i`` along an axis (in reverse: s_{i+1}), starting from 0.

    The vjp is a recurrence in the other direction, so derivatives of any order stay O(n log n) and
    divide by nothing: λ_i = s̄_i + a_{i+1} λ_{i+1};  b̄ = λ;  ā_i = λ_i s_{i-1}.
    A state of exactly zero stays zero whatever it is multiplied with.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        shape = broadcast_shapes(self.name, [t.shape for t in types])
        return (TensorType(np.result_type(*[t.dtype for t in types]), shape),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """In log₂ n passes over the array, each doubling the window that is composed."""
        dtype = xp.result_type(*arrays)
        a, b = [xp.moveaxis(v, params["axis"], -1) for v in xp.broadcast_arrays(*arrays)]
        if params["reverse"]:
            a, b = a[..., ::-1], b[..., ::-1]
        factor, state = a.astype(dtype), b.astype(dtype)  # copies
        step = 1
        while step < state.shape[-1]:
            before = state[..., :-step]
            state[..., step:] += xp.where(before == 0, 0, factor[..., step:] * before)
            factor[..., step:] *= factor[..., :-step].copy()
            step *= 2
        return xp.moveaxis(state[..., ::-1] if params["reverse"] else state, -1, params["axis"])

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        return [self(*aligned(node, operands, batched), **shifted(node.op.params))]

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None, None]
        (a, b), axis, back = node.inputs, node.op.params["axis"], node.op.params["reverse"]
        step = -1 if back else 1
        flow = self(_shift(a, axis=axis, step=-step), cotangents[0], axis=axis, reverse=not back)
        neighbour = _shift(node.output(0), axis=axis, step=step) if wanted[0] else None
        to_a = None if neighbour is None else weigh(flow, neighbour)
        return [fit(to_a, a), fit(flow, b)]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        a, axis, step = node.inputs[0], node.op.params["axis"], node.op.params["reverse"]
        neighbour = _shift(node.output(0), axis=axis, step=-1 if step else 1)
        moved = None if tangents[0] is None else weigh(tangents[0], neighbour)
        total = add_up([moved, tangents[1]])
        return [None if total is None else apply(node.op, (a, total))]


_recurrence = Recurrence("recurrence")


def _cumprod_vjp(g: Variable, y: Variable, x: Variable, axis: int) -> Variable:
    """y_i = Π_{k≤i} x_k;  x̄_j = y_{j-1} λ_j with λ_j = ȳ_j + x_{j+1} λ_{j+1}."""
    flow = _recurrence(_shift(x, axis=axis, step=-1), g, axis=axis, reverse=True)
    place = OPS["arange"](x.shape[axis])
    first = OPS["expand_dims"](place, tuple(range(1, x.ndim - axis))) == 0
    return weigh(flow, OPS["where"](first, 1, _shift(y, axis=axis, step=1)).astype(flow.dtype))


_cumprod = Scan(
    "cumprod", lambda xp, x, axis: xp.cumprod(x, axis=axis), vjp=_cumprod_vjp, dtype=sum_dtype
)


@public(np.cumprod, topic="reduction", samples=lambda rng: [
    *_scan_samples(rng), Sample((_ZERO_ROWS,), {"axis": 1}), Sample((_ZERO_ROWS,)),
    Sample((np.float64(2),))])  # fmt: skip
def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Variable:
    """Cumulative product along `axis` (None: of the flattened array), as ``np.cumprod``.

    The result has the shape of `a`; `dtype` is converted to before multiplying. Derivatives of any
    order are right also where elements are zero.
    Raises AxisError for an axis that `a` does not have.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.cumprod(x).sum(), x).eval({x: [2.0, 0.0, 3.0]})
    array([1., 8., 0.])
    """
    refuse_out("cumprod", out)
    return scan_along(_cumprod, a, axis, dtype)


# ---- scans that skip NaN, the Array API's scans ----------------------------------------------
def _without_nan(variable: Variable, neutral: int) -> Variable:
    if variable.dtype.kind not in "fc":
        return variable
    return OPS["where"](OPS["isnan"](variable), neutral, variable)


def _nan_samples(rng: np.random.Generator) -> list[Sample]:
    return [*_scan_samples(rng), Sample((np.float64(1.5),))]


@public(np.nancumsum, topic="reduction", samples=_nan_samples)
def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Variable:
    """Cumulative sum along `axis` with NaN as zero, as ``np.nancumsum``.

    The derivative at a NaN is 0.

    >>> import graphad as ga
    >>> ga.nancumsum(ga.constant([1.0, float("nan"), 3.0])).eval()
    array([1., 1., 4.])
    """
    refuse_out("nancumsum", out)
    result: Variable = OPS["cumsum"](_without_nan(as_variable(a), 0), axis=axis, dtype=dtype)
    return result


@public(np.nancumprod, topic="reduction", samples=_nan_samples)
def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Variable:
    """Cumulative product along `axis` with NaN as one, as ``np.nancumprod``.

    The derivative at a NaN is 0.

    >>> import graphad as ga
    >>> ga.nancumprod(ga.constant([2.0, float("nan"), 3.0])).eval()
    array([2., 2., 6.])
    """
    refuse_out("nancumprod", out)
    return cumprod(_without_nan(as_variable(a), 1), axis=axis, dtype=dtype)


def _cumulative(name: str, x: Any, axis: Any, dtype: Any, include_initial: bool) -> Variable:
    variable = as_variable(x)
    variable = variable if variable.ndim else OPS["reshape"](variable, (1,))
    if axis is None and variable.ndim > 1:
        raise AxisError(
            f"{name} of an array with {variable.ndim} axes needs axis=",
            remedy="name the axis, or use cumsum, cumprod for the flattened array",
        )
    along = normalize_axis(0 if axis is None else axis, variable.ndim, name)
    scan, initial = ("cumsum", 0) if name == "cumulative_sum" else ("cumprod", 1)
    result: Variable = OPS[scan](variable, axis=along, dtype=dtype)
    if not include_initial:
        return result
    sizes = [1 if i == along else size for i, size in enumerate(result.shape)]
    start = OPS["full"](sizes, initial, dtype=result.dtype)
    joined: Variable = OPS["concatenate"]([start, result], axis=along)
    return joined


def _cumulative_reference(scan: Any, initial: int) -> Any:
    """np.cumulative_sum, np.cumulative_prod, also for NumPy 2.0, which does not have them."""

    def function(x: Any, axis: Any = None, dtype: Any = None, include_initial: Any = False) -> Any:
        array = np.atleast_1d(x)
        if axis is None and array.ndim > 1:
            raise ValueError("axis")
        result = scan(array, axis=0 if axis is None else axis, dtype=dtype)
        width = [(0, 0)] * array.ndim
        width[0 if axis is None else axis] = (int(include_initial), 0)
        return np.pad(result, width, constant_values=initial)

    return function


def _cumulative_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [Sample((x[0],)), Sample((x,), {"axis": 0, "include_initial": True}),
            Sample((x,), {"axis": -1}), Sample((x[0],), {"include_initial": True})]  # fmt: skip


def _known(*names: str) -> list[Any]:
    """Those functions that this NumPy has."""
    return [getattr(np, name) for name in names if hasattr(np, name)]


@public(*_known("cumulative_sum"), topic="reduction", samples=_cumulative_samples,
        reference=_cumulative_reference(np.cumsum, 0))  # fmt: skip
def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, out: None = None,
    include_initial: bool = False,
) -> Variable:  # fmt: skip
    """Cumulative sum along `axis` (needed if x has several axes), as ``np.cumulative_sum``.

    With include_initial the axis is longer by one and starts with 0.
    Raises AxisError where an axis must be named.

    >>> import graphad as ga
    >>> ga.cumulative_sum(ga.constant([1.0, 2.0]), include_initial=True).eval()
    array([0., 1., 3.])
    """
    refuse_out("cumulative_sum", out)
    return _cumulative("cumulative_sum", x, axis, dtype, include_initial)


@public(*_known("cumulative_prod"), topic="reduction", samples=_cumulative_samples,
        reference=_cumulative_reference(np.cumprod, 1))  # fmt: skip
def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, out: None = None,
    include_initial: bool = False,
) -> Variable:  # fmt: skip
    """Cumulative product along `axis` (needed if x has several axes), as ``np.cumulative_prod``.

    With include_initial the axis is longer by one and starts with 1.
    Raises AxisError where an axis must be named.

    >>> import graphad as ga
    >>> ga.cumulative_prod(ga.constant([2.0, 3.0]), include_initial=True).eval()
    array([1., 2., 6.])
    """
    refuse_out("cumulative_prod", out)
    return _cumulative("cumulative_prod", x, axis, dtype, include_initial)
