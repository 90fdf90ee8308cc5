"""Sets of elements: unique, isin, intersect1d, union1d, setdiff1d, setxor1d, as NumPy has them.

How many elements a result has depends on values, so its size is known only at run time. Which
elements it holds jumps; where it holds them, derivatives flow to the first of equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Declared, normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable, as_variable


# ---- unique ----------------------------------------------------------------------------------
class RowOrder(Declared):
    """The places that sort rows (n, m) lexicographically; stable."""

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (TensorType(np.intp, types[0].shape[:1]),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        (rows,) = arrays
        if rows.nbytes == 0:  # on arrays only
            return xp.arange(rows.shape[0])
        return xp.lexsort(rows.T[::-1])

    def cuts(self, position: int) -> bool:
        return True


_row_order = RowOrder("row_order")


def _first_of_equals(row: Variable, equal_nan: bool) -> Variable:
    """Is this the first of the equal neighbours? For sorted elements (n,) or rows (n, m)."""
    new = row[1:] != row[:-1]
    if row.ndim > 1:
        new = OPS["any"](new, axis=1)
    elif equal_nan and row.dtype.kind in "fc":
        new = new & ~(OPS["isnan"](row[1:]) & OPS["isnan"](row[:-1]))
    start = OPS["broadcast_to"](as_variable(True), row[:1].shape[:1])
    first: Variable = OPS["concatenate"]([start, new])
    return first


def _unique_samples(rng: np.random.Generator) -> list[Sample]:
    x = np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 3.0]])
    rows = np.array([[2.0, 1.0, 2.0], [0.0, 3.0, 0.0], [2.0, 1.0, 2.0]])
    everything = {"return_index": True, "return_inverse": True, "return_counts": True}
    return [
        Sample((x,)), Sample((x,), everything), Sample((rows,), {"axis": 0, **everything}),
        Sample((rows,), {"axis": -1}), Sample((np.array([2.0, 1.0, 2.0]),), {"equal_nan": False}),
        Sample((np.array([2.0, 1.0, 2.0]),), {"axis": 0, "return_inverse": True}),
    ]  # fmt: skip


@public(np.unique, topic="sets", differentiable=False, samples=_unique_samples)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: int | None = None, *, equal_nan: bool = True,
    sorted: bool = True,
) -> Any:  # fmt: skip
    """The different elements, ascending, as ``np.unique``: (k,) with k known only at run time.

    With `axis`: the different slices along it, in lexicographic order. With return_index,
    return_inverse, return_counts a tuple of this and the indices of the first occurrences (k,),
    the places of all elements among them (shape of `ar`; of all slices), their numbers (k,).
    The result is sorted whatever `sorted` says; NaNs are equal if `equal_nan`, except in slices.
    Derivatives flow to the first of equal elements (the op table lists it as not differentiable,
    because the number of results jumps). Raises AxisError.

    >>> import graphad as ga
    >>> ga.unique(ga.constant([3.0, 1.0, 3.0])).eval()
    array([1., 3.])
    """
    variable = as_variable(ar)
    whole = axis is None or variable.ndim == 1
    along = 0 if axis is None else normalize_axis(axis, variable.ndim, "unique")
    front = OPS["ravel"](variable) if whole else OPS["moveaxis"](variable, along, 0)
    if whole:
        order = OPS["argsort"](front)
        ordered = front[order]
    else:
        many: Any = 1
        for size in front.shape[1:]:
            many = many * size
        rows = OPS["reshape"](front, (front.shape[0], many))
        order = _row_order(rows)
        ordered = rows[order]
    first = _first_of_equals(ordered, equal_nan)
    starts = OPS["arange"](front.shape[0])[first]
    found = front[order[starts]]
    results = [found if whole else OPS["moveaxis"](found, 0, along)]
    if return_index:
        results.append(order[starts])
    if return_inverse:
        rank = (OPS["cumsum"](first) - 1)[OPS["argsort"](order)]
        results.append(OPS["reshape"](rank, variable.shape) if whole else rank)
    if return_counts:
        results.append(OPS["diff"](starts, append=as_variable(front.shape[0])))
    return results[0] if len(results) == 1 else tuple(results)


class UniqueAllResult(NamedTuple):
    """What `unique_all` returns."""

    values: Variable
    indices: Variable
    inverse_indices: Variable
    counts: Variable


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` returns."""

    values: Variable
    counts: Variable


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` returns."""

    values: Variable
    inverse_indices: Variable


def _set_samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 3.0]]),)), Sample((np.float64(2.0),))]


@public(np.unique_all, topic="sets", differentiable=False, samples=_set_samples)
def unique_all(x: Any, /) -> UniqueAllResult:
    """The different elements, where each comes first, where all stand, how often each occurs.

    As ``np.unique_all``: NaNs are different from each other.

    >>> import graphad as ga
    >>> [v.eval().tolist() for v in ga.unique_all(ga.constant([3.0, 1.0, 3.0]))]
    [[1.0, 3.0], [1, 0], [1, 0, 1], [1, 2]]
    """
    return UniqueAllResult(*unique(x, True, True, True, equal_nan=False))


@public(np.unique_counts, topic="sets", differentiable=False, samples=_set_samples)
def unique_counts(x: Any, /) -> UniqueCountsResult:
    """The different elements, and how often each occurs, as ``np.unique_counts``.

    >>> import graphad as ga
    >>> [v.eval().tolist() for v in ga.unique_counts(ga.constant([3.0, 1.0, 3.0]))]
    [[1.0, 3.0], [1, 2]]
    """
    return UniqueCountsResult(*unique(x, return_counts=True, equal_nan=False))


@public(np.unique_inverse, topic="sets", differentiable=False, samples=_set_samples)
def unique_inverse(x: Any, /) -> UniqueInverseResult:
    """The different elements, and where all elements stand among them, as ``np.unique_inverse``.

    >>> import graphad as ga
    >>> [v.eval().tolist() for v in ga.unique_inverse(ga.constant([3.0, 1.0, 3.0]))]
    [[1.0, 3.0], [1, 0, 1]]
    """
    return UniqueInverseResult(*unique(x, return_inverse=True, equal_nan=False))


@public(np.unique_values, topic="sets", differentiable=False, samples=_set_samples,
        reference=lambda x: np.sort(np.unique_values(x)))  # fmt: skip
def unique_values(x: Any, /) -> Variable:
    """The different elements, ascending, as ``np.unique_values``, whose order is undefined.

    >>> import graphad as ga
    >>> ga.unique_values(ga.constant([3.0, 1.0, 3.0])).eval()
    array([1., 3.])
    """
    values: Variable = unique(x, equal_nan=False)
    return values


# ---- membership ------------------------------------------------------------------------------
class Membership(Declared):
    """Which elements of the first operand occur in the second?"""

    shaped_by = 0

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0].with_dtype(bool),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return xp.asarray(xp.isin(*arrays, **params))

    def cuts(self, position: int) -> bool:
        return True


_isin = Membership("isin")


def _pair_samples(rng: np.random.Generator) -> list[Sample]:
    first, second = np.array([[3.0, 1.0], [2.0, 3.0]]), np.array([2.0, 5.0, 3.0])
    return [Sample((first, second)), Sample((second, first)),
            Sample((np.array([4.0, 1.0]), second), {"assume_unique": True})]  # fmt: skip


@public(np.isin, topic="sets", differentiable=False, aliases=("in1d",), samples=lambda rng: [
    *_pair_samples(rng),
    Sample((np.array([[3.0, 1.0], [2.0, 4.0]]), np.array([2.0, 3.0])), {"invert": True}),
    Sample((np.array([[3, 1], [2, 4]]), np.array([2, 3])), {"kind": "table"})])  # fmt: skip
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *,
    kind: str | None = None,
) -> Variable:  # fmt: skip
    """Which elements occur in `test_elements`? Booleans in the shape of `element`, as ``np.isin``.

    With `invert` which do not. `assume_unique` and `kind` ("sort", "table") change speed only.
    Raises UseError for another kind.

    >>> import graphad as ga
    >>> ga.isin(ga.constant([3, 1, 2]), [2, 3]).eval()
    array([ True, False,  True])
    """
    if kind not in (None, "sort", "table"):
        raise UseError(f"isin: kind={kind!r}", remedy='use None, "sort" or "table"')
    return _isin(as_variable(element), as_variable(test_elements),
                 assume_unique=bool(assume_unique), invert=bool(invert), kind=kind)  # fmt: skip


# ---- two sets --------------------------------------------------------------------------------
class Intersection(Declared):
    """The places of common elements in the first and in the second operand, (k,) each."""

    memoise = False  # each has a size of its own

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (TensorType(np.intp, (Dim.anonymous(),)),) * 2

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return xp.intersect1d(*arrays, return_indices=True, **params)[1:]

    def cuts(self, position: int) -> bool:
        return True


_intersection = Intersection("intersection")


def _flat_pair(ar1: Any, ar2: Any) -> tuple[Variable, Variable]:
    """Both without axes, in their common dtype."""
    pair = [OPS["ravel"](as_variable(a)) for a in (ar1, ar2)]
    dtype = np.result_type(*[v.dtype for v in pair])
    first, second = [v if v.dtype == dtype else v.astype(dtype) for v in pair]
    return first, second


@public(np.intersect1d, topic="sets", differentiable=False, samples=lambda rng: [
    *_pair_samples(rng)[:2],
    Sample((np.array([[3.0, 1.0], [2.0, 3.0]]), np.array([2.0, 5.0, 3.0])),
           {"return_indices": True})])  # fmt: skip
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """The elements that both have, ascending, each once, as ``np.intersect1d``.

    With `return_indices` a tuple of this and the indices of the first occurrences in both.

    >>> import graphad as ga
    >>> ga.intersect1d(ga.constant([3, 1, 2]), [2, 3, 7]).eval()
    array([2, 3])
    """
    first, second = _flat_pair(ar1, ar2)
    places = _intersection(first, second, assume_unique=bool(assume_unique))
    common = first[places[0]]
    return (common, *places) if return_indices else common


@public(np.union1d, topic="sets", differentiable=False,
        samples=lambda rng: _pair_samples(rng)[:2])  # fmt: skip
def union1d(ar1: Any, ar2: Any) -> Variable:
    """The elements that one of them has, ascending, each once, as ``np.union1d``.

    >>> import graphad as ga
    >>> ga.union1d(ga.constant([3, 1]), [2, 3]).eval()
    array([1, 2, 3])
    """
    both: Variable = unique(OPS["concatenate"](_flat_pair(ar1, ar2)))
    return both


@public(np.setdiff1d, topic="sets", differentiable=False, samples=_pair_samples)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Variable:
    """The elements of `ar1` that `ar2` has not, ascending, each once, as ``np.setdiff1d``.

    With `assume_unique` they are those of ar1 as they stand there.

    >>> import graphad as ga
    >>> ga.setdiff1d(ga.constant([3, 1, 2]), [2, 5]).eval()
    array([1, 3])
    """
    flat = OPS["ravel"](as_variable(ar1))
    mine: Variable = flat if assume_unique else unique(flat)
    rest: Variable = mine[isin(mine, ar2, assume_unique=True, invert=True)]
    return rest


@public(np.setxor1d, topic="sets", differentiable=False, samples=_pair_samples)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Variable:
    """The elements that exactly one of them has, ascending, as ``np.setxor1d``.

    >>> import graphad as ga
    >>> ga.setxor1d(ga.constant([3, 1, 2]), [2, 5]).eval()
    array([1, 3, 5])
    """
    pair = _flat_pair(ar1, ar2)
    both = [v if assume_unique else unique(v) for v in pair]
    row = OPS["sort"](OPS["concatenate"](both))
    new = row[1:] != row[:-1]
    end = OPS["broadcast_to"](as_variable(True), row[:1].shape)
    first, last = OPS["concatenate"]([end, new]), OPS["concatenate"]([new, end])
    alone: Variable = row[first & last]
    return alone
