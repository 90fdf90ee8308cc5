"""Reductions that skip NaN: nansum, nanprod, nanmean, nanvar, nanstd, nanmax, nanmin.

NaN is replaced by what changes nothing, by `where`: so the derivative at a NaN is exactly 0. The
parameter `where` (booleans that broadcast against the array) leaves out more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.families.common import normalize_axes, public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(2, 3, 2) / 4 - 1.4
    return [Sample((x,)), Sample((x,), {"axis": (0, 2)}), Sample((x,), {"axis": -1}),
            Sample((x,), {"axis": 1, "keepdims": True})]  # fmt: skip


def _kept(variable: Variable, where: Any) -> Any:
    """Which elements count: a boolean Variable, or None for all."""
    chosen = None if where is None or where is True else as_variable(where)
    if chosen is not None and chosen.dtype.kind != "b":
        raise DTypeError(f"where= has dtype {chosen.dtype}", remedy="give booleans, e.g. x > 0")
    if variable.dtype.kind not in "fc":
        return chosen
    valid = ~OPS["isnan"](variable)
    return valid if chosen is None else valid & chosen


def _filled(variable: Variable, kept: Any, neutral: Any) -> Variable:
    return variable if kept is None else OPS["where"](kept, variable, neutral)


# ---- sums and products -----------------------------------------------------------------------
def _total(name: str, neutral: int, a: Any, axis: Any, dtype: Any, keepdims: bool,
           initial: Any, where: Any) -> Variable:  # fmt: skip
    variable = as_variable(a)
    filled = _filled(variable, _kept(variable, where), neutral)
    result: Variable = OPS[name](filled, axis=axis, dtype=dtype, keepdims=keepdims)
    if initial is None:
        return result
    combined = result + initial if name == "sum" else result * initial
    return combined if combined.dtype == result.dtype else combined.astype(result.dtype)


@public(np.nansum, topic="reduction", samples=_samples)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False,
    initial: Any = None, where: Any = None,
) -> Variable:  # fmt: skip
    """Sum over `axis` with NaN as zero, as ``np.nansum``; 0 where all are NaN.

    a (…); `initial` is added, `where` (booleans) selects. The derivative at a NaN is 0.

    >>> import graphad as ga
    >>> float(ga.nansum(ga.constant([1.0, float("nan"), 3.0])).eval())
    4.0
    """
    return _total("sum", 0, a, axis, dtype, keepdims, initial, where)


@public(np.nanprod, topic="reduction", samples=_samples)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False,
    initial: Any = None, where: Any = None,
) -> Variable:  # fmt: skip
    """Product over `axis` with NaN as one, as ``np.nanprod``; 1 where all are NaN.

    `initial` is multiplied with, `where` (booleans) selects. The derivative at a NaN is 0.

    >>> import graphad as ga
    >>> float(ga.nanprod(ga.constant([2.0, float("nan"), 3.0])).eval())
    6.0
    """
    return _total("prod", 1, a, axis, dtype, keepdims, initial, where)


# ---- mean, var, std --------------------------------------------------------------------------
def _inexact(a: Any, dtype: Any) -> Variable:
    variable = as_variable(a)
    if dtype is not None:
        return variable.astype(dtype)
    return variable if variable.dtype.kind in "fc" else variable.astype("float64")


def _count(variable: Variable, kept: Any, axes: tuple[int, ...], keepdims: bool) -> Variable:
    """How many elements count, in the real dtype of `variable`."""
    whole = OPS["broadcast_to"](kept, variable.shape)
    number = OPS["sum"](whole, axis=axes, keepdims=keepdims)
    return number.astype(np.empty(0, variable.dtype).real.dtype)


@public(np.nanmean, topic="reduction", samples=_samples)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = None
) -> Variable:
    """Mean over `axis` of what is not NaN, as ``np.nanmean``; NaN where all are NaN.

    Integers give float64. The derivative at a NaN is 0, also where all are NaN.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.nanmean(x), x).eval({x: [1.0, float("nan"), 3.0]})
    array([0.5, 0. , 0.5])
    """
    variable = _inexact(a, dtype)
    axes = normalize_axes(axis, variable.ndim, "nanmean")
    kept = _kept(variable, where)
    total = OPS["sum"](_filled(variable, kept, 0), axis=axes, keepdims=keepdims)
    result: Variable = total / _count(variable, kept, axes, keepdims)
    return result


@public(np.nanvar, topic="reduction", samples=lambda rng: [
    *_samples(rng), Sample((rng.normal(size=(3, 4)),), {"axis": 0, "ddof": 1})
])  # fmt: skip
def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, *, ddof: float = 0, keepdims: bool = False,
    where: Any = None, mean: Any = None, correction: Any = None,
) -> Variable:  # fmt: skip
    """Variance over `axis` of what is not NaN, Σ|x - mean|² / (n - ddof), as ``np.nanvar``.

    NaN where no more than `ddof` elements count. `correction` is another name of ddof, `mean` the
    mean (with the reduced axes of size 1) if it is known. The derivative at a NaN is 0.
    Raises UseError if both ddof and correction are given.

    >>> import graphad as ga
    >>> float(ga.nanvar(ga.constant([1.0, float("nan"), 3.0]), ddof=1).eval())
    2.0
    """
    if correction is not None and ddof:
        raise UseError("nanvar: ddof and correction are both given", remedy="give one of them")
    less = ddof if correction is None else correction
    variable = _inexact(a, dtype)
    axes = normalize_axes(axis, variable.ndim, "nanvar")
    kept = _kept(variable, where)
    centre = nanmean(variable, axes, keepdims=True, where=where) if mean is None else mean
    spread = _filled(variable - centre, kept, 0)
    if spread.dtype.kind == "c":
        squares = OPS["square"](OPS["real"](spread)) + OPS["square"](OPS["imag"](spread))
    else:
        squares = OPS["square"](spread)
    freedom = _count(variable, kept, axes, keepdims) - less
    total = OPS["sum"](squares, axis=axes, keepdims=keepdims)
    enough = freedom > 0
    result: Variable = OPS["where"](enough, total / OPS["where"](enough, freedom, 1), np.nan)
    return result


@public(np.nanstd, topic="reduction", samples=_samples)
def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, *, ddof: float = 0, keepdims: bool = False,
    where: Any = None, mean: Any = None, correction: Any = None,
) -> Variable:  # fmt: skip
    """Standard deviation over `axis` of what is not NaN, √nanvar, as ``np.nanstd``.

    The derivative where all elements are equal (the result is 0) is 0, as it is at a NaN.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.nanstd(x), x).eval({x: [2.0, float("nan"), 2.0]})
    array([0., 0., 0.])
    """
    variance = nanvar(a, axis, dtype, ddof=ddof, keepdims=keepdims, where=where, mean=mean,
                      correction=correction)  # fmt: skip
    positive = variance > 0
    safe = OPS["sqrt"](OPS["where"](positive, variance, 1))
    result: Variable = OPS["where"](positive, safe, variance)
    return result


# ---- extrema ---------------------------------------------------------------------------------
def _extremum(name: str, worst: float, a: Any, axis: Any, keepdims: bool, initial: Any,
              where: Any) -> Variable:  # fmt: skip
    variable = as_variable(a)
    if where is not None and initial is None:
        raise UseError(f"nan{name}: where= needs initial=",
                       remedy="give the value for what has no elements")  # fmt: skip
    if variable.dtype.kind in "fc":
        kept = _kept(variable, where)
        found: Variable = OPS[name](_filled(variable, kept, worst), axis=axis, keepdims=keepdims)
        if initial is None:
            found = OPS["where"](OPS["any"](kept, axis=axis, keepdims=keepdims), found, np.nan)
    else:
        fill = None if where is None else initial
        found = OPS[name](_filled(variable, _kept(variable, where), fill), axis=axis,
                          keepdims=keepdims)  # fmt: skip
    if initial is None:
        return found
    result: Variable = OPS["maximum" if name == "max" else "minimum"](found, initial)
    return result if result.dtype == variable.dtype else result.astype(variable.dtype)


@public(np.nanmax, topic="reduction", samples=_samples)
def nanmax(
    a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Variable:
    """Maximum over `axis` of what is not NaN, as ``np.nanmax``; NaN where all are NaN.

    Ties share the derivative equally (also with NaN, which gets 0, if the result is infinite and
    NaN would not win: -inf for max, inf for min). `initial` takes part; `where` needs it.
    Raises ShapeError for an axis known to have size 0, UseError for where= without initial=.

    >>> import graphad as ga
    >>> float(ga.nanmax(ga.constant([1.0, float("nan"), 3.0])).eval())
    3.0
    """
    return _extremum("max", -np.inf, a, axis, keepdims, initial, where)


@public(np.nanmin, topic="reduction", samples=_samples)
def nanmin(
    a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Variable:
    """Minimum over `axis` of what is not NaN, as ``np.nanmin``; NaN where all are NaN.

    Ties share the derivative equally (also with NaN, which gets 0, if the result is infinite and
    NaN would not win: -inf for max, inf for min). `initial` takes part; `where` needs it.
    Raises ShapeError for an axis known to have size 0, UseError for where= without initial=.

    >>> import graphad as ga
    >>> float(ga.nanmin(ga.constant([1.0, float("nan"), 3.0])).eval())
    1.0
    """
    return _extremum("min", np.inf, a, axis, keepdims, initial, where)
