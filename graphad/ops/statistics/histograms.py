"""Histograms: histogram, histogram_bin_edges, histogram2d, histogramdd, as NumPy has them.

Counts jump; sums of weights are linear in the weights, and edges that are computed from the data
follow its minimum and maximum: so far derivatives flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Arrays, public
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import clamp, joint_size
from graphad.ir.variable import Constant, Variable, as_variable, describe
from graphad.ops.statistics.counts import (
    bin_of,
    edge_dtype,
    estimated_edges,
    even_edges,
    totals,
)

_ESTIMATORS = ("auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges")
_ROW = np.array([0.3, 2.1, 0.9, 2.2, 2.9, 0.2])
_EDGES = np.array([0.0, 0.5, 2.0, 3.0])


# ---- edges -----------------------------------------------------------------------------------
def _outer_edges(a: Variable, limits: Any, name: str) -> tuple[Any, Any]:
    """From where to where the bins go: `range`, or all of the data."""
    if limits is not None:
        first, last = limits
        plain = [v for v in (first, last) if not isinstance(v, Variable)]
        if not all(np.isfinite(v) for v in plain) or (len(plain) == 2 and first > last):
            raise UseError(
                f"{name}: range=({first}, {last})", remedy="two finite numbers, smaller first"
            )
        return first, last
    size = a.type.size
    if size == 0:
        return 0, 1
    if isinstance(size, int):
        return OPS["min"](a), OPS["max"](a)
    bounds = np.iinfo(a.dtype) if a.dtype.kind in "iu" else None
    low, high = (-np.inf, np.inf) if bounds is None else (bounds.min, bounds.max)
    empty = as_variable(a.size) == 0
    first = OPS["where"](empty, 0, OPS["min"](a, initial=high))
    return first, OPS["where"](empty, 1, OPS["max"](a, initial=low))


def _edges(a: Variable, bins: Any, limits: Any, weights: Any, name: str) -> tuple[Variable, bool]:
    """(edges, are they at equal distances?); those of several axes have the dtype of `range`."""
    alone = name != "histogramdd"
    if isinstance(bins, str):
        if bins not in _ESTIMATORS:
            raise UseError(f"{name}: bins={bins!r}", remedy=f"choose one of {_ESTIMATORS}")
        if weights is not None:
            raise UseError(f"{name}: bins={bins!r} with weights=", remedy="give their number")
        if a.dtype.kind == "c":
            raise DTypeError(f"{name} of {a.dtype}: bins={bins!r}", remedy="take the real part")
        given = None if limits is None else tuple(float(v) for v in limits)
        return estimated_edges(a, bins=bins, range=given), True
    if isinstance(bins, int | np.integer) and not isinstance(bins, bool):
        if bins < 1:
            raise UseError(f"{name}: bins={bins}", remedy="their number is 1 or more")
        first, last = _outer_edges(a, limits, name)
        ends = [as_variable(v) for v in (first, last)]
        kinds = [v if type(v) in (int, float) else e.dtype
                 for v, e in zip((first, last), ends, strict=True)]  # fmt: skip
        dtype = edge_dtype(np.result_type(*kinds, *([a.dtype] if alone else [])))
        ends = [v if v.dtype == dtype else v.astype(dtype) for v in ends]
        return even_edges(*ends, bins=int(bins), dtype=dtype.str), True
    edges = as_variable(bins)
    if edges.ndim != 1:
        raise ShapeError(
            f"{name}: bins with {edges.ndim} axes", remedy="give a number, or one row of edges"
        )
    if isinstance(edges, Constant) and np.any(edges.value[:-1] > edges.value[1:]):
        raise UseError(f"{name}: the edges do not increase", remedy="sort them")
    return edges, False


def _count(edges: Variable) -> Any:
    """The number of bins between edges."""
    size = edges.shape[0]
    if isinstance(size, int) or clamp(size - 1) == size - 1:
        return max(size - 1, 0) if isinstance(size, int) else size - 1
    return edges[1:].shape[0]


def _flat(a: Any, weights: Any) -> tuple[Variable, Variable | None]:
    """Data and weights without axes; booleans as integers."""
    values = as_variable(a)
    given = None if weights is None else as_variable(weights)
    if given is not None and (
        given.ndim != values.ndim
        or any(joint_size(s, t) is None
               for s, t in zip(given.type.shape, values.type.shape, strict=True))
    ):  # fmt: skip
        raise ShapeError(
            f"histogram: weights {given.type} for {describe(values)}",
            remedy="weights have the shape of the data",
        )
    values = values.astype("uint8") if values.dtype.kind == "b" else values
    return OPS["ravel"](values), None if given is None else OPS["ravel"](given)


@public(np.histogram_bin_edges, topic="statistics", differentiable=False, samples=lambda rng: [
    Sample((_ROW,)), Sample((_ROW,), {"bins": 4, "range": (0, 2)}),
    Sample((_ROW,), {"bins": "fd"}), Sample((_ROW,), {"bins": _EDGES})])  # fmt: skip
def histogram_bin_edges(
    a: Any, bins: Any = 10, range: Any = None, weights: Any = None
) -> Variable:
    """The edges of the bins of `histogram`, as ``np.histogram_bin_edges``.

    Parameters and errors are those of `histogram`.

    >>> import graphad as ga
    >>> ga.histogram_bin_edges(ga.constant([0.0, 2.0, 1.0]), bins=2).eval()
    array([0., 1., 2.])
    """
    values, _ = _flat(a, None)
    return _edges(values, bins, range, weights, "histogram_bin_edges")[0]


def _histogram_reference(a: Any, *rest: Any, **keywords: Any) -> Any:
    """np.histogram; complex elements, which some versions take the real part of, are refused."""
    if np.iscomplexobj(a):
        raise TypeError("complex elements")
    return np.histogram(a, *rest, **keywords)


@public(np.histogram, reference=_histogram_reference, topic="statistics", samples=lambda rng: [
    Sample((_ROW,), {"bins": 3}), Sample((_ROW,), {"bins": 3, "range": (0.0, 3.0)},
                                         {"weights": rng.normal(size=6)}),
    Sample((_ROW.reshape(2, 3),), {"bins": _EDGES}),
    Sample((_ROW,), {"bins": 3, "density": True}, {"weights": rng.uniform(1, 2, size=6)}),
])  # fmt: skip
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Variable, Variable]:
    """How many elements lie in each bin, and the edges of the bins, as ``np.histogram``.

    a (…); bins: their number, from range[0] to range[1] or from minimum to maximum; or edges
    (k + 1,); or the name of an estimator of NumPy ("auto", …), then k is known only at run time.
    Bins are closed on the left, the last on both sides; what lies outside is not counted. The sum
    of `weights` (the shape of a) takes the place of the number; with `density` it is divided by
    its total and by the widths of the bins. Counts have no derivative; sums of weights have, by
    the weights, and edges, by minimum and maximum.
    Raises DTypeError for complex elements, UseError for a number below 1, edges that decrease, a
    bad range or estimator, ShapeError for weights and edges of other shapes; ValueError at run
    time if data or edges turn out so.

    >>> import graphad as ga
    >>> counts, edges = ga.histogram(ga.constant([0.5, 1.5, 1.7, 2.5]), bins=3, range=(0, 3))
    >>> counts.eval(), edges.eval()
    (array([1, 2, 1]), array([0., 1., 2., 3.]))
    """
    values, given = _flat(a, weights)
    if values.dtype.kind == "c":
        raise DTypeError(
            f"histogram: elements of dtype {values.dtype}",
            cause="bins are intervals of real numbers",
            remedy="take a.real, a.imag or abs(a) first",
        )
    edges, even = _edges(values, bins, range, weights, "histogram")
    found = totals(bin_of(values, edges, even=even), given, _count(edges))
    if density:
        width = OPS["diff"](edges)
        width = width if width.dtype == np.float64 else width.astype("float64")
        found = found / width / OPS["sum"](found)
    return found, edges


# ---- several dimensions ----------------------------------------------------------------------
def _columns(sample: Any) -> list[Variable]:
    """The coordinates, one Variable (n,) each."""
    if isinstance(sample, list | tuple):
        columns = [as_variable(column) for column in sample]
        dtype = np.result_type(*[c.dtype for c in columns])
        columns = [c if c.dtype == dtype else c.astype(dtype) for c in columns]
        if all([c.ndim == 0 for c in columns]):
            return [OPS["stack"](columns)]
        wrong = next((c for c in columns if c.ndim != 1), None)
        if wrong is not None:
            raise ShapeError(
                f"histogramdd: a coordinate {wrong.type}", remedy="a list has rows (n,)"
            )
        return columns
    points = as_variable(sample)
    if points.ndim < 2:
        return [OPS["reshape"](points, (-1,)) if points.ndim == 0 else points]
    if points.ndim != 2 or not isinstance(points.type.shape[1], int):
        raise ShapeError(
            f"histogramdd: sample {points.type}",
            remedy="give points (n, d) with d an integer, or a list of d coordinates (n,)",
        )
    return [points[:, i] for i in np.arange(points.type.shape[1]).tolist()]


def _each(value: Any, count: int, name: str) -> Sequence[Any]:
    """One entry for each dimension."""
    if value is None or isinstance(value, int | np.integer | str):
        return [value] * count
    if isinstance(value, Variable) or len(value) != count:
        given = value.type if isinstance(value, Variable) else len(value)
        raise UseError(
            f"histogramdd: {name}={given} for {count} dimensions", remedy="give a list of as many"
        )
    entries: Sequence[Any] = value
    return entries


_POINTS = [np.array([0.3, 2.1, 0.9, 2.2, 2.9]), np.array([1.1, 0.2, 0.4, 1.9, 1.3])]


@public(np.histogramdd, topic="statistics", samples=lambda rng: [
    Sample((_POINTS,), {"bins": 3}), Sample((_POINTS,), {"bins": (3, _EDGES)}),
    Sample((_POINTS,), {"bins": [3, 5], "range": [(0.0, 3.0), None]},
           {"weights": rng.normal(size=5)}),
    Sample((_POINTS,), {"bins": 3, "density": True}, {"weights": rng.uniform(1, 2, size=5)}),
    Sample((_POINTS[0],), {"bins": 3}),
])  # fmt: skip
def histogramdd(
    sample: Arrays, bins: Any = 10, range: Any = None, density: bool | None = None,
    weights: Any = None,
) -> tuple[Variable, list[Variable]]:  # fmt: skip
    """How many points lie in each cell of a grid, and the edges of its bins, as NumPy: float64.

    sample: points (n, d), or a list of d coordinates (n,). bins, range: one for all dimensions, or
    a list with one for each: a number, or edges. weights (n,), density: as in `histogram`.

    >>> import graphad as ga
    >>> counts, edges = ga.histogramdd(ga.constant([[0.0, 0.0], [1.0, 1.0]]), bins=2)
    >>> counts.eval()
    array([[1., 0.],
           [0., 1.]])
    """
    columns = _columns(sample)
    found = [
        _edges(column, b, r, weights, "histogramdd")[0]
        for column, b, r in zip(columns, _each(bins, len(columns), "bins"),
                                _each(range, len(columns), "range"), strict=True)
    ]  # fmt: skip
    sizes = [_count(edges) for edges in found]
    place, outside, total = as_variable(0), as_variable(False), 1
    for column, edges, size in zip(columns, found, sizes, strict=True):
        along = bin_of(column, edges, even=False)
        outside = outside | (along == size)
        place, total = place * size + along, total * size
    given = None if weights is None else _flat(columns[0], weights)[1]
    given = None if given is None else given.astype("float64")
    flat = totals(OPS["where"](outside, total, place), given, total)
    grid: Variable = OPS["reshape"](flat, sizes)
    grid = grid if grid.dtype == np.float64 else grid.astype("float64")
    if density:
        everything = OPS["sum"](grid)
        for axis, edges in enumerate(found):
            width = OPS["expand_dims"](OPS["diff"](edges), (*np.arange(1, len(found) - axis),))
            grid = grid / width
        grid = grid / everything
    return grid, found


@public(np.histogram2d, topic="statistics", samples=lambda rng: [
    Sample(tuple(_POINTS), {"bins": 3}),
    Sample(tuple(_POINTS), {"bins": _EDGES}),
    Sample(tuple(_POINTS), {"bins": [3, _EDGES]}, {
        "weights": rng.normal(size=5)})])  # fmt: skip
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: bool | None = None,
    weights: Any = None,
) -> tuple[Variable, Variable, Variable]:  # fmt: skip
    """How many points lie in each cell, edges along x, edges along y, as ``np.histogram2d``.

    x, y (n,); bins: a number or edges for both, or a pair. The rest as in `histogramdd`.

    >>> import graphad as ga
    >>> ga.histogram2d(ga.constant([0.0, 1.0]), [0.0, 1.0], bins=2)[0].eval()
    array([[1., 0.],
           [0., 1.]])
    """
    for coordinate in (x, y):
        if (given := as_variable(coordinate)).ndim != 1:
            raise ShapeError(f"histogram2d: a coordinate {given.type}", remedy="give rows (n,)")
    pair = isinstance(bins, list | tuple | np.ndarray) and len(bins) in (1, 2)
    several = isinstance(bins, list | tuple | np.ndarray | Variable | Dim) and not pair
    grid, edges = histogramdd([x, y], [bins, bins] if several else bins, range, density, weights)
    return grid, edges[0], edges[1]
