"""Order statistics: quantile, percentile, median, and those that skip NaN.

A row is sorted once, and interpolated between two neighbours. The derivative flows to the elements
that are picked: of equal elements the first stands first, so each place belongs to one element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.families.common import normalize_axes, public, refuse_out
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Constant, Variable, as_variable
from graphad.ops.statistics.averages import weights_for
from graphad.ops.statistics.places import DISCRETE, METHODS, neighbours, weighted_place


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(2, 3, 2) / 4
    return [Sample((x,)), Sample((x,), {"axis": (0, 2)}), Sample((x,), {"axis": 1}),
            Sample((x,), {"axis": -1, "keepdims": True})]  # fmt: skip


# ---- rows ------------------------------------------------------------------------------------
def _joined(variable: Variable, axes: tuple[int, ...]) -> Variable:
    """The axes to reduce joined into one last axis."""
    kept = [i for i in range(variable.ndim) if i not in axes]
    moved = OPS["transpose"](variable, (*kept, *axes))
    joined: Any = 1
    for i in axes:
        joined = joined * variable.shape[i]
    rows: Variable = OPS["reshape"](moved, (*[variable.shape[i] for i in kept], joined))
    return rows


def _has_nan(rows: Variable) -> Variable:
    """Is there a NaN in the sorted row? It is last."""
    found: Variable = OPS["any"](OPS["isnan"](rows[..., -1:]), axis=-1)
    return found


def _valid(rows: Variable) -> Variable:
    """How many elements of the row are not NaN, as a float."""
    count: Variable = OPS["sum"](~OPS["isnan"](rows), axis=-1).astype("float64")
    return count


def _taken(rows: Variable, places: Variable, ndim: int) -> Variable:
    """The elements of each row at places (*ndim axes), the same or others for each row."""
    if places.ndim == ndim:
        return rows[..., places]
    lead = rows.ndim - 1
    many: Any = 1
    for size in places.shape[lead:]:
        many = many * size
    flat = OPS["reshape"](places, (*rows.shape[:lead], many))
    taken: Variable = OPS["reshape"](OPS["take_along_axis"](rows, flat, -1), places.shape)
    return taken


def _expanded(variable: Variable, count: int) -> Variable:
    """`count` new axes at the end."""
    expanded: Variable = OPS["expand_dims"](variable, tuple(range(-count, 0)))
    return expanded


def _between(low: Variable, high: Variable, weight: Variable) -> Variable:
    """From the nearer neighbour, as NumPy does: so an infinite one that is far stays infinite."""
    step = high - low
    found: Variable = OPS["where"](weight >= 0.5, high - step * (1 - weight), low + step * weight)
    return found


# ---- quantiles -------------------------------------------------------------------------------
def _quantile(rows: Variable, q: Variable, method: str, dtype: Any, skips: bool) -> Variable:
    """Σ over two neighbours in the last axis of sorted rows; the axes of q stand last."""
    skips = skips and rows.dtype.kind == "f"
    size = _expanded(_valid(rows), q.ndim) if skips else OPS["dim_size"](rows, rows.ndim - 1)
    inside = (q >= 0) & (q <= 1)
    fraction = OPS["where"](inside, q, 0).astype("float64")
    low, high, weight = neighbours(fraction, size, method)
    value = _taken(rows, low, q.ndim)
    if method not in DISCRETE and not (method == "linear" and q.dtype.kind in "iub"):
        above, weight = _taken(rows, high, q.ndim), weight.astype(dtype)
        value = OPS["where"](weight == 0, value, _between(value, above, weight))
    if value.dtype.kind != "f":
        return value
    bad = ~inside
    if skips:
        bad = bad | (size == 0)
    elif rows.dtype.kind == "f":
        bad = bad | _expanded(_has_nan(rows), q.ndim)
    found: Variable = OPS["where"](bad, np.nan, value)
    return found


def _weighted(rows: Variable, weights: Variable, q: Variable, skips: bool) -> Variable:
    """The first element at which the weights so far reach the share q of all weights."""
    order = OPS["argsort"](rows)
    missing = OPS["isnan"](rows) if rows.dtype.kind == "f" else None
    if skips and missing is not None:
        weights = OPS["where"](missing, 0, weights)
    ordered = OPS["take_along_axis"](weights, order, -1)
    place, total = weighted_place(ordered, q)
    value = _taken(OPS["take_along_axis"](rows, order, -1), place, q.ndim)
    if value.dtype.kind != "f":
        return value
    bad = _expanded(~OPS["isfinite"](total) | (total == 0), q.ndim) | ~((q >= 0) & (q <= 1))
    if missing is not None and not skips:
        bad = bad | _expanded(OPS["any"](missing, axis=-1), q.ndim)
    found: Variable = OPS["where"](bad, np.nan, value)
    return found


def _arranged(
    name: str, a: Any, q: Any, top: int, axis: Any, out: Any, method: str, keepdims: bool,
    weights: Any,
) -> Variable:  # fmt: skip
    """Checks, sorts, interpolates, and puts the axes of q first."""
    refuse_out(name, out)
    skips = name.startswith("nan")
    variable, fraction = _checked(name, a, q, method, weights)
    if isinstance(fraction, Constant) and not bool(
        np.all((fraction.value >= 0) & (fraction.value <= top))
    ):
        raise UseError(f"{name}: q={fraction.value.tolist()}", remedy=f"q is between 0 and {top}")
    number = isinstance(q, int | float)
    dtype = fraction.dtype if fraction.dtype.kind == "f" else np.dtype(float)
    dtype = variable.dtype if number and variable.dtype.kind == "f" else dtype
    axes = normalize_axes(axis, variable.ndim, name)
    rows, share = _joined(variable, axes), fraction if top == 1 else fraction / top
    if weights is None:
        value = _quantile(OPS["sort"](rows), share, method, dtype, skips)
    else:
        given = weights_for(variable, _checked_weights(name, weights), axis, name)
        whole = OPS["broadcast_to"](OPS["stop_gradient"](given), variable.shape)
        value = _weighted(rows, _joined(whole, axes), share, skips)
    if fraction.ndim:
        last = tuple(range(value.ndim - fraction.ndim, value.ndim))
        value = OPS["moveaxis"](value, last, tuple(range(fraction.ndim)))
    if keepdims:
        value = OPS["expand_dims"](value, tuple([i + fraction.ndim for i in axes]))
    return value


def _checked(name: str, a: Any, q: Any, method: str, weights: Any) -> tuple[Variable, Variable]:
    """Array and fractions; errors for what NumPy refuses."""
    if method not in METHODS:
        raise UseError(f"{name}: method={method!r}", remedy=f"choose one of {', '.join(METHODS)}")
    if weights is not None and method != "inverted_cdf":
        raise UseError(
            f"{name}: method={method!r} with weights=",
            cause="only one method is defined for weights",
            remedy='write method="inverted_cdf"',
        )
    variable = as_variable(a)
    if variable.dtype.kind == "c":
        raise DTypeError(f"{name} of {variable.dtype}", remedy="convert to real numbers first")
    return variable, as_variable(float(q) if isinstance(q, int | float) else q)


def _checked_weights(name: str, weights: Any) -> Variable:
    given = as_variable(weights)
    if isinstance(given, Constant) and bool(np.any(given.value < 0)):
        raise UseError(f"{name}: negative weights", remedy="weights are 0 or larger")
    return given


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


def _quantile_samples(top: int) -> Callable[[np.random.Generator], list[Sample]]:
    def samples(rng: np.random.Generator) -> list[Sample]:
        x = rng.permutation(12).reshape(2, 3, 2) / 4
        made = [Sample((x,), {"q": v * top, **k}) for v, k in _QUANTILES]
        made.append(Sample((x, np.array([[0.1, 0.45], [0.7, 0.8]]) * top), {"axis": 1}))
        return made + [
            Sample((x,), {"q": 0.4 * top, "method": m, "axis": (0, 1)}) for m in METHODS
        ]

    return samples


@public(np.quantile, topic="statistics", samples=_quantile_samples(1),
        reference=_quantile_reference(np.quantile))  # fmt: skip
def quantile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, *, weights: Any = None,
) -> Variable:  # fmt: skip
    """The q-th quantiles over `axis`, as ``np.quantile``: the shape of q, then of what is left.

    `method`: one of the 13 of NumPy. `weights`, in the shape of a or of the axes named, need
    "inverted_cdf". The derivative flows to the neighbours that are interpolated (of equal elements
    the first stands first), and to q where the method is continuous; at a corner it is that from
    the right; weights have none. Floats are NaN where the data hold a NaN, where the weights add
    up to nothing, or where q turns out to be outside [0, 1] at run time.
    Raises UseError for constants outside, negative weights and unknown methods; DTypeError for
    complex numbers, and booleans to interpolate.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.quantile(x, 0.25), x).eval({x: [3.0, 1.0, 2.0]})
    array([0. , 0.5, 0.5])
    """
    return _arranged("quantile", a, q, 1, axis, out, method, keepdims, weights)


@public(np.percentile, topic="statistics", samples=_quantile_samples(100),
        reference=_quantile_reference(np.percentile))  # fmt: skip
def percentile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, *, weights: Any = None,
) -> Variable:  # fmt: skip
    """The q-th percentiles over `axis`, as ``np.percentile``: `quantile` of q / 100.

    >>> import graphad as ga
    >>> float(ga.percentile(ga.constant([3.0, 1.0, 2.0]), 25).eval())
    1.5
    """
    return _arranged("percentile", a, q, 100, axis, out, method, keepdims, weights)


@public(np.nanquantile, topic="statistics", samples=_quantile_samples(1),
        reference=_quantile_reference(np.nanquantile))  # fmt: skip
def nanquantile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, *, weights: Any = None,
) -> Variable:  # fmt: skip
    """The q-th quantiles over `axis` of what is not NaN, as ``np.nanquantile``; NaN if all are.

    The derivative at a NaN is 0. Parameters and errors are those of `quantile`.

    >>> import graphad as ga
    >>> float(ga.nanquantile(ga.constant([3.0, float("nan"), 1.0, 2.0]), 0.25).eval())
    1.5
    """
    return _arranged("nanquantile", a, q, 1, axis, out, method, keepdims, weights)


@public(np.nanpercentile, topic="statistics", samples=_quantile_samples(100),
        reference=_quantile_reference(np.nanpercentile))  # fmt: skip
def nanpercentile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, *, weights: Any = None,
) -> Variable:  # fmt: skip
    """The q-th percentiles over `axis` of what is not NaN, as ``np.nanpercentile``.

    >>> import graphad as ga
    >>> float(ga.nanpercentile(ga.constant([3.0, float("nan"), 1.0, 2.0]), 25).eval())
    1.5
    """
    return _arranged("nanpercentile", a, q, 100, axis, out, method, keepdims, weights)


# ---- medians ---------------------------------------------------------------------------------
@public(np.median, topic="statistics", samples=_samples)
def median(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    keepdims: bool = False,
) -> Variable:  # fmt: skip
    """The middle element over `axis`, or the mean of the two middle ones, as ``np.median``.

    The derivative flows to these (of equal elements the first stands first). NaN where the data
    hold a NaN, or where there are no elements.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.median(x), x).eval({x: [3.0, 1.0, 2.0, 9.0]})
    array([0.5, 0. , 0.5, 0. ])
    """
    refuse_out("median", out)
    variable = as_variable(a)
    axes = normalize_axes(axis, variable.ndim, "median")
    rows = OPS["sort"](_joined(variable, axes))
    size = rows.shape[-1]
    value = OPS["mean"](rows[..., (size - 1) // 2 : size // 2 + 1], axis=-1)
    if rows.dtype.kind in "fc":
        value = OPS["where"](_has_nan(rows), np.nan, value)
    return OPS["expand_dims"](value, axes) if keepdims else value


def _nanmedian_reference(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """np.nanmedian, which gives arrays without elements the dtype of the mean of nothing."""
    function: Any = np.nanmedian if np.size(a) else np.median
    return function(a, axis=axis, keepdims=keepdims)


@public(np.nanmedian, topic="statistics", samples=_samples, reference=_nanmedian_reference)
def nanmedian(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    keepdims: bool = False,
) -> Variable:  # fmt: skip
    """The median over `axis` of what is not NaN, as ``np.nanmedian``; NaN where all are.

    The derivative at a NaN is 0. Otherwise as `median`.

    >>> import graphad as ga
    >>> float(ga.nanmedian(ga.constant([3.0, float("nan"), 1.0])).eval())
    2.0
    """
    refuse_out("nanmedian", out)
    variable = as_variable(a)
    if variable.dtype.kind not in "fc":
        return median(variable, axis, keepdims=keepdims)
    axes = normalize_axes(axis, variable.ndim, "nanmedian")
    rows = OPS["sort"](_joined(variable, axes))
    count = _valid(rows).astype(np.intp)
    if not isinstance(rows.type.shape[-1], int) or rows.type.shape[-1] == 0:
        missing = OPS["full"]((*rows.shape[:-1], 1), np.nan, dtype=rows.dtype)
        rows = OPS["concatenate"]([rows, missing], axis=-1)  # for rows of no elements
    last = OPS["maximum"](count - 1, 0)
    low, high = [
        OPS["take_along_axis"](rows, place[..., None], -1)[..., 0]
        for place in (last // 2, OPS["minimum"](count // 2, last))
    ]
    value = OPS["where"](count % 2 == 1, low, OPS["mean"](OPS["stack"]([low, high]), axis=0))
    value = OPS["where"](count == 0, np.nan, value)
    return OPS["expand_dims"](value, axes) if keepdims else value
