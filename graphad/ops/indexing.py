"""Indexing: ``x[…]`` with slices, integers, newaxis, integer and boolean arrays; take, pick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import IndexingError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import normalize_axis, public, refuse_out, size_spec
from graphad.ir.families.indexing import (
    GetItem,
    Item,
    ScatterAdd,
    as_python_int,
    axes_used,
    check_integer,
    is_advanced,
    operand_count,
)
from graphad.ir.op import MASKED, OPS, Op, Sample
from graphad.ir.variable import Constant, Variable, apply, as_variable, describe

_getitem = GetItem("getitem")
_scatter_add = ScatterAdd("scatter_add", MASKED)
_unslice = ScatterAdd("unslice")

# Ops for indices without arrays that were met: by rank and index, and by shape and items.
_taking: dict[Any, Op] = {}
_putting: dict[Any, Op] = {}
KEPT = 4096


# ---- parsing what stands between the brackets ------------------------------------------------
def _bound(value: Any, operands: list[Variable]) -> Any:
    if value is None:
        return None
    integer = as_python_int(value)
    if integer is not None:
        return integer
    if isinstance(value, Dim | Variable):
        variable = as_variable(value)
        check_integer(variable, "a slice bound")
        if variable.ndim == 0:
            operands.append(variable)
            return "?"
    raise IndexingError(
        f"slice bound {value!r} is not an integer", remedy="bounds are ints or integer scalars"
    )


def _array_item(value: Any, operands: list[Variable]) -> list[Item]:
    variable = as_variable(
        np.zeros(0, np.int64) if isinstance(value, list) and not value else value
    )
    check_integer(variable, "the index")
    if variable.dtype.kind != "b":
        operands.append(variable)
        return [("int", "?")] if variable.ndim == 0 else [("array",)]
    if variable.ndim == 0:
        raise IndexingError(
            "a boolean scalar as an index", remedy="use ga.where(condition, x, other) to choose"
        )
    operands.append(variable)
    return [("mask", variable.ndim)]


def parse_index(x: Variable, index: Any) -> tuple[tuple[Item, ...], list[Variable]]:
    """Items and operands; see `ir.families.indexing` for the grammar."""
    entries = index if isinstance(index, tuple) else (index,)
    items: list[Any] = []
    operands: list[Variable] = []
    for entry in entries:
        integer = as_python_int(entry)
        if entry is Ellipsis:
            items.append(Ellipsis)
        elif entry is None:
            items.append(("new",))
        elif isinstance(entry, slice):
            bounds = [_bound(b, operands) for b in (entry.start, entry.stop, entry.step)]
            if bounds[2] == 0:
                raise IndexingError("slice step 0", remedy="use a step of 1 or more, or -1")
            items.append(("slice", *bounds))
        elif integer is not None:
            items.append(("int", integer))
        elif isinstance(entry, str | float | complex):
            raise IndexingError(
                f"{entry!r} is no index for {describe(x)}",
                remedy="an index holds integers, slices, None, ..., integer or boolean arrays",
            )
        else:
            items += _array_item(entry, operands)
    return _completed(x, items), operands


def _completed(x: Variable, items: list[Any]) -> tuple[Item, ...]:
    """The items with the ellipsis expanded and slices for the axes not named."""
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexingError("an index with two ellipses", remedy="write ... once")
    used = sum(
        item[1] if item[0] == "mask" else item[0] != "new"
        for item in items
        if item is not Ellipsis
    )
    missing = x.ndim - used
    if missing < 0:
        raise IndexingError(
            f"{used} indices for an array with {x.ndim} axes: {describe(x)}",
            remedy="remove indices, or insert axes with None",
        )
    fill = [("slice", None, None, None)] * missing
    if not any(item is Ellipsis for item in items):
        return (*items, *fill)
    place = next(i for i, item in enumerate(items) if item is Ellipsis)
    return (*items[:place], *fill, *items[place + 1 :])


def _with_places(
    x: Variable, items: tuple[Item, ...], operands: list[Variable]
) -> tuple[tuple[Item, ...], list[Variable]]:
    """Masks that are constants and have the sizes of `x` as integer arrays: their result has a
    size that is known now. Other masks are compared with the sizes of `x` at run time."""
    made: list[Item] = []
    given: list[Variable] = []
    rest, axis = iter(operands), 0
    for item in items:
        needed = [next(rest) for _ in range(operand_count(item))]
        mask = needed[0] if item[0] == "mask" else None
        covered = x.type.shape[axis : axis + axes_used(item)]
        if isinstance(mask, Constant) and mask.type.shape == covered:
            places = [Constant(p) for p in np.nonzero(mask.value)]
            made += [("array",)] * len(places)
            given += places
        else:
            made.append(item)
            given += needed
        axis += axes_used(item)
    return tuple(made), given


def _plain(index: Any) -> tuple[Any, ...]:
    """An index of integers, slices of such, None and ... as a key; an empty tuple for others."""
    if type(index) is not tuple:
        return _plain_part(index)
    parts = [_plain_part(part) for part in index]
    return () if () in parts else (tuple, *parts)


def _plain_part(part: Any) -> tuple[Any, ...]:
    kind = type(part)
    if kind is int:
        return kind, part
    if kind is slice:
        bounds = part.start, part.stop, part.step
        return bounds if _BOUNDS.issuperset(map(type, bounds)) else ()
    return (part,) if part is None or part is Ellipsis else ()


_BOUNDS = frozenset({int, type(None)})
_INTS = frozenset({int})


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


_INDICES: Sequence[Any] = (
    1, -1, slice(None, None, 2), slice(None, None, -1), slice(1, -1), (slice(None), 2),
    (Ellipsis, 0), (None, 1), (slice(0, 0),), np.array([2, 0, 2]),
    (np.array([0, 2]), np.array([1, 1])),
    (slice(None), np.array([[0, 1], [3, 3]])), (1, slice(None, 2)), (np.array([0, 1]), None, 2),
    np.array([True, False, True]), (np.array([[0], [2]]), slice(1, 3)),
)  # fmt: skip


# ---- public functions ------------------------------------------------------------------------
@public(
    topic="indexing", reference=lambda x, index: x[index],
    samples=lambda rng: [Sample((_x(3, 4),), {"index": i}) for i in _INDICES],
)  # fmt: skip
def getitem(x: Any, index: Any) -> Variable:
    """``x[index]`` with NumPy's rules: integers, slices, None, ``...``, integer or boolean arrays.

    Slice bounds and integers may be integer Variables. Raises IndexingError where an index can be
    seen to be out of range.

    >>> import graphad as ga
    >>> ga.matrix("x", shape=("n", 4))[1:, ::2].type
    float64[max(n - 1, 0), 2]
    """
    variable = as_variable(x)
    plain = _plain(index)
    if not plain:
        items, operands = _with_places(variable, *parse_index(variable, index))
        return _getitem(variable, *operands, index=items)
    key = variable.ndim, plain
    op = _taking.get(key)
    if op is None:
        op = _getitem.op(index=parse_index(variable, index)[0])
        if len(_taking) < KEPT:
            _taking[key] = op
    found: Variable = apply(op, (variable,))
    return found


@public(topic="indexing", reference=None, differentiable=False)
def getitem_by(x: Variable, index: tuple[Item, ...], operands: Sequence[Variable]) -> Variable:
    """``x[index]`` for an index in parsed form (the parameter of a getitem Op); for rules.

    >>> import graphad as ga
    >>> ga.ops.indexing.getitem_by(ga.vector("x", shape=(3,)), (("int", 0),), ()).type
    float64[]
    """
    return _getitem(x, *operands, index=index)


@public(topic="indexing", reference=None, differentiable=False)
def scatter_add(
    values: Variable, shape: Any, index: tuple[Item, ...], operands: Sequence[Variable]
) -> Variable:
    """Zeros of `shape` with `values` added at a parsed index; the transpose of getitem, for rules.

    >>> import graphad as ga
    >>> ga.ops.indexing.scatter_add(ga.constant(5.0), (3,), (("int", 1),), ()).eval()
    array([0., 5., 0.])
    """
    if not operands and type(shape) is tuple and _INTS.issuperset(map(type, shape)):
        key = shape, index
        op = _putting.get(key)
        if op is None:
            op = _unslice.op(shape=shape, index=index)
            if len(_putting) < KEPT:
                _putting[key] = op
        found: Variable = apply(op, (as_variable(values),))
        return found
    spec, sizes = size_spec(shape, "scatter_add")
    family = _scatter_add if is_advanced(index) else _unslice
    return family(as_variable(values), *sizes, *operands, shape=spec, index=index)


@public(np.take, topic="indexing", samples=lambda rng: [
    Sample((_x(3, 4),), {"indices": np.array([2, 0]), "axis": 0}),
    Sample((_x(3, 4),), {"indices": np.array([[5, 0], [11, 0]])}),
    Sample((_x(3, 4),), {"indices": 1, "axis": -1}),
    Sample((_x(3, 4),), {"indices": np.array([[-5, 2], [4, 3]]), "axis": 1, "mode": "wrap"}),
    Sample((_x(3, 4),), {"indices": np.array([-5, 2, 40]), "mode": "clip"})])  # fmt: skip
def take(
    a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Variable:
    """Elements at integer `indices` along `axis` (None: of the flattened array), as ``np.take``.

    mode: "raise" refuses indices out of range, "wrap" takes them modulo the size, "clip" the
    nearest place (negative ones become 0). Raises IndexingError, UseError for another mode.

    >>> import graphad as ga
    >>> ga.take(ga.constant([10, 20, 30]), [2, 0]).eval()
    array([30, 10])
    """
    refuse_out("take", out)
    variable = as_variable(a)
    if axis is None:
        return take(OPS["ravel"](variable), indices, 0, mode=mode)
    along = normalize_axis(axis, variable.ndim, "take")
    places = within(indices, variable.shape[along], mode, "take")
    return getitem(variable, (slice(None),) * along + (places,))


def within(indices: Any, size: Any, mode: str, name: str) -> Any:
    """Integer indices, brought into 0 … size - 1 as `mode` says; "raise" leaves them."""
    if mode not in ("raise", "wrap", "clip"):
        raise UseError(f"{name}: mode={mode!r}", remedy='use "raise", "wrap" or "clip"')
    if mode == "raise":
        return indices
    chosen = as_variable(indices)
    check_integer(chosen, f"{name}: the index")
    if mode == "wrap":
        return OPS["remainder"](chosen, size)
    return OPS["minimum"](OPS["maximum"](chosen, 0), size - 1)


@public(
    topic="indexing",
    reference=lambda x, labels, axis: np.take_along_axis(
        x, np.expand_dims(labels, axis), axis).squeeze(axis),
    samples=lambda rng: [Sample((_x(3, 4), np.array([1, 0, 3])), {"axis": 1})],
)  # fmt: skip
def pick(x: Any, labels: Any, axis: int = -1) -> Variable:
    """One element along `axis` for each position of the other axes: ``x[i, labels[i]]``.

    x (…, k), labels (…) of integers; the result has the shape (…).

    >>> import graphad as ga
    >>> ga.pick(ga.constant([[1.0, 2.0], [3.0, 4.0]]), [1, 0]).eval()
    array([2., 3.])
    """
    variable, chosen = as_variable(x), as_variable(labels)
    check_integer(chosen, "pick: labels")
    along = normalize_axis(axis, variable.ndim, "pick")
    rest = [size for i, size in enumerate(variable.shape) if i != along]
    index: list[Any] = []
    for i, size in enumerate(rest):
        grid = OPS["arange"](size)
        index.append(OPS["reshape"](grid, [size if j == i else 1 for j in range(len(rest))]))
    index.insert(along, chosen)
    return getitem(variable, tuple(index))
