"""Where elements are: nonzero, argwhere, compress, extract, unravel_index, ravel_multi_index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Arrays, Declared, normalize_axis, public, refuse_out
from graphad.ir.families.indexing import check_integer
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable, as_variable, describe
from graphad.ops.indexing import within
from graphad.ops.shape import is_fortran


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def _sparse(rng: np.random.Generator) -> list[Sample]:
    x = np.array([[0.0, 1.5, 0.0], [-2.0, 0.0, 0.5]])
    return [Sample((x,)), Sample((x[0],)), Sample((np.zeros((2, 2)),))]


class ArgWhere(Declared):
    """The indices (k, ndim) of the elements that are not zero."""

    memoise = False

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (TensorType(np.intp, (Dim.anonymous(), types[0].ndim)),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return xp.argwhere(arrays[0])

    def cuts(self, position: int) -> bool:
        return True


_argwhere = ArgWhere("argwhere")


@public(np.argwhere, topic="indexing", samples=_sparse, differentiable=False)
def argwhere(a: Any) -> Variable:
    """The indices of the elements that are not zero, (k, ndim), as ``np.argwhere``.

    k is known only at run time.

    >>> import graphad as ga
    >>> ga.argwhere(ga.constant([[0, 5], [7, 0]])).eval()
    array([[0, 1],
           [1, 0]])
    """
    found: Variable = _argwhere(as_variable(a))
    return found


@public(np.nonzero, topic="indexing", samples=_sparse, differentiable=False)
def nonzero(a: Any) -> tuple[Variable, ...]:
    """The indices of the elements that are not zero, one (k,) for each axis, as ``np.nonzero``.

    ``x[ga.nonzero(x)]`` are these elements. Raises AxisError for a scalar.

    >>> import graphad as ga
    >>> [place.eval().tolist() for place in ga.nonzero(ga.constant([[0, 5], [7, 0]]))]
    [[0, 1], [1, 0]]
    """
    variable = as_variable(a)
    if variable.ndim == 0:
        raise AxisError(f"nonzero of {describe(variable)}", remedy="use ga.atleast_1d first")
    rows = _argwhere(variable)
    return tuple([rows[:, i] for i in range(variable.ndim)])


@public(np.flatnonzero, topic="indexing", samples=_sparse, differentiable=False)
def flatnonzero(a: Any) -> Variable:
    """The places in the flattened array of what is not zero, (k,), as ``np.flatnonzero``.

    >>> import graphad as ga
    >>> ga.flatnonzero(ga.constant([[0, 5], [7, 0]])).eval()
    array([1, 2])
    """
    return nonzero(OPS["ravel"](as_variable(a)))[0]


def _compress_samples(rng: np.random.Generator) -> list[Sample]:
    x, mask = _x(3, 4), np.array([True, False, True])
    return [
        Sample((mask, x), {"axis": 0}), Sample((mask, x), {"axis": 1}), Sample((mask, x)),
        Sample((np.array([0, 1, 1]), x), {"axis": -1}),
    ]  # fmt: skip


@public(np.compress, topic="indexing", samples=_compress_samples)
def compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Variable:
    """The slices of `a` along `axis` (None: of the flattened array) where `condition` is true.

    As ``np.compress``: condition (k,) of no more elements than the axis has; what is behind is
    left out. The number of slices is known at run time. Raises ShapeError for other conditions.

    >>> import graphad as ga
    >>> ga.compress([True, False, True], ga.constant([1, 2, 3])).eval()
    array([1, 3])
    """
    refuse_out("compress", out)
    mask, variable = as_variable(condition), as_variable(a)
    if mask.ndim != 1:
        raise ShapeError(
            f"compress: the condition is {mask.type}", remedy="give one axis, or write a[mask]"
        )
    variable = OPS["ravel"](variable) if axis is None else variable
    along = normalize_axis(0 if axis is None else axis, variable.ndim, "compress")
    found: Variable = variable[(*[slice(None)] * along, flatnonzero(mask))]
    return found


@public(np.extract, topic="indexing", samples=lambda rng: [
    Sample((np.array([[True, False, True], [False, False, True]]), _x(2, 3))),
    Sample((np.array([0, 2, 0]), _x(3)))])  # fmt: skip
def extract(condition: Any, arr: Any) -> Variable:
    """The elements of `arr` where `condition`, of as many elements, is true, as ``np.extract``.

    Their number is known at run time. For conditions of the shape of arr, ``arr[condition]``.

    >>> import graphad as ga
    >>> ga.extract([[True, False], [False, True]], ga.constant([[1, 2], [3, 4]])).eval()
    array([1, 4])
    """
    found: Variable = OPS["ravel"](as_variable(arr))[flatnonzero(condition)]
    return found


# ---- flat places and indices -----------------------------------------------------------------
def _sizes(shape: Any) -> list[Any]:
    if isinstance(shape, Variable) and shape.ndim:
        return list(shape)
    return list(shape) if isinstance(shape, tuple | list | np.ndarray) else [shape]


def _integers(value: Any, name: str) -> Variable:
    variable = as_variable(value)
    if variable.dtype.kind == "b":
        raise UseError(f"{name}: booleans", remedy="give integers")
    check_integer(variable, name)
    return variable


def _checked(place: Variable, size: Any) -> Variable:
    """`place`, and an error at run time unless 0 <= place < size."""
    beyond = OPS["where"](place < 0, size, place)
    found: Variable = OPS["arange"](size)[beyond]
    return found


@public(np.unravel_index, topic="indexing", differentiable=False, samples=lambda rng: [
    Sample((np.array([22, 41, 0]),), {"shape": (7, 6)}),
    Sample((np.array([[5], [11]]),), {"shape": (2, 3, 2), "order": "F"}),
    Sample((np.array(7),), {"shape": 9})])  # fmt: skip
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Variable, ...]:
    """Places in the flattened array as indices, one for each axis, as ``np.unravel_index``.

    Sizes may be entries of ``x.shape``. Places out of range raise IndexError at run time.
    Raises IndexingError for what is no integer, UseError for booleans and another order.

    >>> import graphad as ga
    >>> [i.eval().tolist() for i in ga.unravel_index(ga.constant([5, 2]), (2, 3))]
    [[1, 0], [2, 2]]
    """
    sizes = _sizes(shape)
    total: Any = 1
    for size in sizes:
        total = total * size
    rest = _checked(_integers(indices, "unravel_index"), total)
    fastest_first = sizes if is_fortran(order, "unravel_index") else sizes[::-1]
    found = []
    for size in fastest_first:
        found.append(OPS["remainder"](rest, size))
        rest = OPS["floor_divide"](rest, size)
    return tuple(found if fastest_first is sizes else found[::-1])


@public(np.ravel_multi_index, topic="indexing", differentiable=False, samples=lambda rng: [
    Sample(([np.array([3, 6, 0]), np.array([4, 5, 1])],), {"dims": (7, 6)}),
    Sample(([np.array([1, 0]), np.array([[2], [0]])],), {"dims": (2, 3), "order": "F"}),
    Sample(([np.array([9, -3]), np.array([4, 11])],), {"dims": (7, 6), "mode": ("clip", "wrap")}),
])  # fmt: skip
def ravel_multi_index(
    multi_index: Arrays, dims: Any, mode: Any = "raise", order: str = "C"
) -> Variable:
    """Indices, one for each axis, as places in the flattened array, as ``np.ravel_multi_index``.

    mode ("raise", "wrap", "clip", or one for each axis): what happens to indices out of range;
    "raise" is an IndexError at run time. Sizes may be entries of ``x.shape``.
    Raises ShapeError for another number of indices than axes.

    >>> import graphad as ga
    >>> ga.ravel_multi_index((ga.constant([1, 0]), [2, 2]), (2, 3)).eval()
    array([5, 2])
    """
    sizes, indices = _sizes(dims), list(multi_index)
    modes = list(mode) if isinstance(mode, tuple | list) else [mode] * len(sizes)
    if not len(indices) == len(sizes) == len(modes):
        raise ShapeError(
            f"ravel_multi_index: {len(indices)} indices, {len(sizes)} sizes, {len(modes)} modes",
            remedy="give one of each for each axis",
        )
    rows = list(zip(indices, sizes, modes, strict=True))
    total: Any = None
    for given, size, how in rows[::-1] if is_fortran(order, "ravel_multi_index") else rows:
        place = within(_integers(given, "ravel_multi_index"), size, how, "ravel_multi_index")
        place = _checked(place, size).astype("int64")
        total = place if total is None else total * size + place
    result: Variable = total
    return result
