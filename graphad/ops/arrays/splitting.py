"""Splitting: split, array_split, hsplit, vsplit, dsplit, unstack; and block, which joins."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Nested, normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable, describe


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def _along(axis: int, start: Any, stop: Any) -> tuple[Any, ...]:
    return (*[slice(None)] * axis, slice(start, stop))


def _sections(count: Any, name: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise UseError(
            f"{name}: {count!r} sections",
            remedy="give a number of sections, 1 or more, or a list of the places to cut at",
        )
    return int(count)


def _cut(x: Variable, places: Any, axis: int, name: str) -> list[Variable]:
    """The parts between the places, which slices clip to the axis."""
    for place in places:
        symbolic = isinstance(place, Dim) or (isinstance(place, Variable) and not place.ndim)
        if isinstance(place, bool) or not (isinstance(place, int | np.integer) or symbolic):
            raise UseError(f"{name}: a cut at {place!r}", remedy="cut at integers")
    bounds = [0, *places, None]
    return [x[_along(axis, a, b)] for a, b in itertools.pairwise(bounds)]


def _places(value: Any) -> list[Any] | None:
    """Where to cut; None for a number of sections."""
    if isinstance(value, Variable) and value.ndim:
        return list(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return None
    return list(value) if isinstance(value, tuple | list | np.ndarray) else None


def _split_samples(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((_x(4, 3),), {"indices_or_sections": 2}),
        Sample((_x(4, 3),), {"indices_or_sections": 3, "axis": -1}),
        Sample((_x(4, 3),), {"indices_or_sections": [1, 3, 7]}),
        Sample((_x(4, 3),), {"indices_or_sections": [-1, 1], "axis": 1}),
    ]


@public(np.array_split, topic="shape", samples=lambda rng: [
    *_split_samples(rng), Sample((_x(7, 2),), {"indices_or_sections": 3})])  # fmt: skip
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Variable]:
    """Parts along `axis`: so many of nearly equal size, or cut at the given places.

    As ``np.array_split``: the first parts are longer by one if the size does not divide.
    Raises AxisError, UseError for less than one section.

    >>> import graphad as ga
    >>> [part.type.shape[0] for part in ga.array_split(ga.vector("x", shape=(7,)), 3)]
    [3, 2, 2]
    """
    variable = as_variable(ary)
    along = normalize_axis(axis, variable.ndim, "array_split")
    places = _places(indices_or_sections)
    if places is not None:
        return _cut(variable, places, along, "array_split")
    count = _sections(indices_or_sections, "array_split")
    size = variable.shape[along]
    parts, start = [], 0
    for i in range(count):
        stop: Any = start + (size + (count - 1 - i)) // count if i < count - 1 else None
        parts.append(variable[_along(along, start, stop)])
        start = stop
    return parts


@public(np.split, topic="shape", samples=_split_samples)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Variable]:
    """Parts along `axis`: so many of equal size, or cut at the given places, as ``np.split``.

    Places may be entries of ``x.shape`` or integer scalars. Sizes that do not divide raise
    ShapeError, at run time if they are not known before. Raises AxisError, UseError.

    >>> import graphad as ga
    >>> a, b = ga.split(ga.vector("x", shape=("n",)), 2)
    >>> a.type
    float64[floordiv(n, 2)]
    """
    variable = as_variable(ary)
    along = normalize_axis(axis, variable.ndim, "split")
    places = _places(indices_or_sections)
    if places is not None:
        return _cut(variable, places, along, "split")
    count = _sections(indices_or_sections, "split")
    size = variable.shape[along]
    if isinstance(size, int):
        if size % count:
            raise ShapeError(
                f"split: {size} elements along axis {along} into {count} equal parts",
                remedy="use ga.array_split for parts of nearly equal size",
            )
        return array_split(variable, count, along)
    shape = [*variable.shape[:along], count, size // count, *variable.shape[along + 1 :]]
    rows = OPS["reshape"](variable, shape)  # fails at run time if the size does not divide
    return [rows[(*[slice(None)] * along, i)] for i in range(count)]


def _split_along(ary: Any, cut: Any, axis: int, name: str, least: int) -> list[Variable]:
    variable = as_variable(ary)
    if variable.ndim < least:
        raise AxisError(
            f"{name} of {describe(variable)}",
            cause=f"it needs at least {least} axes",
            remedy="use ga.split(x, n, axis=...)",
        )
    return split(variable, cut, axis)


@public(np.hsplit, topic="shape", samples=lambda rng: [
    Sample((_x(2, 4),), {"indices_or_sections": 2}), Sample((_x(4),), {"indices_or_sections": 2}),
    Sample((_x(2, 4),), {"indices_or_sections": [1]})])  # fmt: skip
def hsplit(ary: Any, indices_or_sections: Any) -> list[Variable]:
    """`split` along axis 1, of a vector along its only one, as ``np.hsplit``.

    Raises AxisError for a scalar, otherwise as `split`.

    >>> import graphad as ga
    >>> [part.type for part in ga.hsplit(ga.matrix("x", shape=(2, 4)), [1])]
    [float64[2, 1], float64[2, 3]]
    """
    variable = as_variable(ary)
    axis = 1 if variable.ndim > 1 else 0
    return _split_along(variable, indices_or_sections, axis, "hsplit", 1)


@public(np.vsplit, topic="shape", samples=lambda rng: [
    Sample((_x(4, 2),), {"indices_or_sections": 2}),
    Sample((_x(4, 2),), {"indices_or_sections": [1, 2]})])  # fmt: skip
def vsplit(ary: Any, indices_or_sections: Any) -> list[Variable]:
    """`split` along axis 0, as ``np.vsplit``. Raises AxisError for less than two axes.

    >>> import graphad as ga
    >>> [part.type for part in ga.vsplit(ga.matrix("x", shape=(2, 4)), 2)]
    [float64[1, 4], float64[1, 4]]
    """
    return _split_along(ary, indices_or_sections, 0, "vsplit", 2)


@public(np.dsplit, topic="shape",
        samples=lambda rng: [Sample((_x(2, 2, 4),), {"indices_or_sections": 2})])  # fmt: skip
def dsplit(ary: Any, indices_or_sections: Any) -> list[Variable]:
    """`split` along axis 2, as ``np.dsplit``. Raises AxisError for less than three axes.

    >>> import graphad as ga
    >>> [part.type for part in ga.dsplit(ga.tensor("x", shape=(1, 2, 4)), [3])]
    [float64[1, 2, 3], float64[1, 2, 1]]
    """
    return _split_along(ary, indices_or_sections, 2, "dsplit", 3)


@public(
    *[np.unstack] if hasattr(np, "unstack") else [], topic="shape",
    reference=lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)),
)  # fmt: skip
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Variable, ...]:
    """The slices along `axis` as a tuple, without this axis, as ``np.unstack``.

    Raises UseError where the size is known only at run time, AxisError for a scalar.

    >>> import graphad as ga
    >>> [part.type for part in ga.unstack(ga.matrix("x", shape=(2, 4)), axis=1)][:2]
    [float64[2], float64[2]]
    """
    variable = as_variable(x)
    along = normalize_axis(axis, variable.ndim, "unstack")
    size = variable.type.shape[along]
    if not isinstance(size, int):
        raise UseError(
            f"unstack: the size {size} of axis {along} is known only at run time",
            cause=describe(variable),
            remedy="declare the size, or work with slices: x[0], x[-1]",
        )
    return tuple([variable[(*[slice(None)] * along, i)] for i in range(size)])


# ---- joining nested lists --------------------------------------------------------------------
def _depth(blocks: Any) -> int:
    """How deep lists are nested; all of them as deep."""
    if not isinstance(blocks, list):
        return 0
    if not blocks:
        raise UseError("block: an empty list", remedy="give at least one array in each list")
    depths = {_depth(block) for block in blocks}
    if len(depths) > 1:
        raise UseError("block: lists of different depth", remedy="nest all of them as deep")
    return 1 + depths.pop()


def _flat(blocks: Any) -> list[Any]:
    if isinstance(blocks, list):
        return [item for block in blocks for item in _flat(block)]
    if isinstance(blocks, tuple):
        raise UseError("block: a tuple", remedy="write lists: ga.block([[a, b], [c, d]])")
    return [blocks]


def _assembled(blocks: Any, ndim: int, depth: int) -> Variable:
    if depth == 0:
        variable = as_variable(blocks)
        missing = ndim - variable.ndim
        found: Variable = OPS["expand_dims"](variable, tuple(range(missing)))
        return found if missing else variable
    parts = [_assembled(block, ndim, depth - 1) for block in blocks]
    joined: Variable = OPS["concatenate"](parts, axis=-depth)
    return joined


@public(np.block, topic="shape", samples=lambda rng: [
    Sample(([[_x(2, 2), _x(2, 1)], [_x(1, 2), _x(1, 1)]],)), Sample(([_x(3), _x(2)],)),
    Sample((_x(2),)), Sample(([[_x(3)], [_x(3)]],)), Sample(([_x(2, 1), _x(2, 2)],)),
])  # fmt: skip
def block(arrays: Nested) -> Variable:
    """One array from nested lists of blocks, as ``np.block``: [[a, b], [c, d]].

    The innermost lists are joined along the last axis, the next along the one before, and so on;
    blocks with fewer axes get leading axes of size 1. Raises UseError for lists of different
    depth, tuples and empty lists, ShapeError for blocks that do not fit.

    >>> import graphad as ga
    >>> ga.block([[ga.eye(2), ga.zeros((2, 1))], [ga.ones((1, 3))]]).type
    float64[3, 3]
    """
    depth = _depth(arrays)
    ndim = max([depth, *[as_variable(block).ndim for block in _flat(arrays)]])
    return _assembled(arrays, ndim, depth)
