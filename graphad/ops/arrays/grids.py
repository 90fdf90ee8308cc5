"""Grids and indices: meshgrid, indices, ix_, tril_indices, broadcast_arrays, rollaxis.

Where sizes are known the results are constants; entries of ``x.shape`` may be sizes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.families.common import broadcast_shapes as joint_shape
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.types import as_size
from graphad.ir.variable import Variable, as_variable, describe


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


# ---- broadcasting ----------------------------------------------------------------------------
@public(np.broadcast_arrays, topic="shape", samples=lambda rng: [
    Sample((_x(2, 1), _x(3))), Sample((_x(3),)), Sample((_x(), _x(2), _x(3, 1)))])  # fmt: skip
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Variable, ...]:
    """The arrays in their common shape, as ``np.broadcast_arrays``.

    >>> import graphad as ga
    >>> [a.type for a in ga.broadcast_arrays(ga.vector("x", shape=("n",)), ga.zeros((2, 1)))]
    [float64[2, n], float64[2, n]]
    """
    variables = [as_variable(array) for array in args]
    if not variables:
        return ()
    return _broadcast(variables)


def _broadcast(variables: Sequence[Variable]) -> tuple[Variable, ...]:
    """Each in the common shape of all; sizes compared at run time are those of an array."""
    joint = joint_shape("broadcast_arrays", [v.type.shape for v in variables])
    if all([isinstance(size, int) for size in joint]):
        return tuple([OPS["broadcast_to"](v, joint) for v in variables])
    shape: Any = OPS["zeros"](variables[0].shape, bool)
    for variable in variables[1:]:
        shape = OPS["logical_or"](shape, OPS["zeros"](variable.shape, bool))
    return tuple([OPS["broadcast_to"](v, shape.shape) for v in variables])


@public(topic="shape", reference=None, differentiable=False)
def broadcast_shapes(*args: Any) -> tuple[Any, ...]:
    """The shape that arrays of these shapes broadcast to, as ``np.broadcast_shapes``.

    Shapes hold ints, Dims, or names of dims. Raises ShapeError for a clash.

    >>> import graphad as ga
    >>> ga.broadcast_shapes((2, 1), ga.vector("x", shape=("n",)).shape)
    (2, n)
    """
    shapes = [tuple(s) if isinstance(s, tuple | list) else (s,) for s in args]
    return joint_shape("broadcast_shapes", [tuple(map(as_size, s)) for s in shapes] or [()])


def _mesh_samples(rng: np.random.Generator) -> list[Sample]:
    rows: list[dict[str, Any]] = [{}, {"indexing": "ij"}, {"sparse": True}]
    return [Sample((_x(2), _x(3)), row) for row in rows] + [
        Sample((_x(2), _x(3), _x(2)), {"sparse": True, "indexing": "ij"}), Sample((_x(3),)),
        Sample((_x(), _x(2))),
    ]  # fmt: skip


@public(np.meshgrid, topic="shape", samples=_mesh_samples)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Variable, ...]:
    """Coordinates on the grid of all combinations, one array for each vector, as ``np.meshgrid``.

    indexing: "xy" has the second vector along axis 0, "ij" the first. sparse: with axes of size 1
    instead of repetition. Raises UseError for another indexing, ShapeError for matrices.

    >>> import graphad as ga
    >>> a, b = ga.meshgrid(ga.vector("x", shape=(2,)), ga.vector("y", shape=("n",)))
    >>> a.type
    float64[n, 2]
    """
    if indexing not in ("xy", "ij"):
        raise UseError(f"meshgrid: indexing={indexing!r}", remedy='use "xy" or "ij"')
    vectors = [as_variable(x) for x in xi]
    for vector in vectors:
        if vector.ndim > 1:
            raise ShapeError(f"meshgrid of {describe(vector)}", remedy="give vectors: ga.ravel(x)")
    count = len(vectors)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[:2] = [1, 0]
    spread = []
    for vector, place in zip(vectors, places, strict=True):
        row = OPS["ravel"](vector)
        spread.append(OPS["reshape"](row, [row.shape[0] if i == place else 1
                                           for i in range(count)]))  # fmt: skip
    if sparse or count == 0:
        return tuple(spread)
    shape: list[Any] = [None] * count
    for vector, place in zip(spread, places, strict=True):
        shape[place] = vector.shape[place]
    return tuple([OPS["broadcast_to"](vector, shape) for vector in spread])


@public(np.rollaxis, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3, 4),), {"axis": 2}), Sample((_x(2, 3, 4),), {"axis": 0, "start": 2}),
    Sample((_x(2, 3, 4),), {"axis": 1, "start": -1}),
    Sample((_x(2, 3, 4),), {"axis": 1, "start": 3})])  # fmt: skip
def rollaxis(a: Any, axis: int, start: int = 0) -> Variable:
    """The axis moved to stand before the axis `start`, as ``np.rollaxis``; see `moveaxis`.

    >>> import graphad as ga
    >>> ga.rollaxis(ga.tensor("x", shape=(2, 3, 4)), 2).type
    float64[4, 2, 3]
    """
    variable = as_variable(a)
    source = normalize_axis(axis, variable.ndim, "rollaxis")
    before = start + variable.ndim if start < 0 else start
    if not 0 <= before <= variable.ndim:
        raise AxisError(f"rollaxis: start={start}", remedy=f"0 … {variable.ndim}")
    order = [i for i in range(variable.ndim) if i != source]
    order.insert(before - 1 if source < before else before, source)
    moved: Variable = OPS["transpose"](variable, tuple(order))
    return moved


# ---- indices ---------------------------------------------------------------------------------
def _sizes(dimensions: Any) -> list[Any]:
    return list(dimensions) if isinstance(dimensions, tuple | list) else [dimensions]


@public(topic="creation", reference=np.indices, differentiable=False, samples=lambda rng: [
    Sample((), {"dimensions": (2, 3)}), Sample((), {"dimensions": (2,), "dtype": "float32"}),
    Sample((), {"dimensions": (2, 3), "sparse": True})])  # fmt: skip
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """The index of each element along each axis: (ndim, …), as ``np.indices``.

    sparse: a tuple of arrays that broadcast to that. Sizes may be entries of ``x.shape``.

    >>> import graphad as ga
    >>> ga.indices((2, 2)).eval().tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    sizes = _sizes(dimensions)
    rows = []
    for i, size in enumerate(sizes):
        place = OPS["arange"](size)
        rows.append(
            OPS["reshape"](
                place.astype(dtype), [place.shape[0] if j == i else 1 for j in range(len(sizes))]
            )
        )
    if sparse:
        return tuple(rows)
    if not rows:
        return OPS["zeros"]((0,), dtype)
    return OPS["stack"]([OPS["broadcast_to"](row, sizes) for row in rows])


@public(topic="creation", differentiable=False, reference=np.fromfunction, samples=lambda rng: [
    Sample((), {"function": lambda i, j: i * 2 + j, "shape": (2, 3)}),
    Sample((), {"function": lambda i: i * i, "shape": (3,), "dtype": int})])  # fmt: skip
def fromfunction(
    function: Callable[..., Any], shape: Any, *, dtype: Any = float, like: None = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """``function(i, j, …)`` of the indices along each axis of `shape`, as ``np.fromfunction``.

    The function is called once, with Variables. Sizes may be entries of ``x.shape``.

    >>> import graphad as ga
    >>> ga.fromfunction(lambda i, j: i == j, (2, 2)).eval()
    array([[ True, False],
           [False,  True]])
    """
    grid = indices(shape, dtype)
    return function(*[grid[i] for i in range(len(_sizes(shape)))], **kwargs)


@public(np.ix_, topic="indexing", differentiable=False, samples=lambda rng: [
    Sample((np.array([0, 2]), np.array([1]))),
    Sample((np.array([True, False, True]), np.array([1, 0])))])  # fmt: skip
def ix_(*args: Any) -> tuple[Variable, ...]:
    """Vectors of places as an index of all their combinations, as ``np.ix_``.

    Masks stand for the places where they are true. Raises ShapeError for what is no vector.

    >>> import graphad as ga
    >>> x = ga.constant([[1, 2, 3], [4, 5, 6]])
    >>> x[ga.ix_([1, 0], [0, 2])].eval()
    array([[4, 6],
           [1, 3]])
    """
    found = []
    for i, given in enumerate(args):
        bare = not isinstance(given, Variable) and np.size(given) == 0
        row = as_variable(np.asarray(given, int) if bare else given)
        if row.ndim != 1:
            raise ShapeError(f"ix_: argument {i} is {row.type}", remedy="give vectors")
        row = OPS["flatnonzero"](row) if row.dtype.kind == "b" else row
        found.append(OPS["reshape"](row, [row.shape[0] if j == i else 1
                                          for j in range(len(args))]))  # fmt: skip
    return tuple(found)


def _where(mask: Variable) -> tuple[Variable, ...]:
    found: tuple[Variable, ...] = OPS["nonzero"](mask)
    return found


@public(topic="indexing", differentiable=False, reference=np.tril_indices, samples=lambda rng: [
    Sample((), {"n": 3}), Sample((), {"n": 3, "k": -1, "m": 4})])  # fmt: skip
def tril_indices(n: Any, k: int = 0, m: Any = None) -> tuple[Variable, Variable]:
    """The indices (rows, columns) of the lower triangle of an (n, m) matrix, ``np.tril_indices``.

    >>> import graphad as ga
    >>> [i.eval().tolist() for i in ga.tril_indices(2)]
    [[0, 1, 1], [0, 0, 1]]
    """
    rows, columns = _where(OPS["tri"](n, m, k, bool))
    return rows, columns


@public(topic="indexing", differentiable=False, reference=np.triu_indices, samples=lambda rng: [
    Sample((), {"n": 3}), Sample((), {"n": 3, "k": 1, "m": 4})])  # fmt: skip
def triu_indices(n: Any, k: int = 0, m: Any = None) -> tuple[Variable, Variable]:
    """The indices (rows, columns) of the upper triangle of an (n, m) matrix, ``np.triu_indices``.

    >>> import graphad as ga
    >>> [i.eval().tolist() for i in ga.triu_indices(2)]
    [[0, 0, 1], [0, 1, 1]]
    """
    rows, columns = _where(~OPS["tri"](n, m, k - 1, bool))
    return rows, columns


def _matrix(arr: Any, name: str) -> Variable:
    variable = as_variable(arr)
    if variable.ndim != 2:
        raise ShapeError(f"{name} of {describe(variable)}", remedy="give a matrix")
    return variable


def _square(rng: np.random.Generator) -> list[Sample]:
    return [Sample((_x(3, 4),)), Sample((_x(3, 3),), {"k": 1})]


@public(np.tril_indices_from, topic="indexing", differentiable=False, samples=_square)
def tril_indices_from(arr: Any, k: int = 0) -> tuple[Variable, Variable]:
    """The indices of the lower triangle of a matrix, as ``np.tril_indices_from``.

    >>> import graphad as ga
    >>> x = ga.constant([[1, 2], [3, 4]])
    >>> x[ga.tril_indices_from(x)].eval()
    array([1, 3, 4])
    """
    n, m = _matrix(arr, "tril_indices_from").shape
    return tril_indices(n, k, m)


@public(np.triu_indices_from, topic="indexing", differentiable=False, samples=_square)
def triu_indices_from(arr: Any, k: int = 0) -> tuple[Variable, Variable]:
    """The indices of the upper triangle of a matrix, as ``np.triu_indices_from``.

    >>> import graphad as ga
    >>> x = ga.constant([[1, 2], [3, 4]])
    >>> x[ga.triu_indices_from(x)].eval()
    array([1, 2, 4])
    """
    n, m = _matrix(arr, "triu_indices_from").shape
    return triu_indices(n, k, m)


@public(topic="indexing", differentiable=False, reference=np.diag_indices, samples=lambda rng: [
    Sample((), {"n": 3}), Sample((), {"n": 2, "ndim": 3})])  # fmt: skip
def diag_indices(n: Any, ndim: int = 2) -> tuple[Variable, ...]:
    """The index of the main diagonal of an array with `ndim` axes of size n, ``np.diag_indices``.

    >>> import graphad as ga
    >>> [i.eval().tolist() for i in ga.diag_indices(2)]
    [[0, 1], [0, 1]]
    """
    return (OPS["arange"](n),) * ndim


@public(np.diag_indices_from, topic="indexing", differentiable=False,
        samples=lambda rng: [Sample((_x(3, 3),)), Sample((_x(2, 2, 2),))])  # fmt: skip
def diag_indices_from(arr: Any) -> tuple[Variable, ...]:
    """The index of the main diagonal of an array, as ``np.diag_indices_from``.

    Raises ShapeError for a vector, and for axes that can be seen to differ in size.

    >>> import graphad as ga
    >>> x = ga.constant([[1, 2], [3, 4]])
    >>> x[ga.diag_indices_from(x)].eval()
    array([1, 4])
    """
    variable = as_variable(arr)
    sizes = variable.type.shape
    if variable.ndim < 2 or len({size for size in sizes if isinstance(size, int)}) > 1:
        raise ShapeError(
            f"diag_indices_from of {describe(variable)}", remedy="give a square matrix"
        )
    # what is stacked is compared at run time, where sizes are not known before
    rows = OPS["stack"]([OPS["arange"](size) for size in variable.shape])
    return tuple([rows[i] for i in range(variable.ndim)])


@public(topic="indexing", differentiable=False, reference=np.mask_indices, samples=lambda rng: [
    Sample((), {"n": 3, "mask_func": np.triu}), Sample((), {"n": 3, "mask_func": np.tril, "k": -1})
])  # fmt: skip
def mask_indices(n: Any, mask_func: Callable[..., Any], k: Any = 0) -> tuple[Variable, ...]:
    """The indices where ``mask_func(ones (n, n), k)`` is not zero, as ``np.mask_indices``.

    >>> import graphad as ga
    >>> [i.eval().tolist() for i in ga.mask_indices(2, ga.triu)]
    [[0, 0, 1], [0, 1, 1]]
    """
    return _where(as_variable(mask_func(OPS["ones"]((n, n), int), k)) != 0)
