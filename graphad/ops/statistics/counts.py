"""Bins and counts: the primitives of histograms.

Which bin an element falls into jumps, so derivatives flow to weights and to edges only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Declared, fill_sizes, public, size_spec
from graphad.ir.families.refusal import refuse
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable

_REMEDY = "give the number of bins, or edges; or wrap the data in ga.stop_gradient(...)"


# ---- which bin -------------------------------------------------------------------------------
class BinOf(Declared):
    """The bin of each element of the first operand between the edges in the second.

    Bins are closed on the left, the last one on both sides; what lies in none has the number of
    bins. Parameter even: are the edges at equal distances? Then no search is needed.
    """

    shaped_by = 0

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0].with_dtype(np.intp),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        x, edges = arrays
        count = max(edges.size - 1, 0)
        if not edges.nbytes:
            return xp.zeros(x.shape, np.intp)
        if not params["even"] and np.any(edges[:-1] > edges[1:]):
            raise ValueError("bins must increase monotonically")
        inside = (x >= edges[0]) & (x <= edges[-1])
        if params["even"]:
            place = _even_place(x, edges, inside)
        else:
            place = xp.searchsorted(edges, x, side="right") - 1
            place = xp.where(x == edges[-1], count - 1, place)
        return xp.where(inside, place, count)

    def cuts(self, position: int) -> bool:
        return True


def _even_place(x: Any, edges: Any, inside: Any) -> Any:
    """By division, and one step aside where rounding has crossed an edge: as np.histogram."""
    count = edges.size - 1
    values = np.where(inside, x, edges[0]).astype(edges.dtype)
    share = (values - edges[0]) / (edges[-1] - edges[0]) * count
    place = np.minimum(np.real(share).astype(np.intp), count - 1)
    place = place - (values < edges[place])
    return place + ((values >= edges[place + 1]) & (place != count - 1))


class EvenEdges(Declared):
    """`bins` + 1 edges at equal distances from the first operand to the second.

    e_i = a + (b - a) i/n;  ā = Σ ē_i (1 - i/n),  b̄ = Σ ē_i i/n. If a = b they move apart by 1.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (TensorType(params["dtype"], (params["bins"] + 1,)),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        first, last = [array[()] for array in arrays if array.nbytes]
        if not (np.isfinite(first) and np.isfinite(last)):
            raise ValueError(f"the range of bins, [{first}, {last}], is not finite")
        if first > last:
            raise ValueError(f"the range of bins, [{first}, {last}], is negative")
        if first == last:
            first, last = first - 0.5, last + 0.5
        edges = np.linspace(first, last, params["bins"] + 1, dtype=params["dtype"])
        if np.any(edges[:-1] >= edges[1:]):
            raise ValueError(f"too many bins: {params['bins']} from {first} to {last}")
        return edges

    def _shares(self, node: Apply) -> Any:
        bins = node.op.params["bins"]
        return (np.arange(bins + 1) / bins).astype(np.empty(0, node.types[0].dtype).real.dtype)

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None, None]
        share = self._shares(node)
        return [OPS["sum"](cotangents[0] * part) for part in (1 - share, share)]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        share = self._shares(node)
        moved = [t * part for t, part in zip(tangents, (1 - share, share), strict=True)
                 if t is not None]  # fmt: skip
        total = moved[0] + moved[1] if len(moved) == 2 else moved[0] if moved else None
        return [None if total is None else total.astype(node.types[0].dtype)]


class EstimatedEdges(Declared):
    """Edges by one of NumPy's estimators, from values alone: how many depends on them."""

    memoise = False

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        dtype = edge_dtype(types[0].dtype)
        return (TensorType(dtype, (Dim.anonymous(),)),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return xp.histogram_bin_edges(arrays[0], params["bins"], params["range"])

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        refuse("the data, where a rule chooses the bins", remedy=_REMEDY)(node.output(0))
        return [None]


def edge_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of computed edges: that of the data, float64 for integers."""
    return dtype if dtype.kind in "fc" else np.dtype("float64")


# ---- how many --------------------------------------------------------------------------------
class Counts(Declared):
    """How often each of the integers 0 … n-1 occurs, n in `shape`; n itself is not counted."""

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (TensorType(np.intp, params["shape"]),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        (size,) = fill_sizes(params["shape"], arrays[1:])
        if not arrays[0].nbytes:  # on arrays only
            return xp.zeros(size, np.intp)
        return xp.bincount(arrays[0], minlength=size + 1)[:size]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        """Each row of the stack counts in a range of its own."""
        if any(batched[1:]):
            return None
        places, rows = operands[0], operands[0].shape[0]
        count: Any = operands[1] if len(operands) > 1 else node.op.params["shape"][0]
        numbers = OPS["arange"](rows)
        trailing = tuple(range(1, places.ndim))
        start = (OPS["expand_dims"](numbers, trailing) if trailing else numbers) * (count + 1)
        found = totals(OPS["ravel"](places + start), None, rows * (count + 1))
        return [OPS["reshape"](found, (rows, count + 1))[:, :count]]

    def cuts(self, position: int) -> bool:
        return True


class WeightedCounts(Declared):
    """``bincount(x, weights)``: the sums of the weights of each integer, linear in the weights."""

    memoise = False

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        dtype = np.intp if len(types) == 1 else np.float64
        return (TensorType(dtype, (Dim.anonymous(),)),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        found = xp.bincount(*arrays, minlength=params["minlength"])
        return found if len(arrays) == 1 else found.astype(np.dtype(np.float64))  # of nothing

    def cuts(self, position: int) -> bool:
        return position == 0

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None or len(node.inputs) == 1:
            return [None] * len(node.inputs)
        return [None, OPS["take"](cotangents[0], node.inputs[0], axis=0)]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if len(tangents) == 1 or tangents[1] is None:
            return [None]
        return [self(node.inputs[0], tangents[1], **node.op.params)]


bin_of, even_edges = BinOf("bin_of"), EvenEdges("even_edges")
estimated_edges, _counts = EstimatedEdges("estimated_edges"), Counts("counts")
_bincount = WeightedCounts("bincount")


def totals(places: Variable, weights: Variable | None, count: Any) -> Variable:
    """The number, or the sum of the weights, of the places 0 … count-1; others are left out."""
    if weights is None:
        spec, sizes = size_spec((count,), "histogram")
        counted: Variable = _counts(places, *sizes, shape=spec)
        return counted
    whole = OPS["scatter_add"](weights, (count + 1,), (("array",),), (places,))
    total: Variable = whole[:-1]
    return total


def _bincount_reference(x: Any, weights: Any, minlength: int = 0) -> Any:
    """np.bincount, which gives integers for weights of nothing."""
    return np.bincount(x, weights, minlength).astype(float)


@public(np.bincount, topic="statistics", differentiable=False, reference=_bincount_reference,
        samples=lambda rng: [
    Sample((np.array([1, 3, 1]), rng.normal(size=3))),
    Sample((np.array([1, 3, 1]), rng.normal(size=3)), {"minlength": 6})])  # fmt: skip
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Variable:
    """How often each of 0, 1, … occurs in `x`, as ``np.bincount``: (k,), k = max(x) + 1 or more.

    x (n,): integers ≥ 0; with `weights` (n,) the sums of these, float64 and differentiable.
    Raises DTypeError for x that are no integers and for complex weights, ShapeError for other
    shapes; negative elements are a ValueError at run time.

    >>> import graphad as ga
    >>> ga.bincount(ga.constant([1, 3, 1])).eval()
    array([0, 2, 0, 1])
    """
    places = as_variable(np.zeros(0, np.intp) if isinstance(x, list) and not x else x)
    if places.dtype.kind not in "iub":
        raise DTypeError(f"bincount of {places.dtype}", remedy="convert with x.astype(int)")
    if places.ndim != 1:
        raise ShapeError(f"bincount of an array with {places.ndim} axes", remedy="use ga.ravel")
    if isinstance(minlength, bool) or not isinstance(minlength, int | np.integer) or minlength < 0:
        raise UseError(f"bincount: minlength={minlength!r}", remedy="an integer, 0 or more")
    places = places if places.dtype == np.intp else places.astype(np.intp)
    if weights is None:
        return _bincount(places, minlength=int(minlength))
    given = as_variable(weights)
    if given.dtype.kind == "c":
        raise DTypeError("bincount: complex weights", remedy="count real and imaginary part")
    if given.ndim != 1 or joint_size(given.type.shape[0], places.type.shape[0]) is None:
        raise ShapeError(
            f"bincount: {places.type} with weights {given.type}", remedy="one for each element"
        )
    given = given if given.dtype == np.float64 else given.astype("float64")
    result: Variable = _bincount(places, given, minlength=int(minlength))
    return result


__all__ = ["bin_of", "bincount", "estimated_edges", "even_edges", "totals"]
