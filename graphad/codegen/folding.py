"""Kernels of groups with a product in them: each piece is worked on while it is in the cache.

Called as ``kernel(a, b, operands…, results…)`` with matrices, or stacks of them. It computes
c = a b piece by piece, in the memory of a result if it may (`Group.place`), and runs the group's
nest over every piece when that is made. True: all is done. False: another product is better for
these sizes, and nothing has been written; ``kernel(None, c, operands…, results…)`` does the rest.

    i32 @after(ptr %p, ptr %made, i64 %down, i64 %piece, i64 %line, i64 %stack,
               i64 %row, i64 %rows, i64 %column, i64 %columns)

runs the nest over a piece, as `gemmtext` calls it: with the parameters of the whole, moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphad.codegen.entry import Entry
from graphad.codegen.gemm import DONE, LEFT, symbol
from graphad.codegen.nest import Nest
from graphad.codegen.objects import PLAINLY
from graphad.codegen.vectors import Text
from graphad.ir.variable import Variable
from graphad.plan.fold import COLUMNS, LOW, ROWS, SHALLOW, SHORTEST, WIDE, needs_rows
from graphad.plan.group import Group, Operand

NEAR = 128  # columns; of fewer, what is read in a row often waits for what was just written
MOST = 1 << 14  # pieces with sums of their own, which lie on the stack
COST = 4  # multiplications that take as long as one instruction of the nest


def multiplied(group: Group) -> Any:
    """What its kernel depends on besides the loops: the product, by its operand and its ranks."""
    if group.product is None:
        return None
    return position(group), tuple([v.ndim for v in group.product.inputs])


def position(group: Group) -> int:
    """Which of the operands the product is."""
    assert group.product is not None
    made = group.product.output(0)
    return next(i for i, v in enumerate(group.arguments) if v is made)


class Folded(Entry):
    """Writes the entry of such a kernel, and the function for one piece.

    is_dense: all arrays lie in C order, so that rows may be joined where there are no pieces:
    where c is given, or its rows are so short that it is made first.
    """

    def __init__(
        self, nest: Nest, name: str, layout: Mapping[str, int], is_dense: bool,
        cache: bool | str = False,
    ) -> None:  # fmt: skip
        super().__init__(nest, name, layout)
        self.is_dense = is_dense
        group = nest.group
        assert group.product is not None
        self.factors, self.product = group.product.inputs, group.product.output(0)
        a, b = [v.ndim for v in self.factors]
        self.symbol = symbol(self.product.dtype, a, b, cache)
        self.made = position(group)
        self.after = f"after.{name}"
        numbers = ", ".join(["i64"] * 3)
        self.text.declared[self.symbol] = f"declare i32 @{self.symbol}({'ptr, ' * 6}{numbers})"
        self.text.declared["PyBool_FromLong"] = "declare ptr @PyBool_FromLong(i64)"

    def argument(self, place: int) -> str:
        """The operands and results begin after a and b; the product is none of them."""
        return super().argument(place + (2 if place < self.made else 1))

    def write(self) -> list[str]:
        return [*super().write(), *self.piece()]

    # -- what is given -------------------------------------------------------------------------
    def _operands(self) -> dict[str, str]:
        """First the sizes of the product: of a and b, or of c itself."""
        t = self.text
        self.first, self.second = (self.field("%arguments", 8 * i) for i in range(2))
        self.given = self.alone = t.put(f"icmp eq ptr {self.first}, @_Py_NoneStruct")
        group, self.place = self.nest.group, "null"
        if group.place is not None:
            self.place = self.field(self.argument(len(group.arguments) + group.place),
                                    self.layout["data"])  # fmt: skip
        first = t.put(f"select i1 {self.given}, ptr {self.second}, ptr {self.first}")
        sizes = [self.field(one, self.layout["sizes"]) for one in (first, self.second)]
        strides = self.field(self.second, self.layout["strides"])
        (a, b), rank = [v.ndim for v in self.factors], self.product.ndim
        rows = self._chosen(sizes[0], rank - 2, a - 2)
        columns = self._chosen(sizes[1], rank - 1, b - 1)
        self.inner = self._chosen(sizes[0], rank - 1, a - 1)
        self.along = self._chosen(strides, rank - 1, b - 1)
        if rank == 3:
            stack = self._chosen(sizes[0 if a == 3 else 1], 0, 0)
            self._size(0, stack)
        self._size(rank - 2, rows)
        self._size(rank - 1, columns)
        return super()._operands()

    def _chosen(self, base: str, given: int, multiplied: int) -> str:
        """A number of an array with the product, or of a factor."""
        t = self.text
        offset = t.put(f"select i1 {self.given}, i64 {8 * given}, i64 {8 * multiplied}")
        return t.put(f"load i64, ptr {t.put(f'getelementptr i8, ptr {base}, i64 {offset}')}")

    def _object(self, variable: Variable, place: int) -> tuple[str, str, str]:
        return ("", "", "") if place == self.made else super()._object(variable, place)

    def _operand(
        self, i: int, operand: Operand, pointer: str, sizes: str, strides: str
    ) -> dict[str, str]:
        """The product lies in C order."""
        if operand.variable is not self.product:
            return super()._operand(i, operand, pointer, sizes, strides)
        t, name, rank = self.text, f"operand{i}", self.product.ndim
        self.c = name
        lies = self.field(self.second, self.layout["data"])
        if self.place != "null":
            lies = t.put(f"select i1 {self.given}, ptr {lies}, ptr {self.place}")
        step, fields = str(self.product.dtype.itemsize), {name: lies}
        for axis in reversed(range(rank - 1)):
            step = t.put(f"mul i64 {step}, {self.sizes[axis + 1]}")
            fields[f"{name}.stride{axis}"] = step
        return fields

    # -- pieces --------------------------------------------------------------------------------
    def _chunks(self, elements: str) -> str:
        """With a and b: as many as there are pieces; each line of them has sums of columns."""
        t, own = self.text, super()._chunks(elements)
        rank = self.product.ndim
        rows, columns = self.sizes[rank - 2], self.sizes[rank - 1]
        few = t.put(f"icmp ule i64 {self.inner}, {SHALLOW}")
        straight = t.put(f"icmp eq i64 {self.along}, {self.product.dtype.itemsize}")
        low = t.put(f"and i1 {few}, {straight}")
        width = self._smaller(columns, str(WIDE))
        height = t.put(f"mul i64 {self._rounded(str(WIDE), width)}, {LOW}")
        height = self._smaller(height, str(ROWS))
        self.most_rows = t.put(f"select i1 {low}, i64 {height}, i64 {ROWS}")
        self.most_columns = t.put(f"select i1 {low}, i64 {WIDE}, i64 {COLUMNS}")
        lines = self._rounded(rows, self.most_rows)
        pieces = t.put(f"mul i64 {lines}, {self._rounded(columns, self.most_columns)}")
        if rank == 3:
            pieces = t.put(f"mul i64 {pieces}, {self.sizes[0]}")
        self.few = t.put(f"icmp ule i64 {pieces}, {MOST}")
        pieces = t.put(f"select i1 {self.few}, i64 {pieces}, i64 {MOST}")
        if self.is_dense:
            own = self._joined(elements)
        if self.apart:
            self.apart = t.put(f"and i1 {self.apart}, {self.alone}")
        self.parts = t.put(f"select i1 {self.alone}, i64 {self.parts}, i64 {lines}")
        return t.put(f"select i1 {self.alone}, i64 {own}, i64 {pieces}")

    def _lies(self) -> str:
        """Where c is computed: null where that is memory of its own."""
        t = self.text
        if self.place == "null":
            return self.place
        apart = t.put(f"icmp uge i64 {self.sizes[self.product.ndim - 1]}, {NEAR}")
        there = t.put(f"or i1 {apart}, {self.alone}")
        return t.put(f"select i1 {there}, ptr {self.place}, ptr null")

    def _smaller(self, a: str, b: str) -> str:
        t = self.text
        return t.put(f"select i1 {t.put(f'icmp ult i64 {a}, {b}')}, i64 {a}, i64 {b}")

    def _joined(self, elements: str) -> str:
        """How many chunks there are where rows are joined, see `is_dense`."""
        t = self.text
        short = t.put(f"icmp ult i64 {self.sizes[self.product.ndim - 1]}, {SHORTEST}")
        self.alone = t.put(f"or i1 {self.given}, {short}")
        length, rows = self._cut(elements)
        self.length = t.put(f"select i1 {self.alone}, i64 {length}, i64 {self.length}")
        self.rows = t.put(f"select i1 {self.alone}, i64 {rows}, i64 {self.rows}")
        self.per_chunk = t.put(f"select i1 {self.alone}, i64 1, i64 {self.per_chunk}")
        return rows

    def _set(self, name: str, kind: str, value: str) -> None:
        """Joined rows: only the last of the outer axes is left."""
        if self.is_dense:
            t, (head, _, part) = self.text, name.partition(".")
            last = self.nest.outer - 1
            joined = ""
            if name == f"size{last}":
                joined = self.rows
            elif part.startswith("stride") and value != "0":
                joined = "0"
                if part == f"stride{last}":
                    joined = t.put(f"mul i64 {self.length}, {self._itemsize(head)}")
            if joined:
                value = t.put(f"select i1 {self.alone}, i64 {joined}, i64 {value}")
        super()._set(name, kind, value)

    def _run(self, elements: str, chunks: str) -> None:
        """The product and the nest for each piece; or the nest alone, where c is made."""
        t, group = self.text, self.nest.group
        t.do(f"br i1 {self.given}, label %given, label %multiply")
        t.label("multiply")
        fits = self.few if self.nest.totals else "true"
        if needs_rows(group):
            columns = self.sizes[self.product.ndim - 1]
            whole = t.put(f"icmp ule i64 {columns}, {self.most_columns}")
            fits = t.put(f"and i1 {fits}, {whole}")
        if self.is_dense and self.place == "null":
            fits = t.put(f"and i1 {fits}, {t.put(f'xor i1 {self.alone}, true')}")
        t.do(f"br i1 {fits}, label %fitting, label %left")
        t.label("fitting")
        after = t.put(f"select i1 {self.alone}, ptr null, ptr @{self.after}")
        place = self._lies()
        extra = t.put(f"mul i64 {elements}, {COST * max(1, self.nest.weight)}")
        how = t.put(f"call i32 @{self.symbol}(ptr %self, ptr {self.first}, ptr {self.second}, "
                    f"ptr {place}, ptr {after}, ptr %p, i64 {extra}, "
                    f"i64 {self.most_rows}, i64 {self.most_columns})")  # fmt: skip
        cases = f"i32 {DONE}, label %multiplied i32 {LEFT}, label %left"
        t.do(f"switch i32 {how}, label %error [ {cases} ]")
        t.label("multiplied")
        t.do(f"br i1 {self.alone}, label %given, label %done")
        t.label("left")
        self._release()
        t.do(f"ret ptr {t.put('call ptr @PyBool_FromLong(i64 0)')}")
        t.label("error")
        self._release()
        t.do("ret ptr null")
        t.label("given")
        super()._run(elements, chunks)

    def finish(self) -> None:
        """Return True."""
        self.text.do(f"ret ptr {self.text.put('call ptr @PyBool_FromLong(i64 1)')}")

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
        elements = t.put("mul i64 %rows, %columns")
        values = {"rows": "%rows", "length": "%columns", "elements": elements,
                  "per_chunk": "%rows", f"size{nest.outer - 1}": "%rows"}  # fmt: skip
        for i, operand in enumerate(nest.loop.operands):
            if operand.variable is not self.product:
                values[f"operand{i}"] = self._begin(t, f"operand{i}", self._along(i))
        values |= {self.c: "%made", f"{self.c}.stride{nest.outer - 1}": "%down"}
        last = len(nest.group.frame) - 1
        for i, result in enumerate(nest.group.results):
            step = str(result.variable.dtype.itemsize) if last in result.axes else ""
            values[f"result{i}"] = self._begin(t, f"result{i}", step)
        for store in nest.columns:
            name = f"result{store.position}"
            moved = self._moved(t, values[name], "%line", self._read(t, f"{name}.bytes"))
            values[name] = moved
        for i in range(len(nest.totals)):
            begin = self._read(t, f"partial{i}", "ptr")
            values[f"partial{i}"] = self._moved(t, begin, "%piece", "8")
        for name, value in values.items():
            if name in slots and value:
                pointer = "." not in name and name.startswith(("operand", "result", "partial"))
                kind = "ptr" if pointer else "i64"
                t.do(f"store {kind} {value}, ptr {self._slot(t, '%q', name)}")
        t.do(f"ret i32 {t.put(f'call i32 @{nest.name}(ptr %q, i64 0, i64 1)')}")
        given = ("ptr %p, ptr %made, i64 %down, i64 %piece, i64 %line, i64 %stack, "
                 "i64 %row, i64 %rows, i64 %column, i64 %columns")  # fmt: skip
        return [f"define internal i32 @{self.after}({given}) {PLAINLY} {{", *t.lines, "}"]

    def _begin(self, t: Text, name: str, step: str) -> str:
        """Where an operand or result begins for a piece."""
        if name not in self.nest.slots.index:
            return ""
        begin = self._read(t, name, "ptr")
        for axis, place in enumerate(["%row"] if self.nest.outer == 1 else ["%stack", "%row"]):
            if f"{name}.stride{axis}" in self.nest.slots.index:
                begin = self._moved(t, begin, place, self._read(t, f"{name}.stride{axis}"))
        if step == "step":
            step = self._read(t, f"{name}.step")
        return self._moved(t, begin, "%column", step) if step else begin

    def _along(self, i: int) -> str:
        """Bytes from one column of an operand to the next; "step": they are a parameter."""
        operand = self.nest.loop.operands[i]
        if not self.nest.reader.is_vector(operand):
            return ""
        return "step" if self.nest.reader.is_strided(operand) else str(
            operand.variable.dtype.itemsize)  # fmt: skip

    def _read(self, t: Text, name: str, kind: str = "i64") -> str:
        return t.put(f"load {kind}, ptr {self._slot(t, '%p', name)}")

    def _slot(self, t: Text, base: str, name: str) -> str:
        return t.put(f"getelementptr i8, ptr {base}, i64 {8 * self.nest.slots.index[name]}")

    @staticmethod
    def _moved(t: Text, base: str, place: str, step: str) -> str:
        return t.put(f"getelementptr i8, ptr {base}, i64 {t.put(f'mul i64 {place}, {step}')}")
