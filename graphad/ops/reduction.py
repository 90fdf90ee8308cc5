"""Sums: sum, prod, mean, var, std, cumsum. What `where` leaves out has no part in any derivative.

Extrema and logic are in `graphad.ops.extrema`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.common import (
    normalize_axes,
    normalize_axis,
    public,
    refuse_out,
    weigh,
)
from graphad.ir.families.reduction import Reduction, Scan, check_mask, mask_of, sum_dtype
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Constant, Variable, as_variable

_MASK = np.array([[True, False], [True, True], [False, True]])
_MEAN = np.array([[[0.25]], [[-0.5]]], np.float32)
_AXES: Sequence[dict[str, Any]] = (
    {}, {"axis": 0}, {"axis": -1}, {"axis": (0, 2)}, {"axis": 1, "keepdims": True}, {"axis": ()},
)  # fmt: skip


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(2, 3, 2))
    masked = Sample((x,), {"axis": 1, "keepdims": True}, {"where": _MASK})
    return [*[Sample((rng.normal(size=(2, 3, 2)),), dict(k)) for k in _AXES], masked,
            Sample((x,), {"axis": (0, 1)}, {"where": _MASK[:, :1]})]  # fmt: skip


def _also_empty(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(2, 3, 2))
    started = Sample((x,), {"axis": (0, 2)}, {"where": _MASK, "initial": np.float64(1.5)})
    return [*_samples(rng), Sample((np.zeros((0, 3)),), {"axis": 0}), Sample((np.float64(1.5),)),
            started]  # fmt: skip


# ---- sum and prod ----------------------------------------------------------------------------
def _chosen(where: Any, cotangent: Variable) -> Variable:
    """The cotangent of what counts; zero for what `where` leaves out."""
    return cotangent if where is None else OPS["where"](where, cotangent, 0)


def _sum_vjp(
    g: Variable, y: Variable, x: Variable, axis: tuple[int, ...], where: Any = None
) -> Variable:
    """y = Σ x;  x̄ = ȳ everywhere."""
    return _chosen(where, OPS["broadcast_to"](g, x.shape))


_sum = Reduction(
    "sum", lambda xp, x, axis, keepdims, **extra: xp.sum(x, axis=axis, keepdims=keepdims, **extra),
    vjp=_sum_vjp, dtype=sum_dtype, linear=True)  # fmt: skip


def _reduced(
    family: Reduction, a: Any, axis: Any, dtype: Any, keepdims: bool, initial: Any, where: Any
) -> Variable:
    """The sum or product of what `where` takes, with `initial` in it, in the result's dtype."""
    variable = as_variable(a)
    variable = variable if dtype is None else variable.astype(dtype)
    axes = normalize_axes(axis, variable.ndim, family.name)
    mask = mask_of(where)
    result: Variable = family(variable, *mask.values(), axis=axes, keepdims=bool(keepdims),
                              **dict.fromkeys(mask, True))  # fmt: skip
    result = result if dtype is None else _as(result, np.dtype(dtype))  # small integers
    if initial is None:
        return result
    start = as_variable(initial)
    if start.ndim:
        raise UseError(f"{family.name}: initial= with {start.ndim} axes", remedy="give a scalar")
    start = start if start.dtype == result.dtype else start.astype(result.dtype)
    return result + start if family is _sum else result * start


@public(np.sum, topic="reduction", samples=_also_empty)
def sum_(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Variable:  # fmt: skip
    """Sum over `axis` (an int, a tuple, None for all axes), as ``np.sum``.

    a (…); `dtype` is the dtype to convert to before adding; with keepdims reduced axes stay with
    size 1; `initial`, a scalar in the dtype of the result, is added; `where`, booleans that
    broadcast against a, says what counts: the rest leaves no trace, be it NaN.
    Raises AxisError for an axis that a does not have, ShapeError and DTypeError for `where`.

    >>> import graphad as ga
    >>> x = ga.constant([[1.0, 2.0], [3.0, float("nan")]])
    >>> ga.sum(x, axis=0, where=[[True, True], [True, False]]).eval()
    array([4., 2.])
    """
    refuse_out("sum", out)
    return _reduced(_sum, a, axis, dtype, keepdims, initial, where)


def _others_value(xp: Any, x: Any) -> Any:
    """For each element, the product of all others along the last axis."""
    ones = xp.ones_like(x[..., :1])
    before = xp.cumprod(xp.concatenate([ones, x[..., :-1]], axis=-1), axis=-1)
    after = xp.cumprod(xp.concatenate([ones, x[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return xp.multiply(before, after)


def _others_vjp(g: Variable, y: Variable, x: Variable, axis: int) -> Variable:
    """y_i = Π_{k≠i} x_k;  x̄_j = Σ_{i≠j} ȳ_i Π_{k≠i,j} x_k: the same op on rows with x_i := 1."""
    index = OPS["arange"](x.shape[-1])
    diagonal = OPS["equal"](index[:, None], index)
    rows = OPS["where"](diagonal, 1, x[..., None, :])
    without = OPS["where"](diagonal, 0, _others(rows, axis=-1))
    return OPS["sum"](weigh(g[..., :, None], without), axis=-2)


_others = Scan("product_of_others", lambda xp, x, axis: _others_value(xp, x), vjp=_others_vjp)


def _others_over(x: Variable, axes: tuple[int, ...]) -> Variable:
    """For each element, the product of all others over `axes`."""
    order = (*[i for i in range(x.ndim) if i not in axes], *axes)
    moved = OPS["transpose"](x, order)
    joined: Any = 1
    for size in moved.shape[x.ndim - len(axes) :]:
        joined = joined * size
    rows = OPS["reshape"](moved, (*moved.shape[: x.ndim - len(axes)], joined))
    found = OPS["reshape"](_others(rows, axis=-1), moved.shape)
    return OPS["transpose"](found, tuple([order.index(i) for i in range(x.ndim)]))


def _prod_vjp(
    g: Variable, y: Variable, x: Variable, axis: tuple[int, ...], where: Any = None
) -> Variable:
    """y = Π x;  x̄_j = ȳ Π_{k≠j} x_k, right with any number of zeros and at any order."""
    if not axis:
        return _chosen(where, g)
    filled = x if where is None else OPS["where"](where, x, 1)
    return _chosen(where, weigh(g, _others_over(filled, axis)))


_prod = Reduction(
    "prod",
    lambda xp, x, axis, keepdims, **extra: xp.prod(x, axis=axis, keepdims=keepdims, **extra),
    vjp=_prod_vjp, dtype=sum_dtype)  # fmt: skip


def _prod_samples(rng: np.random.Generator) -> list[Sample]:
    zeros = np.array([[1.5, 0.0, -2.0], [0.0, 0.0, 3.0]])
    return [*_also_empty(rng), Sample((zeros,), {"axis": 1}), Sample((zeros,))]


@public(np.prod, topic="reduction", samples=_prod_samples)
def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Variable:  # fmt: skip
    """Product over `axis` (an int, a tuple, None for all axes), as ``np.prod``.

    `initial` is multiplied with; the other parameters and errors are those of `sum`. Derivatives
    of any order are right also where elements are zero.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.prod(x), x).eval({x: [0.0, 2.0, 3.0]})
    array([6., 0., 0.])
    """
    refuse_out("prod", out)
    return _reduced(_prod, a, axis, dtype, keepdims, initial, where)


def _as(variable: Variable, dtype: np.dtype) -> Variable:
    return variable if variable.dtype == dtype else variable.astype(dtype)


# ---- mean, var, std --------------------------------------------------------------------------
def _count(
    x: Variable, axes: Sequence[int], keepdims: bool, where: Any, dtype: np.dtype
) -> Variable:
    """The number of elements that count, in `dtype`; a scalar if it is the same everywhere."""
    for mask in mask_of(where).values():
        check_mask("where", x.type, mask.type)
        return sum_(OPS["broadcast_to"](mask, x.shape), axis=tuple(axes),
                    keepdims=keepdims).astype(dtype)  # fmt: skip
    total: Any = 1
    for axis in axes:
        total = total * x.shape[axis]
    if isinstance(total, int):
        return Constant(np.asarray(total, dtype))
    return as_variable(total).astype(dtype)


def _inexact(a: Any, dtype: Any) -> tuple[Variable, np.dtype]:
    """The array, and the dtype to add up in: float64 for integers, as NumPy."""
    variable = as_variable(a)
    if dtype is not None:
        return variable, np.dtype(dtype)
    return variable, variable.dtype if variable.dtype.kind in "fc" else np.dtype("float64")


def _real_dtype(dtype: np.dtype) -> np.dtype:
    return np.empty(0, dtype).real.dtype if dtype.kind in "fc" else np.dtype("float64")


@public(np.mean, topic="reduction", samples=_samples)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *,
    where: Any = True,
) -> Variable:  # fmt: skip
    """Arithmetic mean over `axis`, as ``np.mean``; integers give float64, no elements NaN.

    `where`, booleans that broadcast against a, says what counts. float16 is added in float32.
    Raises AxisError, ShapeError, DTypeError as `sum`.

    >>> import graphad as ga
    >>> ga.mean(ga.constant([[1.0, 2.0], [3.0, 6.0]]), axis=1).eval()
    array([1.5, 4.5])
    """
    refuse_out("mean", out)
    variable, target = _inexact(a, dtype)
    inner = np.dtype("float32") if dtype is None and target == np.float16 else target
    axes = normalize_axes(axis, variable.ndim, "mean")
    total = sum_(_as(variable, inner), axis=axes, keepdims=keepdims, where=where)
    return _as(total / _count(variable, axes, keepdims, where, _real_dtype(inner)), target)


def _freedom(count: Variable, ddof: Any) -> Variable:
    """max(count - ddof, 0), as NumPy has it."""
    if not isinstance(ddof, Variable) and ddof == 0:
        return count
    if isinstance(count, Constant) and not isinstance(ddof, Variable):
        return Constant(np.maximum(count.value - ddof, 0).astype(count.dtype))
    return OPS["maximum"](count - ddof, 0)


def checked_ddof(name: str, ddof: Any, correction: Any) -> Any:
    """The correction of the degrees of freedom by either of its names."""
    if correction is None:
        return ddof
    if isinstance(ddof, Variable) or ddof != 0:
        raise UseError(f"{name}: ddof and correction are both given", remedy="give one of them")
    return correction


def _var_samples(rng: np.random.Generator) -> list[Sample]:
    """Elements that are far apart: the standard deviation of equal ones is a kink."""

    def x() -> Any:
        return rng.permutation(12).reshape(2, 3, 2) / 4

    given: list[dict[str, Any]] = [
        *_AXES, {"axis": 1, "ddof": 1}, {"axis": (1, 2), "correction": 1.5, "mean": _MEAN},
    ]  # fmt: skip
    return [*[Sample((x(),), dict(k)) for k in given],
            Sample((x(),), {"axis": 1, "keepdims": True}, {"where": _MASK}),
            Sample((x(),), {"axis": (0, 1)}, {"where": _MASK[:, :1]})]  # fmt: skip


@public(np.var, topic="reduction", samples=_var_samples)
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Variable:  # fmt: skip
    """Variance over `axis`: Σ|a - mean|² / max(n - ddof, 0), as ``np.var``.

    `correction` is another name of ddof; `mean`: the mean, if it is known, with the reduced axes
    of size 1; `where`, booleans that broadcast against a, says what counts. Complex numbers give
    real variances. Raises UseError for both ddof and correction; the rest as `sum`.

    >>> import graphad as ga
    >>> float(ga.var(ga.constant([1.0, 3.0]), ddof=1).eval())
    2.0
    """
    refuse_out("var", out)
    less = checked_ddof("var", ddof, correction)
    variable, target = _inexact(a, dtype)
    axes = normalize_axes(axis, variable.ndim, "var")
    if mean is None:
        total = sum_(_as(variable, target), axis=axes, keepdims=True, where=where)
        count = _count(variable, axes, True, where, _real_dtype(target))
        centre = _as(total / count, target)
    else:
        centre = as_variable(mean)
    spread = variable - centre
    if spread.dtype.kind == "c":
        squares = OPS["square"](OPS["real"](spread)) + OPS["square"](OPS["imag"](spread))
    else:
        squares = OPS["square"](spread)
    result = target if dtype is not None or variable.dtype.kind in "iub" else squares.dtype
    total = sum_(_as(squares, result), axis=axes, keepdims=keepdims, where=where)
    freedom = _freedom(_count(variable, axes, keepdims, where, _real_dtype(target)), less)
    return _as(total / freedom, result)


@public(np.std, topic="reduction", samples=_var_samples)
def std(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Variable:  # fmt: skip
    """Standard deviation over `axis`, √var, as ``np.std``; parameters and errors are those of var.

    The derivative where all elements are equal (std = 0) is 0, a subgradient.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.std(x), x).eval({x: [2.0, 2.0]})
    array([0., 0.])
    """
    refuse_out("std", out)
    variance = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean,
                   correction=correction)  # fmt: skip
    if variance.dtype.kind == "c":  # because dtype= says so
        return _root(OPS["real"](variance)).astype(variance.dtype)
    return _root(variance)


def _root(variance: Variable) -> Variable:
    """The square root; where it is 0, so are all its derivatives."""
    zero = OPS["equal"](variance, 0)
    return OPS["where"](zero, 0, OPS["sqrt"](OPS["where"](zero, 1, variance)))


# ---- scans -----------------------------------------------------------------------------------
def _cumsum_vjp(g: Variable, y: Variable, x: Variable, axis: int) -> Variable:
    """y_i = Σ_{k≤i} x_k;  x̄_k = Σ_{i≥k} ȳ_i."""
    return OPS["flip"](_cumsum(OPS["flip"](g, axis), axis=axis), axis)


_cumsum = Scan(
    "cumsum", lambda xp, x, axis: xp.cumsum(x, axis=axis),
    vjp=_cumsum_vjp, dtype=sum_dtype, linear=True)  # fmt: skip


def _scan_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [Sample((x,)), Sample((x,), {"axis": 0}), Sample((x,), {"axis": -1})]


@public(np.cumsum, topic="reduction", samples=_scan_samples)
def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Variable:
    """Cumulative sum along `axis` (None: of the flattened array), as ``np.cumsum``.

    `dtype` is the dtype to convert to before adding.
    Raises AxisError for an axis that `a` does not have.

    >>> import graphad as ga
    >>> ga.cumsum(ga.constant([1.0, 2.0, 3.0])).eval()
    array([1., 3., 6.])
    """
    refuse_out("cumsum", out)
    return scan_along(_cumsum, a, axis, dtype)


def scan_along(family: Scan, a: Any, axis: Any, dtype: Any) -> Variable:
    """The scan along an axis, of the flattened array for None, in `dtype`."""
    variable = as_variable(a)
    variable = variable if dtype is None else variable.astype(dtype)
    if axis is None:
        variable, axis = OPS["ravel"](variable), 0
    result: Variable = family(variable, axis=normalize_axis(axis, variable.ndim, family.name))
    return result if dtype is None else _as(result, np.dtype(dtype))
