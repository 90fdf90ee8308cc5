"""Elements of a step of a loop that arrays of integers pick: read, set, added to.

One loop over the joint shape of the index arrays, in their order: equal places add up, or are
written over, as NumPy does it. What a place in the index holds is a window of the array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.loopcomplex import Complexes, is_complex
from graphad.codegen.movements import At, Value, is_known, shape_of
from graphad.codegen.places import Place, aligned
from graphad.codegen.recording import Unrecordable
from graphad.codegen.vectors import literal

INT = np.dtype("int64")


class Picked:
    """``place[entries]``: `places` are the numbers, or arrays, that arrays in the index and
    integers beside them mean, with the size and stride of their axes; `window` are sizes and
    strides of the other axes, of which `start` come before the joint axes in the result."""

    def __init__(self, place: Place, entries: Sequence[Any]) -> None:
        self.base, self.dtype, self.kind, self.offset = (
            place.base, place.dtype, place.kind, place.offset,
        )  # fmt: skip
        self.places: list[tuple[Any, int, int]] = []
        self.window: list[tuple[int, int]] = []
        spots: list[int] = []
        axis = before = 0
        for spot, entry in enumerate(entries):
            if entry is None:
                self.window.append((1, 0))
                continue
            if axis >= len(place.shape):
                raise Unrecordable("too many indices")
            size, stride = place.shape[axis], place.strides[axis]
            axis += 1
            if isinstance(entry, slice) and is_known(entry):
                first, stop, step = entry.indices(size)
                count = len(range(first, stop, step))
                self.offset += first * stride if count else 0
                self.window.append((count, stride * step))
                continue
            if not isinstance(entry, int | At | Value):
                raise Unrecordable("an index known at run time")
            before = len(self.window) if not spots else before
            spots.append(spot)
            self.places.append((entry, size, stride))
        self.window += list(zip(place.shape[axis:], place.strides[axis:], strict=True))
        side_by_side = spots == list(range(spots[0], spots[0] + len(spots)))
        self.start = before if side_by_side else 0
        self.joint = np.broadcast_shapes(*[shape_of(p) for p, _, _ in self.places])
        kept = [n for n, _ in self.window]
        self.shape = (*kept[: self.start], *self.joint, *kept[self.start :])


class Picks(Complexes):
    """Views, and what arrays of integers pick."""

    def _array(self, x: Any) -> Place:
        made = self.temporary(self._dtype([x]), shape_of(x))
        self.fill(x, made)
        return made

    def _ascontiguousarray(self, x: Any) -> Any:
        return x

    def _getitem(self, x: Any, index: Any) -> Place:
        entries = list(index) if isinstance(index, tuple) else [index]
        if not any(isinstance(e, Value) for e in entries):
            return super()._getitem(x, index)
        source = self.place(x)
        picked = self.picked(source, entries)
        made = self.temporary(source.dtype, picked.shape)
        self.each(picked, made, self.fill)
        return made

    def put(self, target: Place, index: Any, given: Value, adds: bool) -> None:
        """``target[index] = given``, or what is there with `given` added."""
        entries = list(index) if isinstance(index, tuple) else [index]

        def write(window: Place, row: Any) -> None:
            added = zip(self.parts(window), self.parts(row), strict=True) if adds else ()
            for part, more in list(added)[: 2 if is_complex(window) else 1]:
                root = self.builder.make("add", (self.scalar(part), self.scalar(more)), part.dtype)
                self.fill(self.formula(root, part.shape), part)
            if not adds:
                self.fill(row, window)

        if target.dtype.kind == "c":
            value: Any = self.pair(given, target.dtype)
        else:
            value = self._as(given, target.dtype)
        if not any(isinstance(e, Value) for e in entries):
            window = super()._getitem(target, index)
            write(window, value if value.shape == window.shape else
                  self.broadcast(value, window.shape))  # fmt: skip
            return
        picked = self.picked(target, entries)
        stored = value if not value.shape else self.place(value)
        fits = self.broadcast(stored, picked.shape)
        self.each(picked, self.place(fits), write)

    def picked(self, place: Place, entries: Sequence[Any]) -> Picked:
        """See `Picked`."""
        kinds = [self._dtype([e]).kind for e in entries if isinstance(e, Value)]
        if any(kind not in "iu" for kind in kinds):
            raise Unrecordable("an index of truth values")
        found = Picked(place, entries)
        if any(size == 0 for _, size, _ in found.places):
            raise Unrecordable("elements of nothing")
        return found

    def each(self, picked: Picked, rows: Place, emit: Callable[[Place, Any], None]) -> None:
        """``emit(window of the array, window of rows)`` for every place of the index."""
        if not rows.size:
            return
        t, start, joint = self.text, picked.start, picked.joint
        fixed: list[tuple[str, int]] = []
        arrays: list[tuple[Place, int, int]] = []
        for entry, size, stride in picked.places:
            if isinstance(entry, int):
                name = literal(np.int64(entry))
            elif isinstance(entry, At):
                name = entry.name
            elif shape_of(entry):
                exact = isinstance(entry, Place) and entry.dtype == INT
                arrays.append((entry if exact else self.place(self._as(entry, INT)), size, stride))
                continue
            else:
                name = self.number(self._as(entry, INT)).name
            fixed.append((self.within(name, size), stride))
        ends = start + len(joint)
        along = rows.strides[start:ends]
        left = (*rows.strides[:start], *rows.strides[ends:])
        sizes = [n for n, _ in picked.window]
        index: list[str] = []

        def at_place() -> None:
            places = list(fixed)
            for array, size, stride in arrays:
                own = aligned(array, len(joint), joint)
                pairs = list(zip(index, own, strict=True))
                value = t.read(t.at(array.base, INT, array.offset, pairs), INT)
                places.append((self.within(value, size), stride))
            base = t.at(picked.base, picked.dtype, picked.offset, places)
            window = Place(base, picked.dtype, sizes, picked.kind, [s for _, s in picked.window])
            pairs = list(zip(index, along, strict=True))
            row = t.at(rows.base, rows.dtype, rows.offset, pairs)
            emit(window, Place(row, rows.dtype, sizes, rows.kind, left))

        def level(axis: int) -> None:
            if axis == len(joint):
                at_place()
                return

            def inside(i: str) -> None:
                index.append(i)
                level(axis + 1)
                index.pop()

            t.loop(joint[axis], inside)

        level(0)
