"""Counts, spread and weighted means over axes: count_nonzero, ptp, average."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import normalize_axes, normalize_axis, public, refuse_out
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.variable import Constant, Variable, as_variable, describe


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(2, 3, 2) / 4
    return [Sample((x,)), Sample((x,), {"axis": (0, 2)}), Sample((x,), {"axis": 1}),
            Sample((x,), {"axis": -1, "keepdims": True})]  # fmt: skip


# ---- counts, spread, weighted means ----------------------------------------------------------
@public(np.count_nonzero, topic="reduction", differentiable=False, samples=lambda rng: [
    Sample((np.array([[0.0, 1.0, -0.0], [2.0, 0.0, np.inf]]),), k)
    for k in ({}, {"axis": 0}, {"axis": -1, "keepdims": True})])  # fmt: skip
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Variable:
    """The number of elements over `axis` that are not zero, an integer, as ``np.count_nonzero``.

    >>> import graphad as ga
    >>> int(ga.count_nonzero(ga.constant([0.0, 5.0, 2.0])).eval())
    2
    """
    variable = as_variable(a)
    hit = variable if variable.dtype.kind == "b" else variable != 0
    result: Variable = OPS["sum"](hit, axis=axis, dtype=np.intp, keepdims=keepdims)
    return result


@public(np.ptp, topic="reduction", samples=_samples)
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Variable:
    """Peak to peak, maximum - minimum over `axis`, as ``np.ptp``. Ties share the derivative.

    Raises ShapeError for an axis known to have size 0.

    >>> import graphad as ga
    >>> float(ga.ptp(ga.constant([4.0, 9.0, 5.0])).eval())
    5.0
    """
    refuse_out("ptp", out)
    variable = as_variable(a)
    largest = OPS["max"](variable, axis=axis, keepdims=keepdims)
    result: Variable = largest - OPS["min"](variable, axis=axis, keepdims=keepdims)
    return result


def _same_sizes(first: Any, second: Any) -> bool:
    return len(first) == len(second) and all(
        joint_size(a, b) is not None and (a == b or 1 not in (a, b))
        for a, b in zip(first, second, strict=True)
    )


def weights_for(variable: Variable, weights: Any, axis: Any, name: str) -> Variable:
    """The weights in a shape that broadcasts against the variable."""
    given = as_variable(weights)
    if _same_sizes(given.type.shape, variable.type.shape) and given.ndim == variable.ndim:
        return given
    if axis is None:
        raise ShapeError(
            f"{name}: weights {given.type} for {describe(variable)}",
            remedy="give weights in the shape of the array, or name the axis they belong to",
        )
    listed = axis if isinstance(axis, tuple) else (axis,)
    axes = [normalize_axis(i, variable.ndim, name) for i in listed]
    if not _same_sizes(given.type.shape, [variable.type.shape[i] for i in axes]):
        raise ShapeError(
            f"{name}: weights {given.type} for axis {axis} of {describe(variable)}",
            remedy="give one weight for each element along the axis",
        )
    ordered = OPS["transpose"](given, tuple(int(i) for i in np.argsort(axes)))
    rest = tuple([i for i in range(variable.ndim) if i not in axes])
    expanded: Variable = OPS["expand_dims"](ordered, rest)
    return expanded


def _average_reference(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """np.average, which fails to divide sizes where there are no elements."""
    function: Any = np.average if np.size(a) else np.mean
    return function(a, axis=axis, keepdims=keepdims)


@public(np.average, topic="reduction", samples=_samples, reference=_average_reference)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """Weighted mean over `axis`, Σ w·a / Σ w, as ``np.average``.

    weights: the shape of `a`, or the sizes of the axes named. With `returned` a pair of this and
    the sum of the weights. Raises ShapeError for weights that do not fit, and, as NumPy,
    ZeroDivisionError for constants that add up to 0; others give NaN or infinities there.

    >>> import graphad as ga
    >>> float(ga.average(ga.constant([1.0, 4.0]), weights=[2.0, 1.0]).eval())
    2.0
    """
    variable = as_variable(a)
    axes = normalize_axes(axis, variable.ndim, "average")
    if weights is None:
        mean = OPS["mean"](variable, axis=axes, keepdims=keepdims)
        if not returned:
            return mean
        total = OPS["sum"](OPS["ones_like"](variable, dtype=mean.dtype), axis=axes,
                           keepdims=keepdims)  # fmt: skip
        return mean, total
    factor = weights_for(variable, weights, axis, "average")
    dtype = np.result_type(variable.dtype, factor.dtype)
    dtype = np.result_type(dtype, "f8") if variable.dtype.kind in "iub" else dtype
    whole = OPS["broadcast_to"](factor.astype(dtype), variable.shape)
    scale = OPS["sum"](whole, axis=axes, keepdims=keepdims)
    if _add_up_to_zero(as_variable(weights), axes, variable.ndim):
        raise ZeroDivisionError(f"average: the weights of {describe(variable)} add up to 0")
    result = OPS["sum"](variable.astype(dtype) * whole, axis=axes, keepdims=keepdims) / scale
    return (result, scale) if returned else result


def _add_up_to_zero(weights: Variable, axes: tuple[int, ...], ndim: int) -> bool:
    """Can be seen that weights add up to 0 somewhere? They have all axes, or those named."""
    if not isinstance(weights, Constant) or not weights.value.size:
        return False
    return bool(np.any(weights.value.sum(axis=axes if weights.ndim == ndim else None) == 0))
