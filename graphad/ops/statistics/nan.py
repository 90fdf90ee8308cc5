"""Reductions that skip NaN: nansum, nanprod, nanmean, nanvar, nanstd, nanmax, nanargmax, ….

Sums are those of the elements that are not NaN, by the reductions' parameter `where`: so the
derivative at a NaN is exactly 0. The parameter `where` of these functions leaves out more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.families.common import normalize_axes, public, refuse_out
from graphad.ir.families.reduction import Reduction, check_mask, mask_of
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.extrema import extremum, extremum_vjp, place, place_family, place_samples
from graphad.ops.reduction import checked_ddof

_MEAN = np.float16(0.5)
_MASK = np.array([[True, False], [True, True], [False, True]])


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(2, 3, 2) / 4 - 1.4
    return [Sample((x,)), Sample((x,), {"axis": (0, 2)}), Sample((x,), {"axis": -1}),
            Sample((x,), {"axis": 1, "keepdims": True})]  # fmt: skip


def _masked_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(2, 3, 2) / 4 - 1.4
    return [*_samples(rng), Sample((x,), {"axis": 1}, {"where": _MASK})]


def _started_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(2, 3, 2) / 4 - 1.4
    given = {"where": _MASK, "initial": np.float64(0.3)}
    return [*_samples(rng), Sample((x,), {"axis": 1}, given),
            Sample((x,), {"axis": 0, "initial": 0.3})]  # fmt: skip


def _kept(variable: Variable, where: Any, name: str) -> Any:
    """What counts, in the form of the parameter `where`: not NaN, and chosen."""
    if variable.dtype.kind not in "fc":
        return where
    valid = ~OPS["isnan"](variable)
    for mask in mask_of(where).values():
        check_mask(name, variable.type, mask.type)
        return valid & mask
    return valid


# ---- sums and products -----------------------------------------------------------------------
@public(np.nansum, topic="reduction", samples=_started_samples)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Variable:  # fmt: skip
    """Sum over `axis` with NaN as zero, as ``np.nansum``; 0 where all are NaN.

    a (…); parameters and errors are those of `sum`. The derivative at a NaN is 0.

    >>> import graphad as ga
    >>> float(ga.nansum(ga.constant([1.0, float("nan"), 3.0])).eval())
    4.0
    """
    refuse_out("nansum", out)
    variable = as_variable(a)
    kept = _kept(variable, where, "nansum")
    result: Variable = OPS["sum"](variable, axis, dtype, None, keepdims, initial, kept)
    return result


@public(np.nanprod, topic="reduction", samples=_started_samples)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Variable:  # fmt: skip
    """Product over `axis` with NaN as one, as ``np.nanprod``; 1 where all are NaN.

    Parameters and errors are those of `prod`. The derivative at a NaN is 0.

    >>> import graphad as ga
    >>> float(ga.nanprod(ga.constant([2.0, float("nan"), 3.0])).eval())
    6.0
    """
    refuse_out("nanprod", out)
    variable = as_variable(a)
    kept = _kept(variable, where, "nanprod")
    result: Variable = OPS["prod"](variable, axis, dtype, None, keepdims, initial, kept)
    return result


# ---- mean, var, std --------------------------------------------------------------------------
@public(np.nanmean, topic="reduction", samples=_masked_samples)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *,
    where: Any = True,
) -> Variable:  # fmt: skip
    """Mean over `axis` of what is not NaN, as ``np.nanmean``; NaN where all are NaN.

    Integers give float64. The derivative at a NaN is 0, also where all are NaN. Parameters and
    errors are those of `mean`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.nanmean(x), x).eval({x: [1.0, float("nan"), 3.0]})
    array([0.5, 0. , 0.5])
    """
    refuse_out("nanmean", out)
    variable = as_variable(a)
    kept = _kept(variable, where, "nanmean")
    result: Variable = OPS["mean"](variable, axis, dtype, None, keepdims, where=kept)
    return result


@public(np.nanvar, topic="reduction", samples=lambda rng: [
    *_masked_samples(rng), Sample((rng.normal(size=(3, 4)),), {"axis": 0, "ddof": 1}),
    Sample((rng.normal(size=(3, 4)),), {"correction": 1.5, "mean": _MEAN}),
])  # fmt: skip
def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Variable:  # fmt: skip
    """Variance over `axis` of what is not NaN, Σ|a - mean|² / (n - ddof), as ``np.nanvar``.

    NaN where no more than `ddof` elements count. The derivative at a NaN is 0. Parameters and
    errors are those of `var`.

    >>> import graphad as ga
    >>> float(ga.nanvar(ga.constant([1.0, float("nan"), 3.0]), ddof=1).eval())
    2.0
    """
    refuse_out("nanvar", out)
    less = checked_ddof("nanvar", ddof, correction)
    variable = as_variable(a)
    kept = _kept(variable, where, "nanvar")
    result: Variable = OPS["var"](variable, axis, dtype, None, less, keepdims, where=kept,
                                  mean=mean)  # fmt: skip
    if variable.dtype.kind not in "fc":
        return result
    axes = normalize_axes(axis, variable.ndim, "nanvar")
    count = OPS["sum"](kept, axis=axes, keepdims=keepdims)
    enough: Variable = OPS["where"](count - less > 0, result, np.nan)
    return enough


@public(np.nanstd, topic="reduction", samples=_masked_samples)
def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Variable:  # fmt: skip
    """Standard deviation over `axis` of what is not NaN, √nanvar, as ``np.nanstd``.

    The derivative where all elements are equal (the result is 0) is 0, as it is at a NaN.
    Parameters and errors are those of `var`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.nanstd(x), x).eval({x: [2.0, float("nan"), 2.0]})
    array([0., 0., 0.])
    """
    refuse_out("nanstd", out)
    variance = nanvar(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean,
                      correction=correction)  # fmt: skip
    zero = OPS["equal"](variance, 0)
    result: Variable = OPS["where"](zero, 0, OPS["sqrt"](OPS["where"](zero, 1, variance)))
    return result


# ---- extrema ---------------------------------------------------------------------------------
def _family(name: str, ufunc: str) -> Reduction:
    """The reduction by fmax or fmin, which prefer anything to NaN."""

    def value(xp: Any, x: Any, axis: Any, keepdims: bool, **extra: Any) -> Any:
        return getattr(xp, ufunc).reduce(x, axis=axis, keepdims=keepdims, **extra)

    return Reduction(name, value, vjp=extremum_vjp, needs_elements=True)


_nanmax, _nanmin = _family("nanmax", "fmax"), _family("nanmin", "fmin")


@public(np.nanmax, topic="reduction", samples=_started_samples)
def nanmax(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Variable:  # fmt: skip
    """Maximum over `axis` of what is not NaN, as ``np.nanmax``; NaN where all are NaN.

    Ties share the derivative equally; a NaN has none. Parameters and errors are those of `max`.

    >>> import graphad as ga
    >>> float(ga.nanmax(ga.constant([1.0, float("nan"), 3.0])).eval())
    3.0
    """
    refuse_out("nanmax", out)
    return extremum(_nanmax, a, axis, keepdims, initial, where)


@public(np.nanmin, topic="reduction", samples=_started_samples)
def nanmin(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Variable:  # fmt: skip
    """Minimum over `axis` of what is not NaN, as ``np.nanmin``; NaN where all are NaN.

    Ties share the derivative equally; a NaN has none. Parameters and errors are those of `min`.

    >>> import graphad as ga
    >>> float(ga.nanmin(ga.constant([1.0, float("nan"), 3.0])).eval())
    1.0
    """
    refuse_out("nanmin", out)
    return extremum(_nanmin, a, axis, keepdims, initial, where)


_nanargmax, _nanargmin = place_family("nanargmax"), place_family("nanargmin")


@public(np.nanargmax, topic="reduction", samples=place_samples, differentiable=False)
def nanargmax(
    a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False
) -> Variable:
    """Index of the first maximum of what is not NaN along `axis`, as ``np.nanargmax``.

    Raises what `argmax` raises, and a ValueError at run time where all are NaN.

    >>> import graphad as ga
    >>> int(ga.nanargmax(ga.constant([1.0, float("nan"), 3.0])).eval())
    2
    """
    refuse_out("nanargmax", out)
    return place(_nanargmax, a, axis, keepdims)


@public(np.nanargmin, topic="reduction", samples=place_samples, differentiable=False)
def nanargmin(
    a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False
) -> Variable:
    """Index of the first minimum of what is not NaN along `axis`, as ``np.nanargmin``.

    Raises what `argmin` raises, and a ValueError at run time where all are NaN.

    >>> import graphad as ga
    >>> int(ga.nanargmin(ga.constant([float("nan"), 4.0, 3.0])).eval())
    2
    """
    refuse_out("nanargmin", out)
    return place(_nanargmin, a, axis, keepdims)
