"""Indices for stacks of arrays: what of ``x[index]`` changes when operands are stacks of rows.

An index array that is a stack meets the right row of x by one more index array, the numbers of the
rows, shaped so that it broadcasts along the new axis 0. NumPy puts the axes of several index
arrays where the first one stands, or in front if something stands between them: `order` says
where each axis of (rows, …x[index]…) is found in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.ir.families.stacks import lifted
from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.records import Record

Item = tuple
ARRAYS = ("array", "mask")
EVERY_ROW = ("slice", None, None, None)


class StackedIndex(Record):
    """An index for stacks: items, operands, and the order of axes (see the module)."""

    items: tuple[Item, ...]
    operands: tuple[Variable, ...]
    order: tuple[int, ...]

    def to_rows(self, region: Variable) -> Variable:
        """What the index took from a stack, with the axis of the rows first."""
        if self.order == tuple(range(len(self.order))):
            return region
        found: Variable = OPS["transpose"](region, self.order)
        return found

    def from_rows(self, values: Variable, batched: bool) -> Variable:
        """Values for the region of one row, or of each, as the index takes them."""
        ndim = len(self.order) - 1
        if self.order == tuple(range(ndim + 1)):
            return lifted(values, ndim) if batched else values
        missing = tuple(range(ndim + 1 - values.ndim))
        full = lifted(values, ndim) if batched else OPS["expand_dims"](values, missing)
        back = tuple([self.order.index(i) for i in range(ndim + 1)])
        found: Variable = OPS["transpose"](full, back)
        return found


def stacked_index(
    index: Sequence[Item], operands: Sequence[Variable], batched: Sequence[bool], rows: Any
) -> StackedIndex | None:
    """The index for a stack of arrays; `batched` says which operands are stacks as well.

    rows: their number; None if the array itself is no stack, the same for each row.
    None as a result: the rows may differ in shape (masks, bounds of slices that are stacks).
    """
    taken, later = [], iter(zip(operands, batched, strict=True))
    for item in index:
        count = 1 if item[0] in ARRAYS else sum([part == "?" for part in item[1:]])
        taken.append([next(later) for _ in range(count)])
    varies = [any([b for _, b in given]) for given in taken]
    if any([v and item[0] in ("slice", "mask") for v, item in zip(varies, index, strict=True)]):
        return None
    shape = _Places(index, [[v.ndim - b for v, b in given] for given in taken], any(varies))
    if not any(varies):
        assert rows is not None
        order = _moved(shape.joint, 0, shape.ndim + 1) if shape.apart else range(shape.ndim + 1)
        return StackedIndex((EVERY_ROW, *index), tuple(operands), tuple(order))
    items: list[Item] = []
    given_operands: list[Variable] = []
    for item, given, changed in zip(index, taken, varies, strict=True):
        items.append(("array",) if changed else item)
        given_operands += [lifted(v, shape.joint) if b else v for v, b in given]
    if rows is None:
        order = _moved(shape.start, 0, shape.ndim + 1)
    else:
        numbers = OPS["arange"](rows)
        trailing = tuple(range(1, shape.joint + 1))
        items.insert(0, ("array",))
        given_operands.insert(0, OPS["expand_dims"](numbers, trailing) if trailing else numbers)
        kept = [*range(shape.joint + 1, shape.ndim + 1)]
        joint = [*range(1, shape.joint + 1)]
        order = (0, *kept[: shape.start], *joint, *kept[shape.start :])
    return StackedIndex(tuple(items), tuple(given_operands), tuple(order))


def _moved(source: int, target: int, count: int) -> tuple[int, ...]:
    """The axes 0 … count - 1, one of them at another place."""
    axes = [a for a in range(count) if a != source]
    axes.insert(target, source)
    return tuple(axes)


class _Places:
    """Where the axes of ``x[index]`` come from: `joint` of them from arrays, found at `start`;
    `ndim` in all; `apart`: something stands between the arrays, and theirs are in front."""

    def __init__(self, index: Sequence[Item], ranks: Sequence[Sequence[int]], mixed: bool) -> None:
        mixed = mixed or any([item[0] in ARRAYS for item in index])
        places, kept_before, kept, self.joint = [], [], 0, 0
        for place, (item, given) in enumerate(zip(index, ranks, strict=True)):
            if item[0] in ARRAYS or (item[0] == "int" and mixed):
                places.append(place)
                kept_before.append(kept)
                rank = 1 if item[0] == "mask" else given[0] if item[0] == "array" else 0
                self.joint = max(self.joint, rank)
            elif item[0] != "int":
                kept += 1
        self.ndim = kept + self.joint
        self.apart = bool(places) and places != list(range(places[0], places[-1] + 1))
        self.start = kept_before[0] if places and not self.apart else 0
