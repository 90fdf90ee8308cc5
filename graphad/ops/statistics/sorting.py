"""Order: sort, argsort, lexsort, partition, topk, take_along_axis.

A derivative flows to the element that stands in the result; where elements are equal (ties) the
order is stable, so each place of the result belongs to exactly one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.families.common import Arrays, normalize_axis, public
from graphad.ir.families.indexing import check_integer
from graphad.ir.op import OPS, Sample
from graphad.ir.types import Shape
from graphad.ir.variable import Variable, as_variable, describe
from graphad.ops.statistics.orders import lexical_order_of, order_of, permute_by, sorted_of

_KINDS = (None, "quicksort", "heapsort", "mergesort", "stable")


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(3, 4) / 4
    return [Sample((x,)), Sample((x,), {"axis": 0}), Sample((x,), {"axis": None})]


def _prepared(a: Any, axis: Any, name: str, kind: Any, order: Any) -> tuple[Variable, int]:
    """The operand (flattened for axis=None) and a non-negative axis; checks the rest."""
    if order is not None:
        raise UseError(f"{name}: order={order!r} is for arrays with fields", remedy="leave it out")
    if kind not in _KINDS:
        raise UseError(f"{name}: kind={kind!r}", remedy=f"choose one of {_KINDS[1:]}")
    variable = as_variable(a)
    if axis is None:
        return OPS["ravel"](variable), 0
    return variable, normalize_axis(axis, variable.ndim, name)


# ---- sort and its indices --------------------------------------------------------------------
@public(np.sort, topic="sorting", samples=_samples)
def sort(
    a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: Any = None
) -> Variable:
    """Ascending along `axis` (None: the flattened array), NaN last, as ``np.sort``.

    The derivative of each place flows to the element that stands there; of equal elements the
    first stands first. `kind` and `stable` change nothing: the order is always stable.
    Raises AxisError for an axis that `a` does not have, UseError for `order`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad(ga.sort(x)[0], x).eval({x: [3.0, 1.0, 2.0]})
    array([0., 1., 0.])
    """
    variable, along = _prepared(a, axis, "sort", kind, order)
    result: Variable = sorted_of(variable, axis=along)
    return result


@public(np.argsort, topic="sorting", samples=_samples, differentiable=False,
        reference=lambda a, axis=-1: np.argsort(a, axis, kind="stable"))  # fmt: skip
def argsort(
    a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: Any = None
) -> Variable:
    """The indices that sort along `axis` (None: the flattened array), as ``np.argsort``.

    Always stable: of equal elements the first comes first.
    Raises AxisError for an axis that `a` does not have, UseError for `order`.

    >>> import graphad as ga
    >>> ga.argsort(ga.constant([3.0, 1.0, 2.0])).eval()
    array([1, 2, 0])
    """
    variable, along = _prepared(a, axis, "argsort", kind, order)
    result: Variable = order_of(variable, axis=along, kth=None)
    return result


@public(np.sort_complex, topic="sorting", samples=lambda rng: [
    Sample((rng.permutation(12).reshape(3, 4) / 4,))])  # fmt: skip
def sort_complex(a: Any) -> Variable:
    """Sorted along the last axis, by real and then imaginary part, as ``np.sort_complex``.

    The result is complex: complex64 for integers of up to 16 bits, else complex128.
    Raises AxisError for an array without axes.

    >>> import graphad as ga
    >>> ga.sort_complex(ga.constant([2.0, 1.0])).eval()
    array([1.+0.j, 2.+0.j])
    """
    ordered = sort(a)
    if ordered.dtype.kind == "c":
        return ordered
    small = ordered.dtype.kind in "iu" and ordered.dtype.itemsize <= 2
    long = ordered.dtype == np.longdouble
    found: Variable = ordered.astype("F" if small else "G" if long else "D")
    return found


@public(np.lexsort, topic="sorting", differentiable=False, samples=lambda rng: [
    Sample(((np.array([3.0, 1.0, 2.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])),)),
    Sample((np.array([[3.0, 1.0, 2.0], [1.0, 0.0, 1.0]]),)),
    Sample((rng.integers(0, 2, size=(3, 4, 2)) * 1.0,), {"axis": 0})])  # fmt: skip
def lexsort(keys: Arrays, axis: int = -1) -> Variable:
    """The indices that sort by several keys, the last one first of all, as ``np.lexsort``.

    keys: a list of arrays of equal shape, or an array (k, …); the result has the shape of one key.
    Stable. Raises ShapeError for keys of different shapes, UseError for none, AxisError.

    >>> import graphad as ga
    >>> ga.lexsort([ga.constant([3, 1, 2]), ga.constant([1, 0, 1])]).eval()
    array([1, 2, 0])
    """
    listed = isinstance(keys, list | tuple)
    operands = [as_variable(key) for key in keys] if listed else [as_variable(keys)]
    if not operands or (not listed and operands[0].type.shape[:1] == (0,)):
        raise UseError("lexsort without keys", remedy="give at least one")
    ndim = operands[0].ndim - (not listed)
    along = normalize_axis(axis, ndim, "lexsort")
    for key in operands:
        if not _same_shape(key.type.shape, operands[0].type.shape):
            raise ShapeError(f"lexsort: keys {[v.type for v in operands]}",
                             remedy="give keys of equal shape")  # fmt: skip
    result: Variable = lexical_order_of(*operands, axis=along, rows=not listed)
    return result


def _same_shape(first: Shape, second: Shape) -> bool:
    """Can these be equal, as far as sizes are known?"""
    return len(first) == len(second) and all(
        a == b or not (isinstance(a, int) and isinstance(b, int))
        for a, b in zip(first, second, strict=True)
    )


def _places(kth: Any, variable: Variable, axis: int, name: str) -> tuple[int, ...]:
    given = kth if isinstance(kth, tuple | list | np.ndarray) else [kth]
    size = variable.type.shape[axis]
    for place in given:
        if isinstance(place, bool) or not isinstance(place, int | np.integer):
            raise UseError(f"{name}: kth={kth!r}", remedy="give an int, or a list of ints")
        if isinstance(size, int) and size and not -size <= place < size:
            raise ShapeError(
                f"{name}: kth={place} is out of range for axis {axis} of {describe(variable)}",
                remedy=f"places are {-size} … {size - 1}",
            )
    return tuple(int(place) for place in given)


def _partition_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(3, 4) / 4
    return [
        Sample((x,), {"kth": 0}), Sample((x,), {"kth": (0, -1), "axis": 0}),
        Sample((x,), {"kth": 5, "axis": None}),
    ]  # fmt: skip


def _partition_reference(a: Any, kth: Any, axis: Any = -1) -> Any:
    array = np.ravel(a) if axis is None else a
    along = 0 if axis is None else axis
    return np.take_along_axis(array, np.argpartition(array, kth, along), along)


@public(np.partition, topic="sorting", samples=_partition_samples, reference=_partition_reference)
def partition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Variable:
    """Smaller elements before, larger ones behind the place `kth`, as ``np.partition``.

    `kth`: an int, or several; the order within the parts is that of `argpartition`. The derivative
    of each place flows to the element that stands there.
    Raises ShapeError for a place known to be out of range, AxisError, UseError as `sort`.

    >>> import graphad as ga
    >>> ga.partition(ga.constant([3.0, 9.0, 1.0]), 1)[1].eval()
    np.float64(3.0)
    """
    variable, along = _prepared(a, axis, "partition", None, order)
    places = argpartition(variable, kth, along, kind)
    result: Variable = permute_by(variable, places, axis=along, back=False)
    return result


@public(np.argpartition, topic="sorting", samples=_partition_samples, differentiable=False)
def argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Variable:
    """The indices that `partition` along `axis`, as ``np.argpartition``.

    Raises ShapeError for a place known to be out of range, AxisError, UseError as `sort`.

    >>> import graphad as ga
    >>> int(ga.argpartition(ga.constant([3.0, 9.0, 1.0]), 0)[0].eval())
    2
    """
    if kind != "introselect":
        raise UseError(f"argpartition: kind={kind!r}", remedy='leave it at "introselect"')
    variable, along = _prepared(a, axis, "argpartition", None, order)
    places = _places(kth, variable, along, "argpartition")
    result: Variable = order_of(variable, axis=along, kth=places)
    return result


# ---- the largest elements --------------------------------------------------------------------
def _largest(found: Variable, k: Any, axis: int, name: str) -> Variable:
    """The last k along `axis`, last first; for negative k the first -k."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k == 0:
        raise UseError(f"{name}: k={k!r}", remedy="k is the number of elements, not 0")
    chosen = slice(None, -k - 1, -1) if k > 0 else slice(None, -k)
    return found[(slice(None),) * axis + (chosen,)]


def _top_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(3, 4) / 4
    return [Sample((x,), {"k": 2}), Sample((x,), {"k": -2, "axis": 0})]


def _top_reference(function: Any) -> Any:
    def reference(x: Any, k: int, axis: int = -1) -> Any:
        found = np.moveaxis(function(x, axis=axis, stable=True), axis, -1)
        chosen = found[..., ::-1][..., :k] if k > 0 else found[..., :-k]
        return np.moveaxis(chosen, -1, axis)

    return reference


@public(topic="sorting", samples=_top_samples, reference=_top_reference(np.sort))
def topk(x: Any, k: int, axis: int = -1) -> Variable:
    """The `k` largest elements along `axis`, largest first; for negative k the -k smallest.

    The axis gets the size k, or stays shorter where x has fewer elements. NaN counts as largest.
    Derivatives flow to the elements picked; of equal ones the last is the largest.
    Raises UseError for k = 0, AxisError for an axis that x does not have.

    >>> import graphad as ga
    >>> ga.topk(ga.constant([3.0, 1.0, 2.0]), 2).eval()
    array([3., 2.])
    """
    variable = as_variable(x)
    along = normalize_axis(axis, variable.ndim, "topk")
    return _largest(sort(variable, along), k, along, "topk")


@public(topic="sorting", samples=_top_samples, reference=_top_reference(np.argsort),
        differentiable=False)  # fmt: skip
def argtopk(x: Any, k: int, axis: int = -1) -> Variable:
    """The indices of the `k` largest elements along `axis`, in the order of `topk`.

    >>> import graphad as ga
    >>> ga.argtopk(ga.constant([3.0, 1.0, 2.0]), 2).eval()
    array([0, 2])
    """
    variable = as_variable(x)
    along = normalize_axis(axis, variable.ndim, "argtopk")
    return _largest(argsort(variable, along), k, along, "argtopk")


# ---- elements by index -----------------------------------------------------------------------
@public(
    np.take_along_axis, topic="indexing",
    samples=lambda rng: [
        Sample((rng.normal(size=(3, 4)), np.array([[1, -1], [0, 3], [2, 2]])), {"axis": 1}),
        Sample((rng.normal(size=(3, 4)), np.array([[2, 0, 0, 1]])), {"axis": 0}),
        Sample((rng.normal(size=(3, 4)), np.array([11, 0, 5])), {"axis": None}),
    ],
)  # fmt: skip
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Variable:
    """``arr[…, indices[…, k, …], …]`` along `axis`, as ``np.take_along_axis``.

    arr and `indices` (integers) have the same number of axes, whose sizes broadcast except along
    `axis`; the result has the size of `indices` there. None: `arr` is flattened, indices (n,).
    Raises AxisError for other numbers of axes, IndexingError for indices that are no integers.

    >>> import graphad as ga
    >>> ga.take_along_axis(ga.constant([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], 1).eval()
    array([[2.],
           [3.]])
    """
    variable = as_variable(arr)
    variable = OPS["ravel"](variable) if axis is None else variable
    return variable[along_axis(variable, indices, 0 if axis is None else axis, "take_along_axis")]


def along_axis(variable: Variable, indices: Any, axis: int, name: str) -> tuple[Variable, ...]:
    """The index that takes `indices` along `axis` and goes with them along the other axes."""
    chosen = as_variable(indices)
    along = normalize_axis(axis, variable.ndim, name)
    if chosen.dtype.kind == "b":
        raise UseError(f"{name}: boolean indices", remedy="write x[mask], x.at[mask].set(…)")
    check_integer(chosen, f"{name}: indices")
    if chosen.ndim != variable.ndim:
        raise AxisError(
            f"{name}: {variable.ndim} axes, indices with {chosen.ndim}",
            remedy="give both as many axes, for example with ga.expand_dims",
        )
    index: list[Any] = []
    for i, size in enumerate(variable.shape):
        grid = OPS["arange"](size)
        index.append(OPS["expand_dims"](grid, tuple(range(1, variable.ndim - i))))
    index[along] = chosen
    return tuple(index)
