"""Values of a step of a loop, and their views: other strides on the same memory.

Base of `steps.Steps`; method names with an underscore are those of NumPy's functions that formulas
of ops call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.codegen.loopsums import Reductions
from graphad.codegen.looptext import LoopText
from graphad.codegen.places import Formula, Number, Pair, Place
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import Builder, Scalar

Value = Place | Formula | Number | Pair


class At:
    """An index that is known when the loop runs: an i64 in a register."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def is_known(value: Any) -> bool:
    """Is an argument no `At`, and does it hold none?"""
    if isinstance(value, tuple | list):
        return all(map(is_known, value))
    if isinstance(value, slice):
        return is_known((value.start, value.stop, value.step))
    return not isinstance(value, At)


class Movements:
    """Values, where they are, and what only moves them."""

    def __init__(self, text: LoopText) -> None:
        self.text = text
        self.builder = Builder()
        self.operands: list[Place | Number] = []
        self.loads: dict[int, Scalar] = {}
        self.loops = Reductions(text, self.operands)
        self.scratch = 0  # bytes of temporaries

    # -- values --------------------------------------------------------------------------------
    def scalar(self, value: Any) -> Scalar | Any:
        """What stands for a value in formulas; Python numbers stay."""
        if isinstance(value, Formula):
            return value.root
        if isinstance(value, Place | Number):
            found = self.loads.get(id(value))
            if found is None:
                self.operands.append(value)
                found = self.builder.load(len(self.operands) - 1, value.dtype)
                self.loads[id(value)] = found
            return found
        return value

    def temporary(self, dtype: np.dtype, shape: Sequence[int]) -> Place:
        """Fresh memory."""
        size = max(1, int(np.prod(shape, dtype=int))) * dtype.itemsize
        start = self.scratch
        self.scratch += -(-size // 64) * 64
        base = self.text.put(f"getelementptr i8, ptr %scratch, i64 {start}")
        return Place(base, dtype, shape, "temporary")

    def place(self, value: Any) -> Place:
        """A value in memory."""
        if isinstance(value, Place):
            return value
        if isinstance(value, Number):
            made = self.temporary(value.dtype, ())
            self.text.store(value.name, made.base, value.dtype)
            return made
        if not isinstance(value, Formula):
            raise Unrecordable("a Python number as an array")
        made = self.temporary(value.root.dtype, value.shape)
        self.loops.elementwise(value, made)
        return made

    def fill(self, value: Any, target: Place) -> None:
        """Write a value to memory of the same sizes, in the dtype of that."""
        root = self.builder.cast(self.scalar(value), target.dtype)
        self.loops.elementwise(self.formula(root, target.shape), target)

    def computed(self, value: Any) -> Any:
        """A value that can be read several times: a formula is computed, now."""
        if not isinstance(value, Formula) or value.root.op in ("load", "const"):
            return value
        return self.place(value) if value.shape else self.number(value)

    def formula(self, root: Any, shape: Sequence[int]) -> Formula:
        """A formula of the size of what it is written to."""
        return Formula(root, shape)

    def number(self, value: Any) -> Number:
        """A single number in a register."""
        if isinstance(value, Number):
            return value
        if isinstance(value, Place):
            value = Formula(self.scalar(value), ())
        name = self.loops.value(value.root, self._at)
        return Number(name, value.root.dtype)

    def _at(self, place: Place) -> str:
        return self.text.at(place.base, place.dtype, place.offset, [])

    # -- views and movements -------------------------------------------------------------------
    def broadcast(self, value: Any, shape: Sequence[int]) -> Any:
        """The value stretched to a shape."""
        if isinstance(value, Number):
            return Formula(self.scalar(value), shape)
        if isinstance(value, Formula):
            if not self.loops.used(value.root) and all(n == 1 for n in value.shape):
                return Formula(value.root, shape)  # the same number everywhere
            value = self.place(value)
        lead = len(shape) - len(value.shape)
        strides = [0] * lead
        for size, stride, wanted in zip(value.shape, value.strides, shape[lead:], strict=True):
            if size not in (1, wanted):
                raise Unrecordable("shapes that do not fit")
            strides.append(0 if size != wanted else stride)
        return value.view(shape, strides)

    def _broadcast_to(self, x: Any, shape: Sequence[int]) -> Any:
        return self.broadcast(x, tuple(shape))

    def _reshape(self, x: Any, shape: Any) -> Any:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        count = int(np.prod(shape_of(x), dtype=int))
        if -1 in shape:
            known = -int(np.prod(shape, dtype=int))
            shape = tuple([count // known if n == -1 else n for n in shape])
        if isinstance(x, Number) or (isinstance(x, Formula) and not self.loops.used(x.root)):
            return Formula(self.scalar(x), shape)
        place = self.place(x)
        if not place.is_contiguous:
            lies = self.temporary(place.dtype, place.shape)
            self.fill(place, lies)
            place = lies
        return Place(place.base, place.dtype, shape, place.kind, None, place.offset)

    def _transpose(self, x: Any, axes: Sequence[int]) -> Place:
        place = self.place(x)
        return place.view([place.shape[a] for a in axes], [place.strides[a] for a in axes])

    def _expand_dims(self, x: Any, axis: Sequence[int]) -> Any:
        shape = list(shape_of(x))
        for a in sorted(axis):
            shape.insert(a, 1)
        return self._reshape_view(x, shape)

    def _squeeze(self, x: Any, axis: Sequence[int] | int) -> Any:
        gone = (axis,) if isinstance(axis, int) else axis
        return self._reshape_view(x, [n for a, n in enumerate(shape_of(x)) if a not in gone])

    def _reshape_view(self, x: Any, shape: Sequence[int]) -> Any:
        """Axes of size 1 put in or taken out."""
        if isinstance(x, Number) or (isinstance(x, Formula) and not self.loops.used(x.root)):
            return Formula(self.scalar(x), shape)
        place = self.place(x)
        strides = iter([s for n, s in zip(place.shape, place.strides, strict=True) if n != 1])
        return place.view(shape, [0 if n == 1 else next(strides) for n in shape])

    def _flip(self, x: Any, axis: Sequence[int]) -> Place:
        index = tuple([slice(None, None, -1 if a in axis else None)
                       for a in range(len(shape_of(x)))])  # fmt: skip
        return self._getitem(x, index)

    def _getitem(self, x: Any, index: Any) -> Place:
        place = self.place(x)
        entries = list(index) if isinstance(index, tuple) else [index]
        if not all(
            isinstance(e, int | At) or e is None or e is Ellipsis
            or (isinstance(e, slice) and is_known(e)) for e in entries
        ):  # fmt: skip
            raise Unrecordable("an index known at run time")
        taken = sum(e is not None and e is not Ellipsis for e in entries)
        fill = [slice(None)] * (len(place.shape) - taken)
        if Ellipsis in entries:
            at = next(k for k, e in enumerate(entries) if e is Ellipsis)
            entries[at : at + 1] = fill
        else:
            entries += fill
        shape: list[int] = []
        strides: list[int] = []
        found: list[tuple[str, int]] = []
        offset = axis = 0
        for entry in entries:
            if entry is None:
                shape.append(1)
                strides.append(0)
                continue
            size, stride = place.shape[axis], place.strides[axis]
            axis += 1
            if isinstance(entry, At):
                found.append((self.within(entry.name, size), stride))
                continue
            if isinstance(entry, int):
                if not -size <= entry < size:
                    raise Unrecordable("an index out of range")
                offset += (entry % size) * stride
                continue
            start, stop, step = entry.indices(size)
            count = len(range(start, stop, step))
            offset += start * stride if count else 0
            shape.append(count)
            strides.append(stride * step)
        if found:
            base = self.text.at(place.base, place.dtype, 0, found)
            place = Place(base, place.dtype, place.shape, place.kind, None, place.offset)
        return place.view(shape, strides, offset)

    def within(self, index: str, size: int) -> str:
        """The place that an index means along an axis; one that is out of range is an error."""
        t = self.text
        below = t.put(f"icmp slt i64 {index}, 0")
        turned = t.put(f"add i64 {index}, {size}")
        place = t.put(f"select i1 {below}, i64 {turned}, i64 {index}")
        wrong = t.put(f"icmp uge i64 {place}, {size}")
        self.fail(wrong)
        return t.put(f"select i1 {wrong}, i64 0, i64 {place}")

    def fail(self, condition: str) -> None:
        """Note that the loop is wrong where `condition` holds: Python runs it again, and raises
        what is to be raised."""
        t = self.text
        before = t.put(f"load i64, ptr {t.failure()}")
        flag = t.put(f"zext i1 {condition} to i64")
        t.do(f"store i64 {t.put(f'or i64 {before}, {flag}')}, ptr {t.failure()}")

    def known(self, value: Any) -> int | None:
        """The integer that a value is, if it is known now."""
        if isinstance(value, Formula) and value.root.op == "const":
            return int(np.frombuffer(value.root.extra, value.root.dtype)[0])
        return None

    # -- making --------------------------------------------------------------------------------
    def _filled(self, shape: Any, dtype: Any, value: float) -> Formula:
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        return Formula(self.builder.const(value, np.dtype(dtype or float)), sizes)

    def _zeros(self, shape: Any, dtype: Any = None) -> Formula:
        return self._filled(shape, dtype, 0)

    def _ones(self, shape: Any, dtype: Any = None) -> Formula:
        return self._filled(shape, dtype, 1)

    _empty = _zeros

    def _isneginf(self, x: Any) -> Formula:
        root = self.scalar(x)
        least = self.builder.const(-np.inf, root.dtype)
        return Formula(self.builder.make("eq", (root, least), np.dtype(bool)), shape_of(x))

    def _concatenate(self, parts: Sequence[Any], axis: int = 0) -> Place:
        shapes = [shape_of(p) for p in parts]
        whole = list(shapes[0])
        whole[axis] = sum([s[axis] for s in shapes])
        made = self.temporary(self._dtype(parts), whole)
        start = 0
        for part, shape in zip(parts, shapes, strict=True):
            window = made.view(shape, made.strides, start * made.strides[axis])
            self.fill(part, window)
            start += shape[axis]
        return made

    def _stack(self, parts: Sequence[Any], axis: int = 0) -> Place:
        return self._concatenate([self._reshape_view(p, _inserted(shape_of(p), axis))
                                  for p in parts], axis)  # fmt: skip

    def _dtype(self, parts: Sequence[Any]) -> np.dtype:
        return np.result_type(*[self.scalar(p).dtype for p in parts])

    def _as(self, value: Any, dtype: np.dtype) -> Formula:
        return Formula(self.builder.cast(self.scalar(value), dtype), shape_of(value))


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of a value; numbers have none."""
    return value.shape if isinstance(value, Place | Formula | Pair) else ()


def _inserted(shape: Sequence[int], axis: int) -> list[int]:
    found = list(shape)
    found.insert(axis, 1)
    return found
