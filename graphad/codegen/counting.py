"""Where a row lies on each outer axis of a loop nest. Rows follow each other, so that the places
are counted on: a division for each axis would take longer than a short row itself."""

from __future__ import annotations

from graphad.codegen.access import Memory


class Position:
    """The place of the current row on each of `count` outer axes, outermost first; in stack
    memory, which LLVM turns into registers."""

    def __init__(self, memory: Memory, count: int) -> None:
        self.memory, self.text, self.count = memory, memory.text, count

    def declare(self) -> None:
        for axis in range(self.count if self.count > 1 else 0):
            self.text.do(f"%place{axis} = alloca i64")

    def start(self, row: str) -> None:
        """At any row: of a chunk the first."""
        t, rest = self.text, row
        if self.count == 1:
            return
        for axis in reversed(range(1, self.count)):
            size = self.memory.parameter(f"size{axis}")
            t.do(f"store i64 {t.put(f'urem i64 {rest}, {size}')}, ptr %place{axis}")
            rest = t.put(f"udiv i64 {rest}, {size}")
        t.do(f"store i64 {rest}, ptr %place0")

    def read(self, row: str) -> list[str]:
        if self.count == 1:
            return [row]
        return [self.text.put(f"load i64, ptr %place{axis}") for axis in range(self.count)]

    def advance(self) -> None:
        """To the next row: what is full begins again, and the axis before it goes on."""
        t, carry = self.text, "1"
        for axis in reversed(range(self.count if self.count > 1 else 0)):
            place = t.put(f"load i64, ptr %place{axis}")
            place = t.put(f"add i64 {place}, {carry}")
            if axis:
                size = self.memory.parameter(f"size{axis}")
                full = t.put(f"icmp uge i64 {place}, {size}")
                place = t.put(f"select i1 {full}, i64 0, i64 {place}")
                carry = t.put(f"zext i1 {full} to i64")
            t.do(f"store i64 {place}, ptr %place{axis}")
