"""The entry of a kernel: a C function of Python objects that checks arrays and runs the nest.

It is a METH_FASTCALL function, called as ``kernel(operands…, results…)``: operands are arrays in
C order (numbers for operands without axes) but for those that the group reads with strides,
results are fresh arrays. Sizes are compared; where they do not fit, or an array does not lie as
expected, it raises `Unfit` and nothing has been written.

Many elements are worked on without the interpreter lock; more still are handed to
``self.share(nest, parameters, chunks)``, which divides the chunks among threads.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphad.codegen.counted import Counted
from graphad.codegen.nest import BLOCK, CHUNK, Nest
from graphad.codegen.objects import ALIGNED, IN_ORDER, PLAINLY, Objects
from graphad.codegen.scalars import BOOL
from graphad.codegen.vectors import Text, element, identity, literal
from graphad.ir.variable import Variable
from graphad.plan.group import Axes, Operand

RELEASE = 20_000  # elements × weight from which the interpreter lock is released
SHARE = 1_000_000  # elements × weight from which threads share the work
MOST_CHUNKS = 4096
COLUMN_CHUNKS = 8  # each has a row of sums of its own
WHOLE = 1 << 18  # elements that belong to the same sums: up to so many stay in one chunk


class Entry(Objects):
    """Writes the entry ``name(self, arguments, count)`` for a nest."""

    def __init__(self, nest: Nest, name: str, layout: Mapping[str, int]) -> None:
        super().__init__(Text(1, nest.text.declared), layout)
        self.nest, self.name = nest, name
        self.sizes: dict[int, str] = {
            axis: str(size) for axis, size in enumerate(nest.group.frame) if isinstance(size, int)
        }
        self.counted = Counted(self.text)
        self.apart = ""  # do the sums over outer axes of two chunks go to different places?
        self.parts = "1"

    def write(self) -> list[str]:
        t = self.text
        t.label("start")
        t.do(f"%p = alloca [{len(self.nest.slots.index) + 8} x i64], align 8")
        fields = self._operands()
        fields |= self._results(len(self.nest.group.arguments))
        if any(not v.ndim for v in self.nest.group.arguments):
            self.no_numbers()
        fields |= self._starts()
        self._geometry()
        elements = self._elements()
        empty = t.put(f"icmp eq i64 {elements}, 0")
        bad = t.put(f"or i1 {self.bad}, {empty}")
        t.do(f"br i1 {bad}, label %unfit, label %fit")
        t.label("fit")
        chunks = self._chunks(elements)
        self._parameters(fields, chunks)
        self._run(elements, chunks)
        self._finish(chunks)
        self.finish()
        t.label("unfit")
        self.refuse()
        plainly = "" if self.nest.columns else f" {PLAINLY}"  # these are added up here, in loops
        head = f"define ptr @{self.name}(ptr %self, ptr %arguments, i64 %count){plainly} {{"
        return [head, t.lines[0], *self.counted.counters, *t.lines[1:], "}"]

    # -- reading objects -----------------------------------------------------------------------
    def _operands(self) -> dict[str, str]:
        """The pointer and strides of each operand, by the names of parameters."""
        places: dict[Variable, int] = {v: i for i, v in enumerate(self.nest.group.arguments)}
        read: dict[Variable, tuple[str, str, str]] = {}

        def found(variable: Variable) -> tuple[str, str, str]:
            if variable not in read:
                read[variable] = self._object(variable, places[variable])
            return read[variable]

        fields: dict[str, str] = {}
        for i, operand in enumerate(self.nest.loop.operands):
            for axis, size in operand.sizes:
                self._size(axis, self.text.put(f"load i64, ptr {found(size)[0]}"))
            if operand.variable in places:
                fields |= self._operand(i, operand, *found(operand.variable))
            fields |= {f"operand{i}.extent{w.axis}": "1" for w in operand.windows
                       if w.position is None}  # fmt: skip
        return fields

    def _operand(
        self, i: int, operand: Operand, pointer: str, sizes: str, strides: str
    ) -> dict[str, str]:
        name, inner = f"operand{i}", self.nest.group.inner
        fields = {name: pointer}
        for position, axis in enumerate(operand.axes):
            if axis is not None and axis in operand.covers:
                self._size(axis, self.field(sizes, 8 * position, "i64"))
            if axis is not None and axis >= inner and operand.variable in self.nest.group.loose:
                fields[f"{name}.step"] = self.field(strides, 8 * position, "i64")
                if self.nest.group.loose[operand.variable] == "rows":
                    size = operand.variable.dtype.itemsize
                    self.wrong(self.text.put(f"icmp ne i64 {fields[f'{name}.step']}, {size}"))
        for window in operand.windows:
            if window.position is not None:
                extent = self.field(sizes, 8 * window.position, "i64")
                fields[f"{name}.extent{window.axis}"] = extent
        return fields | self._strides(name, operand.axes, strides)

    def _starts(self) -> dict[str, str]:
        """Where the windows of operands begin, now that all sizes are known."""
        t = self.text
        fields: dict[str, str] = {}
        for i, operand in enumerate(self.nest.loop.operands):
            for window in operand.windows:
                start = str(window.start)
                if window.start < 0:
                    start = t.put(f"add i64 {self.sizes[window.axis]}, {start}")
                    below = t.put(f"icmp slt i64 {start}, 0")
                    start = t.put(f"select i1 {below}, i64 0, i64 {start}")
                fields[f"operand{i}.start{window.axis}"] = start
        return fields

    def _object(self, variable: Variable, place: int) -> tuple[str, str, str]:
        """(data, sizes, strides) of an argument; a number is put into memory."""
        one = self.argument(place)
        if not variable.ndim:
            return self.number(one, variable.dtype), "", ""
        return self.array(one, ALIGNED if variable in self.nest.group.loose else IN_ORDER)

    def _size(self, axis: int, size: str) -> None:
        if axis in self.sizes:
            self.wrong(self.text.put(f"icmp ne i64 {size}, {self.sizes[axis]}"))
        else:
            self.sizes[axis] = size

    def _results(self, first: int) -> dict[str, str]:
        fields: dict[str, str] = {}
        for i, result in enumerate(self.nest.group.results):
            one = self.argument(first + i)
            fields[f"result{i}"] = self.field(one, self.layout["data"])
            strides = self.field(one, self.layout["strides"])
            fields |= self._strides(f"result{i}", result.axes, strides)
        return fields

    def _strides(self, name: str, axes: Axes, strides: str) -> dict[str, str]:
        """Bytes from one row to the next along each outer axis; a flat nest has chunks."""
        if self.nest.is_flat:
            return {f"{name}.stride0": "flat" if any(a is not None for a in axes) else "0"}
        places = {a: position for position, a in enumerate(axes) if a is not None}
        return {
            f"{name}.stride{a}": self.field(strides, 8 * places[a], "i64") if a in places else "0"
            for a in range(self.nest.outer)
        }

    # -- geometry ------------------------------------------------------------------------------
    def _product(self, axes: range) -> str:
        whole = "1"
        for axis in axes:
            whole = self.text.put(f"mul i64 {whole}, {self.sizes[axis]}")
        return whole

    def _geometry(self) -> None:
        group = self.nest.group
        self.rows = self._product(range(group.inner))
        self.length = self._product(range(group.inner, len(group.frame)))

    def _elements(self) -> str:
        return self.text.put(f"mul i64 {self.rows}, {self.length}")

    def _rounded(self, value: str, by: str) -> str:
        """value / by, rounded up."""
        t = self.text
        less = t.put(f"sub i64 {by}, 1")
        return t.put(f"udiv i64 {t.put(f'add i64 {value}, {less}')}, {by}")

    def _larger(self, a: str, b: str) -> str:
        t = self.text
        return t.put(f"select i1 {t.put(f'icmp ugt i64 {a}, {b}')}, i64 {a}, i64 {b}")

    def _chunks(self, elements: str) -> str:
        """How many chunks there are; their size depends on the number of elements alone."""
        t, nest = self.text, self.nest
        if nest.is_whole:
            self.length, self.rows, self.per_chunk = elements, "1", "1"
            return "1"
        if nest.is_flat:
            self.length, self.rows = self._cut(elements)
            self.per_chunk = "1"
            return self.rows
        per_chunk = self._larger("1", t.put(f"udiv i64 {CHUNK}, {self.length}"))
        most = COLUMN_CHUNKS if nest.columns else MOST_CHUNKS
        self.per_chunk = self._larger(per_chunk, self._rounded(self.rows, str(most)))
        if nest.columns and (kept := self._kept()):
            self._whole_columns(kept)
        chunks = self._rounded(self.rows, self.per_chunk)
        self.parts = (
            t.put(f"select i1 {self.apart}, i64 1, i64 {chunks}") if self.apart else chunks
        )
        return chunks

    def _cut(self, elements: str) -> tuple[str, str]:
        """(length of a chunk, number of chunks) of elements that lie one after the other."""
        many = self._rounded(elements, str(MOST_CHUNKS * BLOCK))
        length = self._larger(str(CHUNK), self.text.put(f"mul i64 {many}, {BLOCK}"))
        return length, self._rounded(elements, length)

    def _kept(self) -> int:
        """How many of the first axes all sums over outer axes have: no two of their rows add to
        the same numbers."""
        found = [self.nest.group.results[store.position].axes for store in self.nest.columns]
        axes = range(self.nest.group.inner)
        return min(next((a for a in axes if a not in kept), len(axes)) for kept in found)

    def _whole_columns(self, kept: int) -> None:
        """Chunks that hold all rows of a sum, if these are not too many: one array for all."""
        t = self.text
        block = self._product(range(kept, self.nest.group.inner))
        size = t.put(f"mul i64 {block}, {self.length}")
        self.apart = t.put(f"icmp ule i64 {size}, {WHOLE}")
        whole = t.put(f"mul i64 {self._rounded(self.per_chunk, block)}, {block}")
        self.per_chunk = t.put(f"select i1 {self.apart}, i64 {whole}, i64 {self.per_chunk}")

    # -- parameters ----------------------------------------------------------------------------
    def _set(self, name: str, kind: str, value: str) -> None:
        t = self.text
        if name in self.nest.slots.index:
            offset = 8 * self.nest.slots[name]
            t.do(f"store {kind} {value}, ptr {t.put(f'getelementptr i8, ptr %p, i64 {offset}')}")

    def _parameters(self, fields: Mapping[str, str], chunks: str) -> None:
        t, nest = self.text, self.nest
        self.fields = dict(fields)
        for name, value in (("rows", self.rows), ("length", self.length),
                            ("per_chunk", self.per_chunk)):  # fmt: skip
            self._set(name, "i64", value)
        for axis in range(nest.outer):
            self._set(f"size{axis}", "i64", self.sizes.get(axis, "1"))
        for name, value in fields.items():
            if ".stride" in name:
                step = value
                if value == "flat":
                    size = fields.get(f"{name.partition('.')[0]}.step", self._itemsize(name))
                    step = t.put(f"mul i64 {self.length}, {size}")
                self._set(name, "i64", step)
            else:
                self._set(name, "i64" if "." in name else "ptr", value)
        size = t.put(f"mul i64 {chunks}, 8")
        for i in range(len(nest.totals)):
            self.fields[f"partial{i}"] = t.put(f"alloca i8, i64 {size}, align 8")
            self._set(f"partial{i}", "ptr", self.fields[f"partial{i}"])
        for store in nest.columns:
            self._column_buffer(store.position, store.combine, self.parts)

    def _itemsize(self, name: str) -> int:
        head = name.partition(".")[0]
        if head.startswith("operand"):
            return self.nest.loop.operands[int(head[7:])].variable.dtype.itemsize
        return self.nest.group.results[int(head[6:])].variable.dtype.itemsize

    def _column_buffer(self, position: int, combine: str, chunks: str) -> None:
        """Sums over outer axes: one array of them, or one for each chunk, filled with what is
        neutral."""
        t, result = self.text, self.nest.group.results[position]
        count = "1"
        for axis in result.axes:
            if axis is not None:
                count = t.put(f"mul i64 {count}, {self.sizes[axis]}")
        size = t.put(f"mul i64 {count}, {result.variable.dtype.itemsize}")
        whole = t.put(f"mul i64 {size}, {chunks}")
        buffer = t.put(f"call ptr @malloc(i64 {whole})")
        full = t.put(f"icmp eq ptr {buffer}, null")
        t.do(f"br i1 {full}, label %full{position}, label %filled{position}")
        t.label(f"full{position}")
        self._no_memory()
        t.label(f"filled{position}")
        self.fields[f"column{position}"], self.fields[f"count{position}"] = buffer, count
        self._set(f"result{position}", "ptr", buffer)
        step = t.put(f"select i1 {self.apart}, i64 0, i64 {size}") if self.apart else size
        self._set(f"result{position}.bytes", "i64", step)
        neutral = identity(combine, result.variable.dtype)
        total = t.put(f"mul i64 {count}, {chunks}")
        with_bytes = element(result.variable.dtype) if neutral.dtype != BOOL else "i8"
        value = literal(neutral) if neutral.dtype != BOOL else str(int(neutral))

        def fill(i: str) -> None:
            place = t.put(f"getelementptr {with_bytes}, ptr {buffer}, i64 {i}")
            t.do(f"store {with_bytes} {value}, ptr {place}")

        self.counted.loop("0", total, fill)

    # -- running -------------------------------------------------------------------------------
    def _run(self, elements: str, chunks: str) -> None:
        """Alone with the lock, alone without it, or shared by threads."""
        t, nest = self.text, self.nest
        self._set("elements", "i64", elements)
        weight = max(1, nest.weight)
        limits = RELEASE // weight, SHARE // weight
        self.shared(
            nest.name, chunks, elements, limits, [*self._freed(), "ret ptr null"], "memory"
        )
        t.label("memory")
        self._release()
        self._no_memory()
        t.label("done")

    def _release(self) -> None:
        for line in self._freed():
            self.text.do(line)

    def _freed(self) -> list[str]:
        return [f"call void @free(ptr {self.fields[f'column{store.position}']})"
                for store in self.nest.columns]  # fmt: skip

    def _no_memory(self) -> None:
        self.text.do(f"ret ptr {self.text.put('call ptr @PyErr_NoMemory()')}")

    # -- results of chunks ---------------------------------------------------------------------
    def _finish(self, chunks: str) -> None:
        """Partial results combined in the order of the chunks."""
        for i, total in enumerate(self.nest.totals):
            dtype = total.value.dtype
            target = self.fields[f"result{total.position}"]
            self.counted.combined(
                total.combine, dtype, target, self.fields[f"partial{i}"], "1", chunks, 8
            )
        for store in self.nest.columns:
            name = store.position
            dtype, count = store.value.dtype, self.fields[f"count{name}"]
            target, source = self.fields[f"result{name}"], self.fields[f"column{name}"]
            self.counted.combined(
                store.combine, dtype, target, source, count, self.parts, dtype.itemsize
            )
        self._release()
