"""Reductions and scans: sum, prod, mean, var, std, max, min, argmax, any, all, cumsum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import normalize_axes, normalize_axis, public, weigh
from graphad.ir.families.reduction import Reduction, Scan, sum_dtype
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Constant, Variable, as_variable

_AXES: Sequence[dict[str, Any]] = (
    {}, {"axis": 0}, {"axis": -1}, {"axis": (0, 2)}, {"axis": 1, "keepdims": True},
)  # fmt: skip


def _samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.normal(size=(2, 3, 2)),), dict(k)) for k in _AXES]


def _without_ties(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.permutation(12).reshape(2, 3, 2) / 4,), dict(k)) for k in _AXES]


def _also_empty(rng: np.random.Generator) -> list[Sample]:
    return [*_samples(rng), Sample((np.zeros((0, 3)),), {"axis": 0}), Sample((np.float64(1.5),))]


# ---- sum and prod ----------------------------------------------------------------------------
def _sum_vjp(g: Variable, y: Variable, x: Variable, axis: tuple[int, ...]) -> Variable:
    """y = Σ x;  x̄ = ȳ everywhere."""
    return OPS["broadcast_to"](g, x.shape)


_sum = Reduction(
    "sum", lambda xp, x, axis, keepdims: xp.sum(x, axis=axis, keepdims=keepdims),
    vjp=_sum_vjp, dtype=sum_dtype, linear=True)  # fmt: skip


@public(np.sum, topic="reduction", samples=_also_empty)
def sum_(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Variable:
    """Sum over `axis` (an int, a tuple, None for all axes), as ``np.sum``.

    x (…); `dtype` is the dtype to convert to before adding; with keepdims reduced axes stay with
    size 1. Raises AxisError for an axis that x does not have.

    >>> import graphad as ga
    >>> ga.sum(ga.constant([[1.0, 2.0], [3.0, 4.0]]), axis=0).eval()
    array([4., 6.])
    """
    variable = as_variable(x)
    variable = variable if dtype is None else variable.astype(dtype)
    axes = normalize_axes(axis, variable.ndim, "sum")
    return _sum(variable, axis=axes, keepdims=bool(keepdims))


def _last_axis_only(x: Variable, axes: tuple[int, ...]) -> Variable:
    """`x` with `axes` joined into one last axis."""
    kept = [i for i in range(x.ndim) if i not in axes]
    moved = OPS["transpose"](x, (*kept, *axes))
    joined: Any = 1
    for size in moved.shape[len(kept) :]:
        joined = joined * size
    return OPS["reshape"](moved, (*moved.shape[: len(kept)], joined))


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


def _prod_vjp(g: Variable, y: Variable, x: Variable, axis: tuple[int, ...]) -> Variable:
    """y = Π x;  x̄_j = ȳ Π_{k≠j} x_k, right with any number of zeros and at any order."""
    return weigh(g, _others(x, axis=-1))


_prod = Reduction(
    "prod", lambda xp, x, axis, keepdims: xp.prod(x, axis=axis, keepdims=keepdims),
    vjp=_prod_vjp, dtype=sum_dtype)  # fmt: skip


def _prod_samples(rng: np.random.Generator) -> list[Sample]:
    zeros = np.array([[1.5, 0.0, -2.0], [0.0, 0.0, 3.0]])
    return [*_also_empty(rng), Sample((zeros,), {"axis": 1})]


@public(np.prod, topic="reduction", samples=_prod_samples)
def prod(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Variable:
    """Product over `axis` (an int, a tuple, None for all axes), as ``np.prod``.

    Derivatives are right also where elements are zero.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.prod(x), x).eval({x: [0.0, 2.0, 3.0]})
    array([6., 0., 0.])
    """
    variable = as_variable(x)
    variable = variable if dtype is None else variable.astype(dtype)
    axes = normalize_axes(axis, variable.ndim, "prod")
    if not axes:
        return variable + np.zeros((), sum_dtype(variable.dtype))
    result = _prod(
        _last_axis_only(variable, axes), axis=(variable.ndim - len(axes),), keepdims=False
    )
    return OPS["expand_dims"](result, axes) if keepdims else result


# ---- mean, var, std --------------------------------------------------------------------------
def _count(x: Variable, axes: Sequence[int], dtype: np.dtype) -> Any:
    """The number of elements reduced, as a constant or a scalar Variable of `dtype`."""
    total: Any = 1
    for axis in axes:
        total = total * x.shape[axis]
    if isinstance(total, int):
        return Constant(np.asarray(total, dtype))
    return as_variable(total).astype(dtype)


def _inexact(x: Any, dtype: Any) -> Variable:
    variable = as_variable(x)
    if dtype is not None:
        return variable.astype(dtype)
    return variable if variable.dtype.kind in "fc" else variable.astype("float64")


def _real_dtype(dtype: np.dtype) -> np.dtype:
    return np.empty(0, dtype).real.dtype


@public(np.mean, topic="reduction", samples=_samples)
def mean(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Variable:
    """Arithmetic mean over `axis`, as ``np.mean``; integers give float64.

    >>> import graphad as ga
    >>> ga.mean(ga.constant([[1.0, 2.0], [3.0, 6.0]]), axis=1).eval()
    array([1.5, 4.5])
    """
    variable = _inexact(x, dtype)
    axes = normalize_axes(axis, variable.ndim, "mean")
    total = sum_(variable, axis=axes, keepdims=keepdims)
    return total / _count(variable, axes, _real_dtype(variable.dtype))


@public(np.var, topic="reduction", samples=_samples)
def var(
    x: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False
) -> Variable:
    """Variance over `axis`: Σ|x - mean|² / (n - ddof), as ``np.var``.

    >>> import graphad as ga
    >>> float(ga.var(ga.constant([1.0, 3.0]), ddof=1).eval())
    2.0
    """
    variable = _inexact(x, dtype)
    axes = normalize_axes(axis, variable.ndim, "var")
    spread = variable - mean(variable, axis=axes, keepdims=True)
    if variable.dtype.kind == "c":
        squares = OPS["square"](OPS["real"](spread)) + OPS["square"](OPS["imag"](spread))
    else:
        squares = OPS["square"](spread)
    count = _count(variable, axes, _real_dtype(variable.dtype))
    if ddof:
        count = OPS["maximum"](count - ddof, 0)
    return sum_(squares, axis=axes, keepdims=keepdims) / count


@public(np.std, topic="reduction", samples=_samples)
def std(
    x: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False
) -> Variable:
    """Standard deviation over `axis`, √var, as ``np.std``.

    The derivative where all elements are equal (std = 0) is 0, a subgradient.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.std(x), x).eval({x: [2.0, 2.0]})
    array([0., 0.])
    """
    variance = var(x, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)
    positive = variance > 0
    return OPS["where"](positive, OPS["sqrt"](OPS["where"](positive, variance, 1)), variance)


# ---- extrema ---------------------------------------------------------------------------------
def _extremum_vjp(g: Variable, y: Variable, x: Variable, axis: tuple[int, ...]) -> Variable:
    """The cotangent goes to the elements equal to the extremum, in equal parts."""
    hit = OPS["equal"](x, y)
    count = sum_(hit, axis=axis, keepdims=True).astype(g.dtype)
    return OPS["where"](hit, g / OPS["maximum"](count, 1), 0)


_max = Reduction(
    "max", lambda xp, x, axis, keepdims: xp.max(x, axis=axis, keepdims=keepdims),
    vjp=_extremum_vjp, needs_elements=True)  # fmt: skip
_min = Reduction(
    "min", lambda xp, x, axis, keepdims: xp.min(x, axis=axis, keepdims=keepdims),
    vjp=_extremum_vjp, needs_elements=True)  # fmt: skip


@public(np.max, np.amax, topic="reduction", samples=_without_ties)
def max_(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Maximum over `axis`, as ``np.max``; NaN wins. Ties share the derivative equally.

    Raises ShapeError for an axis known to have size 0.

    >>> import graphad as ga
    >>> ga.max(ga.constant([[1.0, 5.0], [7.0, 2.0]]), axis=1).eval()
    array([5., 7.])
    """
    variable = as_variable(x)
    axes = normalize_axes(axis, variable.ndim, "max")
    return _max(variable, axis=axes, keepdims=bool(keepdims))


@public(np.min, np.amin, topic="reduction", samples=_without_ties)
def min_(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Minimum over `axis`, as ``np.min``; NaN wins. Ties share the derivative equally.

    Raises ShapeError for an axis known to have size 0.

    >>> import graphad as ga
    >>> ga.min(ga.constant([[1.0, 5.0], [7.0, 2.0]]), axis=1).eval()
    array([1., 2.])
    """
    variable = as_variable(x)
    axes = normalize_axes(axis, variable.ndim, "min")
    return _min(variable, axis=axes, keepdims=bool(keepdims))


def _integer(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.intp)


_argmax = Reduction(
    "argmax", lambda xp, x, axis, keepdims: xp.argmax(x, axis=axis[0], keepdims=keepdims),
    dtype=_integer, needs_elements=True)  # fmt: skip
_argmin = Reduction(
    "argmin", lambda xp, x, axis, keepdims: xp.argmin(x, axis=axis[0], keepdims=keepdims),
    dtype=_integer, needs_elements=True)  # fmt: skip


def _arg(family: Reduction, x: Any, axis: Any, keepdims: bool) -> Variable:
    variable = as_variable(x)
    if axis is None:
        found = family(OPS["ravel"](variable), axis=(0,), keepdims=False)
        return OPS["reshape"](found, (1,) * variable.ndim) if keepdims else found
    along = normalize_axis(axis, variable.ndim, family.name)
    return family(variable, axis=(along,), keepdims=bool(keepdims))


def _arg_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [Sample((x,)), Sample((x,), {"axis": 0}), Sample((x,), {"axis": 1, "keepdims": True})]


@public(np.argmax, topic="reduction", samples=_arg_samples, differentiable=False)
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Variable:
    """Index of the first maximum along `axis` (None: in the flattened array), as ``np.argmax``.

    >>> import graphad as ga
    >>> int(ga.argmax(ga.constant([1.0, 9.0, 3.0])).eval())
    1
    """
    return _arg(_argmax, x, axis, keepdims)


@public(np.argmin, topic="reduction", samples=_arg_samples, differentiable=False)
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Variable:
    """Index of the first minimum along `axis` (None: in the flattened array), as ``np.argmin``.

    >>> import graphad as ga
    >>> int(ga.argmin(ga.constant([4.0, 9.0, 3.0])).eval())
    2
    """
    return _arg(_argmin, x, axis, keepdims)


# ---- logic -----------------------------------------------------------------------------------
def _boolean(dtype: np.dtype) -> np.dtype:
    return np.dtype(bool)


_any = Reduction(
    "any", lambda xp, x, axis, keepdims: xp.any(x, axis=axis, keepdims=keepdims), dtype=_boolean
)
_all = Reduction(
    "all", lambda xp, x, axis, keepdims: xp.all(x, axis=axis, keepdims=keepdims), dtype=_boolean
)


def _boolean_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.integers(0, 2, size=(3, 2)).astype(bool)
    return [Sample((x,)), Sample((x,), {"axis": 0}), Sample((x,), {"axis": 1, "keepdims": True})]


@public(np.any, topic="reduction", samples=_boolean_samples, differentiable=False)
def any_(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Is any element along `axis` true (not zero)? As ``np.any``.

    >>> import graphad as ga
    >>> bool(ga.any(ga.constant([False, True])).eval())
    True
    """
    variable = as_variable(x)
    axes = normalize_axes(axis, variable.ndim, "any")
    return _any(variable, axis=axes, keepdims=bool(keepdims))


@public(np.all, topic="reduction", samples=_boolean_samples, differentiable=False)
def all_(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Are all elements along `axis` true (not zero)? As ``np.all``.

    >>> import graphad as ga
    >>> bool(ga.all(ga.constant([False, True])).eval())
    False
    """
    variable = as_variable(x)
    axes = normalize_axes(axis, variable.ndim, "all")
    return _all(variable, axis=axes, keepdims=bool(keepdims))


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
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Variable:
    """Cumulative sum along `axis` (None: of the flattened array), as ``np.cumsum``.

    >>> import graphad as ga
    >>> ga.cumsum(ga.constant([1.0, 2.0, 3.0])).eval()
    array([1., 3., 6.])
    """
    variable = as_variable(x)
    variable = variable if dtype is None else variable.astype(dtype)
    if axis is None:
        return _cumsum(OPS["ravel"](variable), axis=0)
    return _cumsum(variable, axis=normalize_axis(axis, variable.ndim, "cumsum"))
