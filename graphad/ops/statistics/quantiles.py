"""Order statistics and weighted means: quantile, percentile, median, average, ptp, count_nonzero.

Quantiles sort once and interpolate between two neighbours; derivatives flow to what is picked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.families.common import normalize_axes, normalize_axis, public
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
def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Variable:
    """Peak to peak, maximum - minimum over `axis`, as ``np.ptp``. Ties share the derivative.

    Raises ShapeError for an axis known to have size 0.

    >>> import graphad as ga
    >>> float(ga.ptp(ga.constant([4.0, 9.0, 5.0])).eval())
    5.0
    """
    variable = as_variable(a)
    largest = OPS["max"](variable, axis=axis, keepdims=keepdims)
    result: Variable = largest - OPS["min"](variable, axis=axis, keepdims=keepdims)
    return result


def _same_sizes(first: Any, second: Any) -> bool:
    return len(first) == len(second) and all(
        joint_size(a, b) is not None and (a == b or 1 not in (a, b))
        for a, b in zip(first, second, strict=True)
    )


def _weights_for(variable: Variable, weights: Any, axis: Any) -> Variable:
    """The weights in a shape that broadcasts against the variable."""
    given = as_variable(weights)
    if _same_sizes(given.type.shape, variable.type.shape) and given.ndim == variable.ndim:
        return given
    if axis is None:
        raise ShapeError(
            f"average: weights {given.type} for {describe(variable)}",
            remedy="give weights in the shape of the array, or name the axis they belong to",
        )
    listed = axis if isinstance(axis, tuple) else (axis,)
    axes = [normalize_axis(i, variable.ndim, "average") for i in listed]
    if not _same_sizes(given.type.shape, [variable.type.shape[i] for i in axes]):
        raise ShapeError(
            f"average: weights {given.type} for axis {axis} of {describe(variable)}",
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
    the sum of the weights. NaN or infinite, not an error, where the weights add up to 0.
    Raises ShapeError for weights that do not fit.

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
    factor = _weights_for(variable, weights, axis)
    dtype = np.result_type(variable.dtype, factor.dtype)
    dtype = np.result_type(dtype, "f8") if variable.dtype.kind in "iub" else dtype
    whole = OPS["broadcast_to"](factor.astype(dtype), variable.shape)
    scale = OPS["sum"](whole, axis=axes, keepdims=keepdims)
    result = OPS["sum"](variable.astype(dtype) * whole, axis=axes, keepdims=keepdims) / scale
    return (result, scale) if returned else result


# ---- quantiles -------------------------------------------------------------------------------
# The virtual index of Hyndman & Fan, The American Statistician 50 (1996): (α, β) in
# n·q + α + q·(1 - α - β) - 1.
_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_EXACT = ("lower", "higher", "nearest")  # one element, in the dtype of the data
_PICKING = (*_EXACT, "midpoint")


def _rows(variable: Variable, axis: Any, name: str) -> tuple[Variable, tuple[int, ...]]:
    """The axes to reduce joined into one last axis, sorted; and these axes."""
    axes = normalize_axes(axis, variable.ndim, name)
    kept = [i for i in range(variable.ndim) if i not in axes]
    moved = OPS["transpose"](variable, (*kept, *axes))
    joined: Any = 1
    for i in axes:
        joined = joined * variable.shape[i]
    rows = OPS["reshape"](moved, (*[variable.shape[i] for i in kept], joined))
    return OPS["sort"](rows), axes


def _has_nan(rows: Variable) -> Variable:
    """Is there a NaN in the sorted row? It is last."""
    found: Variable = OPS["any"](OPS["isnan"](rows[..., -1:]), axis=-1)
    return found


def _virtual_index(q: Variable, size: Any, method: str) -> tuple[Variable, Variable]:
    """(lower neighbour as a float, weight of the upper one); unclipped."""
    if method in _PICKING:
        place = q * (size - 1)
        if method == "midpoint":
            lower = OPS["floor"](place)
            return lower, OPS["where"](place == lower, 0.0, 0.5)
        rounding = {"lower": "floor", "higher": "ceil", "nearest": "rint"}[method]
        lower = OPS[rounding](place)
        return lower, OPS["zeros_like"](lower)
    alpha, beta = _CONTINUOUS[method]
    place = q * size + (alpha + q * (1 - alpha - beta)) - 1
    if (alpha, beta) == (1.0, 1.0):
        place = q * (size - 1)
    last = size - 1
    place = OPS["where"](place < 0, 0.0, OPS["where"](place > last, last, place))
    lower = OPS["floor"](place)
    return lower, place - lower


def _quantile(rows: Variable, q: Variable, method: str, dtype: Any) -> Variable:
    """Σ over two neighbours in the last axis of sorted rows; the axes of q stand last."""
    size = OPS["dim_size"](rows, rows.ndim - 1)
    inside = (q >= 0) & (q <= 1)
    lower, weight = _virtual_index(OPS["where"](inside, q, 0).astype("float64"), size, method)
    low = OPS["stop_gradient"](lower).astype(np.intp)
    value = rows[..., low]
    if method not in _EXACT and not (method == "linear" and q.dtype.kind in "iub"):
        step, weight = rows[..., OPS["minimum"](low + 1, size - 1)] - value, weight.astype(dtype)
        value = OPS["where"](weight == 0, value, value + step * weight)
    if value.dtype.kind != "f":
        return value
    bad = ~inside
    if rows.dtype.kind == "f":
        bad = bad | OPS["expand_dims"](_has_nan(rows), tuple(range(-q.ndim, 0)))
    found: Variable = OPS["where"](bad, np.nan, value)
    return found


def _arranged(a: Any, q: Any, top: int, axis: Any, method: str, keepdims: bool, weights: Any,
              name: str) -> Variable:  # fmt: skip
    """Checks, sorts, interpolates, and puts the axes of q first."""
    variable, fraction = _checked(a, q, method, weights, name)
    if isinstance(fraction, Constant) and not bool(
        np.all((fraction.value >= 0) & (fraction.value <= top))
    ):
        raise UseError(f"{name}: q={fraction.value.tolist()}", remedy=f"q is between 0 and {top}")
    number = isinstance(q, int | float)
    dtype = fraction.dtype if fraction.dtype.kind == "f" else np.dtype(float)
    dtype = variable.dtype if number and variable.dtype.kind == "f" else dtype
    rows, axes = _rows(variable, axis, name)
    value = _quantile(rows, fraction if top == 1 else fraction / top, method, dtype)
    if fraction.ndim:
        last = tuple(range(value.ndim - fraction.ndim, value.ndim))
        value = OPS["moveaxis"](value, last, tuple(range(fraction.ndim)))
    if keepdims:
        value = OPS["expand_dims"](value, tuple([i + fraction.ndim for i in axes]))
    return value


def _checked(a: Any, q: Any, method: str, weights: Any, name: str) -> tuple[Variable, Variable]:
    """Array and fractions; errors for what has no symbolic form."""
    if method not in _CONTINUOUS and method not in _PICKING:
        raise UseError(
            f"{name}: method={method!r}",
            remedy=f"choose one of {', '.join((*_CONTINUOUS, *_PICKING))}",
        )
    if weights is not None:
        raise UseError(f"{name}: weights=", remedy="weighted quantiles have no symbolic form")
    variable = as_variable(a)
    if variable.dtype.kind == "c":
        raise DTypeError(f"{name} of {variable.dtype}", remedy="convert to real numbers first")
    return variable, as_variable(float(q) if isinstance(q, int | float) else q)


_QUANTILES: Sequence[tuple[float, dict[str, Any]]] = (
    (0.3, {"axis": 0}), (0.0, {"axis": (0, 2), "keepdims": True}), (1.0, {"axis": -1}), (0.5, {}),
)  # fmt: skip


def _quantile_reference(function: Any) -> Any:
    """NumPy's, which fails for some arrays without elements though the result has none either."""

    def reference(a: Any, q: Any, axis: Any = None, method: str = "linear",
                  keepdims: bool = False) -> Any:  # fmt: skip
        q = q.astype(np.int64) if getattr(q, "dtype", None) == np.uint64 else q  # NumPy 2.0 raises
        if np.size(a) and np.size(q):
            return function(a, q, axis=axis, method=method, keepdims=keepdims)
        left = np.zeros((*np.shape(q), *np.sum(a, axis=axis, keepdims=keepdims).shape))
        if left.size:
            raise ValueError("no elements")
        return left

    return reference


def _quantile_samples(top: int) -> Any:
    def samples(rng: np.random.Generator) -> list[Sample]:
        x = rng.permutation(12).reshape(2, 3, 2) / 4
        made = [Sample((x,), {"q": v * top, **k}) for v, k in _QUANTILES]
        made.append(Sample((x, np.array([[0.1, 0.45], [0.7, 0.8]]) * top), {"axis": 1}))
        methods = [*_CONTINUOUS, *_PICKING]
        return made + [
            Sample((x,), {"q": 0.4 * top, "method": m, "axis": (0, 1)}) for m in methods
        ]

    return samples


@public(np.quantile, topic="statistics", samples=_quantile_samples(1),
        reference=_quantile_reference(np.quantile))  # fmt: skip
def quantile(
    a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False,
    weights: None = None,
) -> Variable:  # fmt: skip
    """The q-th quantiles over `axis`, as ``np.quantile``: the shape of q, then of what is left.

    The derivative flows to the two neighbours that are interpolated (of equal elements the first
    stands first), and to q where the method is continuous; at a corner it is that from the right.
    Floats are NaN where the data hold a NaN, or q turns out to be outside [0, 1] at run time.
    Raises UseError for constants outside, weights, and the methods that jump (*inverted_cdf*,
    "closest_observation"); DTypeError for complex numbers, and booleans to interpolate.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.quantile(x, 0.25), x).eval({x: [3.0, 1.0, 2.0]})
    array([0. , 0.5, 0.5])
    """
    return _arranged(a, q, 1, axis, method, keepdims, weights, "quantile")


@public(np.percentile, topic="statistics", samples=_quantile_samples(100),
        reference=_quantile_reference(np.percentile))  # fmt: skip
def percentile(
    a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False,
    weights: None = None,
) -> Variable:  # fmt: skip
    """The q-th percentiles over `axis`, as ``np.percentile``: `quantile` of q / 100.

    >>> import graphad as ga
    >>> float(ga.percentile(ga.constant([3.0, 1.0, 2.0]), 25).eval())
    1.5
    """
    return _arranged(a, q, 100, axis, method, keepdims, weights, "percentile")


@public(np.median, topic="statistics", samples=_samples)
def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Variable:
    """The middle element over `axis`, or the mean of the two middle ones, as ``np.median``.

    The derivative flows to these (of equal elements the first stands first). NaN where the data
    hold a NaN, or where there are no elements.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.median(x), x).eval({x: [3.0, 1.0, 2.0, 9.0]})
    array([0.5, 0. , 0.5, 0. ])
    """
    rows, axes = _rows(as_variable(a), axis, "median")
    size = rows.shape[-1]
    value = OPS["mean"](rows[..., (size - 1) // 2 : size // 2 + 1], axis=-1)
    if rows.dtype.kind in "fc":
        value = OPS["where"](_has_nan(rows), np.nan, value)
    return OPS["expand_dims"](value, axes) if keepdims else value
