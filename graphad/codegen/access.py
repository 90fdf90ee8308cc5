"""How the loops of a kernel read and write arrays: vectors with a mask, single numbers, gathers,
and windows (an operand that has its place among zeros).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphad.codegen.loops import Loop
from graphad.codegen.scalars import BOOL
from graphad.codegen.vectors import Text, element
from graphad.ir.variable import Constant
from graphad.plan.group import Operand, Window


class Slots:
    """Where each parameter lies in the block of 64-bit numbers that the entry fills."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self.index.setdefault(name, len(self.index))


class Memory:
    """Loads and stores as LLVM text; parameters that are `known` are not read from the block."""

    def __init__(self, text: Text) -> None:
        self.text, self.slots = text, Slots()
        self.known: dict[str, str] = {}

    def parameter(self, name: str, kind: str = "i64") -> str:
        if name in self.known:
            return self.known[name]
        return self.text.put(f"load {kind}, ptr {self.at('%p', 8 * self.slots[name])}")

    def at(self, base: str, offset: str | int) -> str:
        """The address some bytes further on."""
        return self.text.put(f"getelementptr i8, ptr {base}, i64 {offset}")

    def element(self, base: str, dtype: np.dtype, j: str) -> str:
        """The address of the j-th number."""
        kind = "i8" if dtype == BOOL else element(dtype)
        return self.text.put(f"getelementptr {kind}, ptr {base}, i64 {j}")

    def number(self, pointer: str, dtype: np.dtype) -> str:
        """One number from memory in all lanes."""
        t = self.text
        if dtype == BOOL:
            byte = t.put(f"load i8, ptr {pointer}")
            return t.splat(t.put(f"icmp ne i8 {byte}, 0"), "i1")
        return t.splat(t.put(f"load {element(dtype)}, ptr {pointer}"), element(dtype))

    def _kind(self, dtype: np.dtype) -> tuple[str, str, int]:
        """Type in memory, its suffix in names, alignment."""
        kind = "i8" if dtype == BOOL else element(dtype)
        short = {"double": "f64", "float": "f32"}.get(kind, kind)
        return self.text.vector(kind), f"v{self.text.lanes}{short}", dtype.itemsize

    def mask(self, count: str, j: str) -> str:
        """Which lanes lie inside the row."""
        t = self.text
        left = t.put(f"sub i64 {count}, {j}")
        some = t.put(f"icmp ult i64 {left}, {self.text.lanes}")
        bound = t.put(f"select i1 {some}, i64 {left}, i64 {self.text.lanes}")
        bound = t.splat(t.put(f"trunc i64 {bound} to i32"), "i32")
        return t.put(f"icmp ugt {t.vector('i32')} {bound}, {self.lanes('i32')}")

    def masked_load(self, place: str, dtype: np.dtype, mask: str) -> str:
        """A vector, zero where the mask is false: nothing is read there."""
        t = self.text
        vector, suffix, align = self._kind(dtype)
        bools, name = t.vector("i1"), f"llvm.masked.load.{suffix}.p0"
        t.declared[name] = f"declare {vector} @{name}(ptr, i32, {bools}, {vector})"
        got = t.put(f"call {vector} @{name}(ptr {place}, i32 {align}, {bools} {mask}, "
                    f"{vector} zeroinitializer)")  # fmt: skip
        return t.put(f"icmp ne {vector} {got}, zeroinitializer") if dtype == BOOL else got

    def gather(self, places: str, dtype: np.dtype, mask: str) -> str:
        """A vector from a vector of addresses, zero where the mask is false."""
        t = self.text
        vector, suffix, align = self._kind(dtype)
        bools, pointers = t.vector("i1"), t.vector("ptr")
        name = f"llvm.masked.gather.{suffix}.v{t.lanes}p0"
        t.declared[name] = f"declare {vector} @{name}({pointers}, i32, {bools}, {vector})"
        got = t.put(f"call {vector} @{name}({pointers} {places}, i32 {align}, {bools} {mask}, "
                    f"{vector} zeroinitializer)")  # fmt: skip
        return t.put(f"icmp ne {vector} {got}, zeroinitializer") if dtype == BOOL else got

    def masked_store(self, place: str, dtype: np.dtype, value: str, mask: str) -> None:
        t = self.text
        vector, suffix, align = self._kind(dtype)
        if dtype == BOOL:
            value = t.put(f"zext {t.vector('i1')} {value} to {vector}")
        bools, name = t.vector("i1"), f"llvm.masked.store.{suffix}.p0"
        t.declared[name] = f"declare void @{name}({vector}, ptr, i32, {bools})"
        t.do(f"call void @{name}({vector} {value}, ptr {place}, i32 {align}, {bools} {mask})")

    def load(self, place: str, dtype: np.dtype) -> str:
        """A whole vector of a scratch row."""
        t = self.text
        vector, _, align = self._kind(dtype)
        got = t.put(f"load {vector}, ptr {place}, align {align}")
        return t.put(f"icmp ne {vector} {got}, zeroinitializer") if dtype == BOOL else got

    def store(self, place: str, dtype: np.dtype, value: str) -> None:
        """A whole vector into a scratch row."""
        t = self.text
        vector, _, align = self._kind(dtype)
        if dtype == BOOL:
            value = t.put(f"zext {t.vector('i1')} {value} to {vector}")
        t.do(f"store {vector} {value}, ptr {place}, align {align}")

    def lanes(self, kind: str) -> str:
        """0, 1, 2, …"""
        return f"<{', '.join([f'{kind} {i}' for i in range(self.text.lanes)])}>"


class Reader:
    """The operands of a loop nest: `row` finds where they begin, the rest reads them."""

    def __init__(self, memory: Memory, loop: Loop) -> None:
        self.memory, self.loop, self.group = memory, loop, loop.group
        self.pointers: dict[int, str] = {}
        self.outside: dict[int, str] = {}  # of windows on outer axes: is the row within them?
        self.offsets: dict[int, str] = {}  # of windows on the inner axis: its first place in them

    def is_strided(self, operand: Operand) -> bool:
        """Does it run along the inner loop in steps that are not one?"""
        strided = self.group.loose.get(operand.variable) == "strided"
        return strided and self.is_vector(operand)

    def is_vector(self, operand: Operand) -> bool:
        """Does it hold several numbers along the inner loop?"""
        return any(a is not None and a >= self.group.inner for a in operand.axes)

    def once(self, i: int) -> str:
        """A number that is the same everywhere."""
        pointer = self.memory.parameter(f"operand{i}", "ptr")
        return self.memory.number(pointer, self.loop.operands[i].variable.dtype)

    # -- a row ---------------------------------------------------------------------------------
    def row(self, places: Sequence[str], first: str) -> None:
        """At a place on the outer axes; `first`: the place on the inner axis where j is 0."""
        for i, operand in enumerate(self.loop.operands):
            if operand.along:
                self._begin(i, operand, places, first)

    def _begin(self, i: int, operand: Operand, places: Sequence[str], first: str) -> None:
        t, memory = self.memory.text, self.memory
        here, within = list(places), ""
        inner = [w for w in operand.windows if w.axis >= self.group.inner]
        for window in operand.windows:
            if window not in inner:
                inside, here[window.axis] = self._outer(i, window, here[window.axis])
                within = t.put(f"and i1 {within}, {inside}") if within else inside
        if within:
            self.outside[i] = within
        if isinstance(operand.variable, Constant) and not operand.variable.ndim:
            pointer = ""
        else:
            pointer = moved(memory, f"operand{i}", here)
        for window in inner:
            start = memory.parameter(f"operand{i}.start{window.axis}")
            self.offsets[i] = t.put(f"sub i64 {first}, {start}")
            if self.is_vector(operand):
                back = t.put(f"mul i64 {start}, {self._step(i, operand)}")
                pointer = memory.at(pointer, t.put(f"sub i64 0, {back}"))
        self.pointers[i] = pointer

    def _outer(self, i: int, window: Window, place: str) -> tuple[str, str]:
        """Does the window hold this place on an outer axis? And the place within it."""
        t = self.memory.text
        start = self.memory.parameter(f"operand{i}.start{window.axis}")
        extent = self.memory.parameter(f"operand{i}.extent{window.axis}")
        within = t.put(f"sub i64 {place}, {start}")
        return t.put(f"icmp ult i64 {within}, {extent}"), within

    def _step(self, i: int, operand: Operand) -> str:
        if self.is_strided(operand):
            return self.memory.parameter(f"operand{i}.step")
        return str(operand.variable.dtype.itemsize)

    def number(self, i: int) -> str:
        """The number of a row in all lanes; 0 outside of a window."""
        t, operand = self.memory.text, self.loop.operands[i]
        variable = operand.variable
        if isinstance(variable, Constant) and not variable.ndim:
            value = t.constant(variable.dtype.type(variable.value[()]))
            if i not in self.outside:
                return value
            zero, kind = t.constant(variable.dtype.type(0)), t.type(variable.dtype)
            return t.put(f"select i1 {self.outside[i]}, {kind} {value}, {kind} {zero}")
        pointer = self.pointers[i]
        if i in self.outside:
            pointer = t.put(
                f"select i1 {self.outside[i]}, ptr {pointer}, ptr @graphad_zero"
            )  # fmt: skip
        return self.memory.number(pointer, variable.dtype)

    def is_number(self, i: int) -> bool:
        """Is it one number for each row, in a window on the inner axis?"""
        operand = self.loop.operands[i]
        return not self.is_vector(operand) and any(
            w.axis >= self.group.inner for w in operand.windows)  # fmt: skip

    # -- a vector ------------------------------------------------------------------------------
    def vector(self, i: int, j: str, mask: str, number: str) -> str:
        """The numbers at j, j + 1, …; `number` is that of the row, where there is only one."""
        t, operand = self.memory.text, self.loop.operands[i]
        dtype, bools = operand.variable.dtype, t.vector("i1")
        for window in operand.windows:
            if window.axis >= self.group.inner:
                mask = self._within(i, window, j, mask)
        if self.is_number(i):
            zero, kind = t.constant(dtype.type(0)), t.type(dtype)
            return t.put(f"select {bools} {mask}, {kind} {number}, {kind} {zero}")
        if i in self.outside:
            mask = t.put(f"and {bools} {mask}, {t.splat(self.outside[i], 'i1')}")
        if not self.is_strided(operand):
            place = self.memory.element(self.pointers[i], dtype, j)
            return self.memory.masked_load(place, dtype, mask)
        step = self.memory.parameter(f"operand{i}.step")
        base = self.memory.at(self.pointers[i], t.put(f"mul i64 {j}, {step}"))
        many = t.vector("i64")
        offsets = t.put(f"mul {many} {t.splat(step, 'i64')}, {self.memory.lanes('i64')}")
        places = t.put(f"getelementptr i8, ptr {base}, {many} {offsets}")
        return self.memory.gather(places, dtype, mask)

    def _within(self, i: int, window: Window, j: str, mask: str) -> str:
        t = self.memory.text
        extent = t.splat(self.memory.parameter(f"operand{i}.extent{window.axis}"), "i64")
        first = t.splat(t.put(f"add i64 {j}, {self.offsets[i]}"), "i64")
        many = t.vector("i64")
        places = t.put(f"add {many} {first}, {self.memory.lanes('i64')}")
        inside = t.put(f"icmp ult {many} {places}, {extent}")
        return t.put(f"and {t.vector('i1')} {mask}, {inside}")


def moved(memory: Memory, name: str, places: Sequence[str]) -> str:
    """Where the row of an operand or result begins, at a place on the outer axes."""
    t, offset = memory.text, "0"
    if memory.known:  # the only row
        return memory.parameter(name, "ptr")
    for axis, place in enumerate(places):
        stride = memory.parameter(f"{name}.stride{axis}")
        step = t.put(f"mul i64 {place}, {stride}")
        offset = step if offset == "0" else t.put(f"add i64 {offset}, {step}")
    return memory.at(memory.parameter(name, "ptr"), offset)
