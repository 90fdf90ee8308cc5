"""Changed copies: what ``x[index] = v`` and ``x[index] += v`` would make of a copy of x.

`index_set` and `index_add` are primitives, linear in x and in v. An index that names a place
several times is worked off in order, as NumPy's ``ufunc.at`` does: of values that are set the last
wins, and the derivative flows to that one only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import Declared, fill_sizes, fit, public, size_spec
from graphad.ir.families.grids import stacked_index
from graphad.ir.families.indexing import (
    Item,
    index_text,
    result_shape,
    with_operands,
)
from graphad.ir.families.movement import zeros_for
from graphad.ir.families.stacks import size_operand, spread, stack_size
from graphad.ir.op import MASKED, OPS, Sample
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.indexing import parse_index
from graphad.ops.shape import checked_broadcast

Index = tuple[Item, ...]


def may_repeat(index: Sequence[Item]) -> bool:
    """Can the index name a place twice? Slices, integers and masks cannot."""
    return any(item[0] == "array" for item in index)


def _ordered(xp: Any, arrays: Sequence[Any]) -> list[Any]:
    """The arrays in C order: NumPy works off an index in the order of its memory."""
    return [xp.ascontiguousarray(array) if array.ndim > 1 else array for array in arrays]


def _known_region(sizes: Sequence[Any], index: Index, arrays: Sequence[Any]) -> Any:
    """The shape of ``x[index]``; None where it depends on values, or on sizes not known yet."""
    shapes = [sizes, *[array.shape for array in arrays]]
    if any(item[0] == "mask" or "?" in item for item in index):
        return None
    if not all([isinstance(n, int) for shape in shapes for n in shape]):
        return None
    return result_shape(tuple(sizes), index, iter([TensorType(int, s) for s in shapes[1:]]))


# ---- primitives ------------------------------------------------------------------------------
class IndexUpdate(Declared):
    """A copy of x that is changed at ``[index]`` by v; operands x, v, what the index reads."""

    def __init__(self, name: str, hazard: int = 0, adds: bool = False) -> None:
        super().__init__(name)
        self.hazard, self.adds = hazard, adds

    memoise = False

    def at(self, params: Mapping[str, Any]) -> str:
        """The index, in brackets."""
        return index_text(params["index"])

    def label(self, params: Mapping[str, Any]) -> str:
        return self.name + self.at(params)

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        x, v = types[:2]
        region = result_shape(x.shape, params["index"], iter(types[2:]))
        try:
            checked_broadcast(v.shape, region)
        except ShapeError as error:
            hint = "named sizes match only themselves and 1; " if "named" in error.remedy else ""
            raise ShapeError(
                f"{self.name}: values of shape {shape_text(v.shape)} for x{self.at(params)}, "
                f"which has the shape {shape_text(region)}",
                remedy=f"{hint}give values that broadcast to it",
            ) from None
        return (x,)

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        x, v, *rest = operands
        rows = stack_size(operands, batched)
        found = stacked_index(node.op.params["index"], rest, batched[2:], rows)
        if found is None:
            return None
        x = x if batched[0] else spread(x, rows)
        return [self(x, found.from_rows(v, batched[1]), *found.operands, index=found.items)]

    def cuts(self, position: int) -> bool:
        return position > 1

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if tangents[0] is None and tangents[1] is None:
            return [None]
        moved = [
            zeros_for(v) if t is None else t
            for t, v in zip(tangents[:2], node.inputs[:2], strict=True)
        ]
        return [self(*moved, *node.inputs[2:], **node.op.params)]


class IndexSet(IndexUpdate):
    """``y = x; y[index] = v``.  x̄ = ȳ with zeros at the index;  v̄ = ȳ[index] where v won."""

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        x, v, *rest = arrays
        if may_repeat(params["index"]):
            v, *rest = _ordered(xp, [v, *rest])
        total = xp.array(x)
        total[with_operands(params["index"], rest)] = v
        return total if x.ndim else total[()]

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        received: list[Variable | None] = [None] * len(node.inputs)
        g, (x, v, *operands), index = cotangents[0], node.inputs, node.op.params["index"]
        if g is None:
            return received
        if wanted[0]:
            received[0] = fit(self(g, np.zeros((), g.dtype), *operands, index=index), x)
        if wanted[1]:
            there = OPS["getitem_by"](g, index, operands)
            if may_repeat(index):
                there = OPS["where"](winners(x.shape, index, operands), there, 0)
            received[1] = fit(there, v)
        return received


class IndexAdd(IndexUpdate):
    """``y = x; y[index] += v``, equal places add up.  x̄ = ȳ;  v̄ = ȳ[index]."""

    changes_first = True

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        x, v, *rest = arrays
        total = xp.array(x)
        if may_repeat(params["index"]):
            v, *rest = _ordered(xp, [v, *rest])
            xp.add.at(total, with_operands(params["index"], rest), v)
        else:
            index = with_operands(params["index"], rest)
            total[index] = xp.add(total[index], v)
        return total if x.ndim else total[()]

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        received: list[Variable | None] = [None] * len(node.inputs)
        g, (x, v, *operands) = cotangents[0], node.inputs
        if g is not None:
            received[0] = fit(g, x) if wanted[0] else None
            there = OPS["getitem_by"](g, node.op.params["index"], operands)
            received[1] = fit(there, v) if wanted[1] else None
        return received


class Winners(Declared):
    """Is this the last of all elements of ``x[index]`` at its place? Operands: sizes, index."""

    memoise = False

    def _split(self, params: Mapping[str, Any]) -> int:
        return sum(not isinstance(size, int) for size in params["shape"])

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        operands: Iterator[TensorType] = iter(types[self._split(params) :])
        return (TensorType(bool, result_shape(params["shape"], params["index"], operands)),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        split = self._split(params)
        sizes, items = fill_sizes(params["shape"], arrays[:split]), params["index"]
        last = xp.zeros(sizes, np.dtype(np.intp))
        index = with_operands(items, _ordered(xp, arrays[split:]))
        region = _known_region(sizes, items, arrays[split:])
        region = last[index].shape if region is None else region
        number = xp.reshape(xp.arange(math.prod(region)), region)
        last[index] = number
        return xp.equal(last[index], number)

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        params, split = node.op.params, self._split(node.op.params)
        rows = stack_size(operands, batched)
        found = stacked_index(params["index"], operands[split:], batched[split:], rows)
        if found is None or any(batched[:split]):
            return None
        size, extra = size_operand(rows)
        shape = (size, *params["shape"])
        return [found.to_rows(
            self(*extra, *operands[:split], *found.operands, shape=shape, index=found.items)
        )]  # fmt: skip

    def cuts(self, position: int) -> bool:
        return True


_set = IndexSet("index_set", hazard=MASKED)
_add = IndexAdd("index_add", adds=True)
_winners = Winners("index_winners")


def winners(shape: Shape, index: Index, operands: Sequence[Variable]) -> Variable:
    """Where an index that may repeat itself stands for the last time."""
    spec, sizes = size_spec(shape, "index_set")
    found: Variable = _winners(*sizes, *operands, shape=spec, index=index)
    return found


# ---- arguments -------------------------------------------------------------------------------
def parsed(x: Any, index: Any) -> tuple[Variable, Index, list[Variable]]:
    """x as a Variable, and the index in parsed form with its operands."""
    variable = as_variable(x)
    items, operands = parse_index(variable, index)
    return variable, items, operands


def value_like(values: Any, x: Variable, name: str, casting: Any = "same_kind") -> Variable:
    """`values` in the dtype of x; Python numbers adapt. DTypeError where that loses too much."""
    kinds = {bool: "biufc", int: "iufc", float: "fc", complex: "c"}
    if x.dtype.kind in kinds.get(type(values), ""):
        try:
            return as_variable(np.asarray(values, x.dtype))
        except OverflowError as error:
            raise DTypeError(
                f"{name}: {values} does not fit into {x.dtype}", remedy="convert x first"
            ) from error
    found = as_variable(values)
    lossy = found.dtype.kind == "c" and x.dtype.kind != "c"
    if lossy or not np.can_cast(found.dtype, x.dtype, casting):
        raise DTypeError(
            f"{name}: values of dtype {found.dtype} for an array of {x.dtype}",
            cause="the result has the dtype of the array",
            remedy="convert the array first: x.astype(...).at[index]…, or the values",
        )
    return found if found.dtype == x.dtype else found.astype(x.dtype)


def region_of(x: Variable, items: Index, operands: Sequence[Variable]) -> Variable:
    """``x[index]`` for a parsed index."""
    found: Variable = OPS["getitem_by"](x, items, operands)
    return found


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


INDICES: Sequence[Any] = (
    1, (slice(None), 2), (slice(None, None, -2), slice(1, 3)), np.array([2, 0, 2]),
    (np.array([[0], [2]]), np.array([1, -3, 1])), (Ellipsis, None, np.array([3, 3])),
    np.array([True, False, True]), (np.array([False, True, True]), slice(None), None),
)  # fmt: skip


def update_samples(rng: np.random.Generator, low: float = -2.0, high: float = 2.0) -> list[Sample]:
    """An array, an index of each kind, and as many values, all in an interval."""
    array = rng.uniform(low, high, (3, 4))
    return [
        Sample((array,), {"index": i}, {"values": rng.uniform(low, high, array[i].shape)})
        for i in INDICES
    ] + [Sample((array,), {"index": np.array([2, 0, 2])}, {"values": rng.uniform(low, high, 4)})]


def by_ufunc(ufunc: Any) -> Callable[..., Any]:
    """What ``ufunc.at`` makes of a copy; no cast that ``x[:] += values`` would refuse."""

    def reference(x: Any, index: Any, values: Any) -> Any:
        changed = np.array(x, order="C")
        result = ufunc.resolve_dtypes((x.dtype, x.dtype, None))[2]
        if not all(np.can_cast(d, x.dtype, "same_kind") for d in (values.dtype, result)):
            raise TypeError("values that do not fit into the dtype of x")
        ufunc.at(changed, index, values.astype(x.dtype))
        return changed

    return reference


def _set_reference(x: Any, index: Any, values: Any) -> Any:
    if np.iscomplexobj(values) and not np.iscomplexobj(x):
        raise TypeError("complex values for a real array")
    changed = np.array(x, order="C")
    changed[index] = values
    return changed


# ---- public functions ------------------------------------------------------------------------
@public(topic="indexing", reference=_set_reference, samples=update_samples)
def index_set(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` with `values` at `index`, what ``x[index] = values`` would make of it.

    ``x.at[index].set(values)`` is the same. The index is what NumPy takes; `values` broadcast to
    ``x[index]`` and are converted to the dtype of x. Where places repeat the last value wins, and
    the derivative flows to it alone; what is overwritten has the derivative 0, whatever it is.
    Raises ShapeError for values that do not fit, DTypeError for complex values in a real array.

    >>> import graphad as ga
    >>> ga.index_set(ga.constant([1.0, 2.0, 3.0]), [0, 0], [7.0, 8.0]).eval()
    array([8., 2., 3.])
    """
    variable, items, operands = parsed(x, index)
    given = value_like(values, variable, "index_set", "unsafe")
    region = result_shape(variable.type.shape, items, iter([v.type for v in operands]))
    while given.ndim > len(region) and given.type.shape[0] == 1:  # as NumPy's assignments
        given = OPS["squeeze"](given, 0)
    made: Variable = _set(variable, given, *operands, index=items)
    return made


@public(topic="indexing", reference=by_ufunc(np.add), samples=update_samples)
def index_add(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` with `values` added at `index`, as ``np.add.at``: equal places add up.

    ``x.at[index].add(values)`` is the same; see `index_set` for index and values.

    >>> import graphad as ga
    >>> ga.index_add(ga.constant([1.0, 2.0, 3.0]), [0, 0], [7.0, 8.0]).eval()
    array([16.,  2.,  3.])
    """
    variable, items, operands = parsed(x, index)
    made: Variable = _add(
        variable, value_like(values, variable, "index_add"), *operands, index=items
    )
    return made


@public(topic="indexing", reference=by_ufunc(np.subtract), samples=update_samples)
def index_subtract(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` with `values` subtracted at `index`, as ``np.subtract.at``.

    ``x.at[index].subtract(values)`` is the same; see `index_set` for index and values.

    >>> import graphad as ga
    >>> ga.index_subtract(ga.constant([1.0, 2.0, 3.0]), [0, 0], 1.0).eval()
    array([-1.,  2.,  3.])
    """
    variable = as_variable(x)
    return index_add(variable, index, -value_like(values, variable, "index_subtract"))


def _apply_reference(x: Any, index: Any, function: Any) -> Any:
    changed = np.array(x, order="C")
    there = function(changed[index])
    if not np.can_cast(there.dtype, x.dtype, "same_kind"):
        raise TypeError("a result that does not fit into the dtype of x")
    changed[index] = there
    return changed


@public(
    topic="indexing", reference=_apply_reference,
    samples=lambda rng: [Sample((_x(3, 4),), {"index": i, "function": np.square})
                         for i in INDICES],
)  # fmt: skip
def index_apply(x: Any, index: Any, function: Callable[[Any], Any]) -> Variable:
    """A copy of `x` with ``function(x[index])`` at `index`.

    ``x.at[index].apply(function)`` is the same. The function gets a Variable and returns one that
    broadcasts to its shape; it is applied once, also where places repeat.
    Raises DTypeError where the result does not fit into the dtype of x (floats into integers).

    >>> import graphad as ga
    >>> ga.constant([1.0, 4.0, 9.0]).at[1:].apply(ga.sqrt).eval()
    array([1., 2., 3.])
    """
    variable, items, operands = parsed(x, index)
    if not callable(function):
        raise UseError(f"index_apply: {function!r} is no function", remedy="use index_set")
    changed = function(region_of(variable, items, operands))
    made: Variable = _set(
        variable, value_like(changed, variable, "index_apply"), *operands, index=items
    )
    return made
