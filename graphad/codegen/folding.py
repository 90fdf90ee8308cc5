"""Kernels of groups with a product in them: each piece is worked on while it is in the cache.

Called as ``kernel(a, b, operands…, results…)`` with matrices, or stacks of them. It computes
c = a b in the memory of a result and runs the group's nest over every piece of c when that is
made. True: all is done. False: BLAS is better for these sizes, and nothing has been written; after
``matmul(a, b, out=c)`` the call ``kernel(None, c, operands…, results…)`` does the rest.

    i32 @after0(ptr %p, i64 %stack, i64 %row, i64 %rows, i64 %column, i64 %columns)

runs the nest over such a piece: its parameters are those of the whole, moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphad.codegen.entry import Entry
from graphad.codegen.gemm import DONE, FAILED, LEFT, symbol
from graphad.codegen.nest import Nest
from graphad.codegen.objects import PLAINLY
from graphad.codegen.vectors import Text
from graphad.plan.group import Group

COST = 4  # multiplications that take as long as one instruction of the nest


def multiplied(group: Group) -> Any:
    """What its kernel depends on besides the loops: the product, by its operand and its ranks."""
    if group.product is None:
        return None
    place = position(group)
    return place, tuple([v.ndim for v in group.product.inputs])


def position(group: Group) -> int:
    """Which of the operands the product is."""
    assert group.product is not None
    made = group.product.output(0)
    return next(i for i, v in enumerate(group.arguments) if v is made)


class Folded(Entry):
    """Writes the entry of such a kernel, and the function for one piece."""

    def __init__(
        self, nest: Nest, name: str, layout: Mapping[str, int], cache: bool | str = False
    ) -> None:
        super().__init__(nest, name, layout)
        group = nest.group
        assert group.product is not None
        a, b = group.product.inputs
        self.symbol = symbol(a.dtype, a.ndim, b.ndim, cache)
        self.made = position(group)
        self.place = len(group.arguments) + group.place
        self.after = f"after.{name}"
        self.text.declared[self.symbol] = (
            f"declare i32 @{self.symbol}(ptr, ptr, ptr, ptr, ptr, ptr, i64)"
        )

    def argument(self, place: int) -> str:
        """The operands and results begin after a and b; the product lies in a result."""
        place = self.place if place == self.made else place
        return super().argument(place + (2 if place < self.made else 1))

    def write(self) -> list[str]:
        return [*super().write(), *self.piece()]

    def _run(self, elements: str, chunks: str) -> None:
        """The product and the nest for each piece; or the nest alone, where c is made."""
        t = self.text
        t.declared["PyBool_FromLong"] = "declare ptr @PyBool_FromLong(i64)"
        a, b = (self.field("%arguments", 8 * i) for i in range(2))
        t.do(f"br i1 {t.put(f'icmp eq ptr {a}, @_Py_NoneStruct')}, label %given, label %multiply")
        t.label("multiply")
        extra = t.put(f"mul i64 {elements}, {COST * max(1, self.nest.weight)}")
        c = self.argument(self.made)
        how = t.put(f"call i32 @{self.symbol}(ptr %self, ptr {a}, ptr {b}, ptr {c}, "
                    f"ptr @{self.after}, ptr %p, i64 {extra})")  # fmt: skip
        cases = f"i32 {DONE}, label %finished i32 {LEFT}, label %left i32 {FAILED}, label %error"
        t.do(f"switch i32 {how}, label %unfit [ {cases} ]")
        for label, value in (("finished", 1), ("left", 0)):
            t.label(label)
            t.do(f"ret ptr {t.put(f'call ptr @PyBool_FromLong(i64 {value})')}")
        t.label("error")
        t.do("ret ptr null")
        t.label("given")
        super()._run(elements, chunks)

    def piece(self) -> list[str]:
        """The function for one piece."""
        nest, slots = self.nest, self.nest.slots.index
        t = Text(1, self.text.declared)
        t.declared["llvm.memcpy.p0.p0.i64"] = (
            "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
        )
        t.label("start")
        size = 8 * len(slots)
        t.do(f"%q = alloca i8, i64 {size}, align 8")
        t.do(f"call void @llvm.memcpy.p0.p0.i64(ptr %q, ptr %p, i64 {size}, i1 false)")
        steps = {f"operand{i}": self._along(i) for i in range(len(nest.loop.operands))}
        steps |= {f"result{i}": str(result.variable.dtype.itemsize)
                  for i, result in enumerate(nest.group.results)}  # fmt: skip
        places = ["%row"] if nest.outer == 1 else ["%stack", "%row"]
        for name, step in steps.items():
            if name not in slots:
                continue
            at = self._slot(t, "%p", name)
            begin = t.put(f"load ptr, ptr {at}")
            for axis, place in enumerate(places):
                if f"{name}.stride{axis}" in slots:
                    stride = t.put(f"load i64, ptr {self._slot(t, '%p', f'{name}.stride{axis}')}")
                    begin = self._moved(t, begin, place, stride)
            if step == "step":
                step = t.put(f"load i64, ptr {self._slot(t, '%p', f'{name}.step')}")
            if step:
                begin = self._moved(t, begin, "%column", step)
            t.do(f"store ptr {begin}, ptr {self._slot(t, '%q', name)}")
        elements = t.put("mul i64 %rows, %columns")
        sizes = {"rows": "%rows", "length": "%columns", "elements": elements,
                 "per_chunk": "%rows", f"size{nest.outer - 1}": "%rows"}  # fmt: skip
        for name, value in sizes.items():
            if name in slots:
                t.do(f"store i64 {value}, ptr {self._slot(t, '%q', name)}")
        t.do(f"ret i32 {t.put(f'call i32 @{nest.name}(ptr %q, i64 0, i64 1)')}")
        given = "ptr %p, i64 %stack, i64 %row, i64 %rows, i64 %column, i64 %columns"
        return [f"define internal i32 @{self.after}({given}) {PLAINLY} {{", *t.lines, "}"]

    def _along(self, i: int) -> str:
        """Bytes from one column of an operand to the next; "step": they are a parameter."""
        operand = self.nest.loop.operands[i]
        if not self.nest.reader.is_vector(operand):
            return ""
        return "step" if self.nest.reader.is_strided(operand) else str(
            operand.variable.dtype.itemsize)  # fmt: skip

    def _slot(self, t: Text, base: str, name: str) -> str:
        return t.put(f"getelementptr i8, ptr {base}, i64 {8 * self.nest.slots.index[name]}")

    @staticmethod
    def _moved(t: Text, base: str, place: str, step: str) -> str:
        return t.put(f"getelementptr i8, ptr {base}, i64 {t.put(f'mul i64 {place}, {step}')}")
