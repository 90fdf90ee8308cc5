"""Indexing: ``x[index]`` and its transpose, adding into an array of zeros at ``[index]``.

An index is a tuple of items, each a tuple itself, stored as the parameter `index`:

    ("slice", start, stop, step)   bounds are ints or None; "?" is read from an operand
    ("int", i)                     i may be "?"
    ("new",)                       numpy.newaxis
    ("array",)                     an integer array, read from an operand
    ("mask", ndim)                 a boolean array, read from an operand

Ellipses are expanded and missing axes filled before an Op is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import IndexingError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Declared, broadcast_shapes, fill_sizes, fit
from graphad.ir.families.grids import stacked_index
from graphad.ir.families.stacks import size_operand, stack_size
from graphad.ir.op import OPS
from graphad.ir.sizes import slice_length
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Apply, Variable

Item = tuple
ADVANCED = ("array", "mask")


def is_advanced(index: Sequence[Item]) -> bool:
    """Does the index hold arrays (NumPy's advanced indexing)?"""
    return any(item[0] in ADVANCED for item in index)


def operand_count(item: Item) -> int:
    """How many operands an item reads."""
    return 1 if item[0] in ADVANCED else sum(part == "?" for part in item[1:])


def axes_used(item: Item) -> int:
    """How many axes of the array an item takes."""
    return item[1] if item[0] == "mask" else 0 if item[0] == "new" else 1


def with_operands(index: Sequence[Item], operands: Sequence[Any]) -> tuple[Any, ...]:
    """The index that NumPy takes, with operands put where the items say so."""
    rest = iter(operands)

    def bound(value: Any) -> Any:
        return next(rest).item() if value == "?" else value

    made: list[Any] = []
    for item in index:
        if item[0] == "slice":
            made.append(slice(bound(item[1]), bound(item[2]), bound(item[3])))
        elif item[0] == "int":
            made.append(bound(item[1]))
        elif item[0] == "new":
            made.append(None)
        else:
            made.append(next(rest))
    return tuple(made)


def index_text(index: Sequence[Item]) -> str:
    """The index in NumPy's notation, · for what is read from an operand.

    >>> index_text((("slice", 1, None, None), ("new",), ("array",)))
    '[1:, None, ·]'
    """
    shown = []
    for item in index:
        bounds = ["" if b is None else "·" if b == "?" else str(b) for b in item[1:]]
        if item[0] == "slice":
            shown.append(":".join(bounds if bounds[2] else bounds[:2]))
        else:
            shown.append("None" if item[0] == "new" else bounds[0] if item[0] == "int" else "·")
    return f"[{', '.join(shown)}]"


def result_shape(shape: Shape, index: Sequence[Item], operands: Iterator[TensorType]) -> Shape:
    """The shape of ``x[index]``; IndexingError where sizes known now are exceeded."""
    advanced: list[Shape] = []
    places: list[int] = []
    out: list[Size] = []
    axis = 0
    mixed = is_advanced(index)
    for position, item in enumerate(index):
        kind = item[0]
        if kind == "new":
            out.append(1)
        elif kind == "slice":
            bounds: list[Any] = [next(operands) and "?" if b == "?" else b for b in item[1:]]
            unknown = "?" in bounds
            out.append(Dim.anonymous() if unknown else slice_length(shape[axis], *bounds))
            axis += 1
        elif kind == "int":
            _check_bounds(item[1], shape[axis], axis)
            if item[1] == "?":
                next(operands)
            if mixed:
                advanced.append(())
                places.append(position)
            axis += 1
        else:
            found = next(operands)
            if kind == "mask":
                _check_mask(found.shape, shape[axis : axis + item[1]], axis)
            advanced.append((Dim.anonymous(),) if kind == "mask" else found.shape)
            places.append(position)
            out += [("advanced",)] if len(advanced) == 1 else []  # type: ignore[list-item]
            axis += item[1] if kind == "mask" else 1
        if kind == "int" and mixed and len(advanced) == 1:
            out.append(("advanced",))  # type: ignore[arg-type]
    if not mixed:
        return tuple(out)
    joint = broadcast_shapes("indexing", advanced)
    contiguous = places == list(range(places[0], places[-1] + 1))
    start = out.index(("advanced",)) if contiguous else 0  # type: ignore[arg-type]
    kept = [size for size in out if size != ("advanced",)]
    return (*kept[:start], *joint, *kept[start:])


def _check_mask(mask: Shape, covered: Shape, axis: int) -> None:
    for i, (a, b) in enumerate(zip(mask, covered, strict=True)):
        if isinstance(a, int) and isinstance(b, int) and a != b:
            raise IndexingError(
                f"a mask of shape {mask} on axes of shape {covered}: {a} against {b} elements "
                f"along axis {axis + i}",
                remedy="a boolean index has the sizes of the axes that it selects from",
            )


def _check_bounds(i: Any, size: Size, axis: int) -> None:
    if isinstance(i, int) and isinstance(size, int) and not -size <= i < size:
        raise IndexingError(
            f"index {i} is out of bounds for axis {axis} with size {size}",
            remedy=f"use an index from {-size} to {size - 1}" if size else "the axis is empty",
        )


class GetItem(Declared):
    """``x[index]``; operands are x and what the index reads. Parameter: index."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.memoise = False

    def label(self, params: Mapping[str, Any]) -> str:
        return self.name + index_text(params["index"])

    def views(self, params: Mapping[str, Any]) -> bool:
        return not is_advanced(params["index"])

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        x = types[0]
        return (x.with_shape(result_shape(x.shape, params["index"], iter(types[1:]))),)

    def flops(self, node: Apply) -> Size:
        return 0  # it moves elements

    def joins(self, node: Apply) -> Sequence[Sequence[Shape]]:
        return [[v.type.shape for v in node.inputs[1:]]]  # the indices

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return arrays[0][with_operands(params["index"], arrays[1:])]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        x, *rest = operands
        rows = x.shape[0] if batched[0] else None
        found = stacked_index(node.op.params["index"], rest, batched[1:], rows)
        if found is None:
            return None
        return [found.to_rows(OPS["getitem_by"](x, found.items, found.operands))]

    def cuts(self, position: int) -> bool:
        return position > 0

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        x, *operands = node.inputs
        received: list[Variable | None] = [None] * len(node.inputs)
        if cotangents[0] is not None and wanted[0]:
            scattered = OPS["scatter_add"](
                cotangents[0], x.shape, node.op.params["index"], operands
            )
            received[0] = fit(scattered, x)
        return received

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if tangents[0] is None:
            return [None]
        return [self(tangents[0], *node.inputs[1:], **node.op.params)]


class ScatterAdd(Declared):
    """Zeros of shape `shape` with the operand added at ``[index]``; equal places add up.

    Declared twice: for slices and integers, and (with the hazard MASKED: it selects) for arrays.

    Operands: values, sizes that `shape` leaves open, what the index reads.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0].with_shape(params["shape"]),)

    def __init__(self, name: str, hazard: int = 0) -> None:
        super().__init__(name)
        self.hazard = hazard

    def label(self, params: Mapping[str, Any]) -> str:
        return self.name + index_text(params["index"])

    def _open_sizes(self, params: Mapping[str, Any]) -> int:
        return sum(not isinstance(size, int) for size in params["shape"])

    def flops(self, node: Apply) -> Size:
        return node.inputs[0].type.size  # each is added

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        split = 1 + self._open_sizes(params)
        shape = fill_sizes(params["shape"], arrays[1:split])
        index = with_operands(params["index"], arrays[split:])
        total = xp.zeros(shape, arrays[0].dtype)
        if is_advanced(params["index"]):
            xp.add.at(total, index, arrays[0])
        else:
            total[index] = arrays[0]
        return total

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        params, split = node.op.params, 1 + self._open_sizes(node.op.params)
        if any(batched[1:split]):
            return None
        rows = stack_size(operands, batched)
        found = stacked_index(params["index"], operands[split:], batched[split:], rows)
        if found is None:
            return None
        size, extra = size_operand(rows)
        family: Any = OPS.families["scatter_add" if is_advanced(found.items) else "unslice"]
        values = found.from_rows(operands[0], batched[0])
        return [family(values, *extra, *operands[1:split], *found.operands,
                       shape=(size, *params["shape"]), index=found.items)]  # fmt: skip

    def cuts(self, position: int) -> bool:
        return position > 0

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        received: list[Variable | None] = [None] * len(node.inputs)
        if cotangents[0] is not None:
            operands = node.inputs[1 + self._open_sizes(node.op.params) :]
            gathered = OPS["getitem_by"](cotangents[0], node.op.params["index"], operands)
            received[0] = fit(gathered, node.inputs[0])
        return received

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if tangents[0] is None:
            return [None]
        return [self(tangents[0], *node.inputs[1:], **node.op.params)]


# ---- from what the user writes to items ------------------------------------------------------
def check_integer(value: Any, what: str) -> None:
    """IndexingError unless the Variable holds integers or booleans."""
    if isinstance(value, Variable) and value.dtype.kind not in "iub":
        raise IndexingError(
            f"{what} has dtype {value.dtype}; an index holds integers or booleans",
            remedy="convert it: index.astype('int64')",
        )


def as_python_int(value: Any) -> int | None:
    """A Python or NumPy integer as int, else None."""
    if isinstance(value, bool | np.bool_):
        return None
    return int(value) if isinstance(value, int | np.integer) else None
