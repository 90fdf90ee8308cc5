"""The loop nest of a kernel as LLVM text: a function of a block of parameters and a chunk range.

    for chunk in first … last:            # fixed size, whatever the number of threads
      for row in chunk:                   # a position on the outer axes
        for turn in passes:               # accumulate reductions, store elements
          for block in row:               # 1,024 elements, so that errors of sums stay small
            for j in block step lanes:    # vectors; the last one is masked

A group without outer axes runs over all elements as one row, cut into chunks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from graphad.codegen.access import Memory, Reader, moved
from graphad.codegen.counting import Position
from graphad.codegen.loops import ELEMENT, Loop, Store, lane_bytes
from graphad.codegen.scalars import BOOL, Scalar
from graphad.codegen.vectors import Text, element, identity
from graphad.plan.group import Group

BLOCK = 1024  # elements that one set of accumulators adds up
CHUNK = 16384  # elements of a chunk, about


class Nest:
    """Writes the function ``name(parameters, first chunk, last chunk)`` of one group; it gives 0,
    or 1 where there is no memory."""

    def __init__(self, loop: Loop, name: str, width: int, declared: dict[str, str]) -> None:
        self.loop, self.name = loop, name
        self.lanes = max(2, min(16, width // 8 // lane_bytes(loop)))
        self.short = self._short_row(loop.group)  # rows of so many elements fit into one vector
        if self.short:
            self.lanes = next(n for n in (2, 4, 8, 16) if n >= self.short)
            loop.scratch = []  # their elements stay in registers
        self.text = Text(self.lanes, declared)
        self.memory = Memory(self.text)
        self.reader = Reader(self.memory, loop)
        self.slots, self.parameter = self.memory.slots, self.memory.parameter
        self.group = loop.group
        self.outer = max(1, self.group.inner)
        self.position = Position(self.memory, self.outer)
        self.is_flat = self.group.inner == 0
        self.is_whole = self.is_flat and loop.turns > 1  # one row
        self.names: dict[Scalar, str] = {}
        self.numbers: dict[Scalar, int] = {}  # constants that are read from memory
        self.ready: dict[Scalar, str] = {}  # elements of a short row that are computed
        self.pointers: dict[str, str] = {}
        self.totals = [s for s in loop.stores if s.kind in ("total", "row total")]
        self.columns = [s for s in loop.stores if s.kind == "column"]
        self.weight = sum(20 if v.op.startswith("call:") else 1 for v in loop.ordered()
                          if loop.level[v] == ELEMENT)  # fmt: skip

    def _short_row(self, group: Group) -> int:
        sizes = [size for size in group.frame[group.inner :] if isinstance(size, int)]
        whole = math.prod(sizes)
        known = group.inner > 0 and len(sizes) == len(group.frame) - group.inner
        return whole if known and 0 < whole <= self.lanes else 0

    # -- the whole -----------------------------------------------------------------------------
    def write(self) -> list[str]:
        t = self.text
        t.label("start")
        for name in ("rows", "length", "elements", "per_chunk"):
            self.pointers[name] = self.parameter(name)
        self._once()
        for i in range(len(self.totals)):
            t.do(f"%total{i} = alloca {t.type(self._kind(self.totals[i]))}")
        self._row_accumulators()
        self._scratch_rows()
        t.do("%chunk = alloca i64")
        t.do("%row = alloca i64")
        self.position.declare()
        t.do("store i64 %first, ptr %chunk")
        t.do("br label %chunks")
        t.label("chunks")
        chunk = t.put("load i64, ptr %chunk")
        more = t.put(f"icmp ult i64 {chunk}, %last")
        t.do(f"br i1 {more}, label %chunk.start, label %done")
        t.label("chunk.start")
        self._chunk(chunk)
        t.do(f"store i64 {t.put(f'add i64 {chunk}, 1')}, ptr %chunk")
        t.do("br label %chunks")
        t.label("done")
        if self.loop.scratch:
            t.do("call void @free(ptr %scratch)")
        t.do("ret i32 0")
        head = f"define internal i32 @{self.name}(ptr %p, i64 %first, i64 %last) {{"
        return [head, *t.lines, "}"]

    def write_alone(
        self, known: Mapping[str, str], given: str, numbers: Sequence[Scalar] = ()
    ) -> list[str]:
        """As a function of pointers, for a single row in a single chunk of which all is known;
        `numbers` lie at %k, one in every eight bytes."""
        t = self.text
        self.numbers = {value: i for i, value in enumerate(numbers)}
        self.memory.known = dict(known)
        t.label("start")
        self.pointers = {name: known[name] for name in ("rows", "length", "elements")}
        self._once()
        for i in range(len(self.totals)):
            t.do(f"%total{i} = alloca {t.type(self._kind(self.totals[i]))}")
        self._row_accumulators()
        self._scratch_rows()
        self._neutral()
        self._row("0", "0")
        for i, total in enumerate(self.totals):
            self._partial(i, total, "0")
        if self.loop.scratch:
            t.do("call void @free(ptr %scratch)")
        t.do("ret i32 0")
        return [f"define internal i32 @{self.name}({given}) {{", *t.lines, "}"]

    def _once(self) -> None:
        for value in self.loop.once_values():
            if value.op == "load":
                self.names[value] = self.reader.once(value.extra)
            elif value not in self.numbers:
                self.names[value] = self._computed(value)

    def _computed(self, value: Scalar) -> str:
        return self.text.write(value, [self._name(a, self.names) for a in value.args])

    def _name(self, value: Scalar, names: Mapping[Scalar, str]) -> str:
        """Numbers are read where they are used: all at once would not fit into the registers."""
        if value not in self.numbers:
            return names[value]
        return self.memory.number(self.memory.at("%k", 8 * self.numbers[value]), value.dtype)

    def _row_accumulators(self) -> None:
        t = self.text
        for turn in range(self.loop.turns):
            for i, (_, dtype, _) in enumerate(self._accumulators(turn)):
                t.do(f"%acc{turn}.{i} = alloca {t.type(dtype)}")

    def _scratch_rows(self) -> None:
        t = self.text
        if not self.loop.scratch:
            return
        padded = t.put(f"add i64 {self.pointers['length']}, 64")
        size = t.put(f"mul i64 {padded}, 8")
        whole = t.put(f"mul i64 {size}, {len(self.loop.scratch)}")
        t.do(f"%scratch = call ptr @malloc(i64 {whole})")
        t.do(f"br i1 {t.put('icmp eq ptr %scratch, null')}, label %full, label %begin")
        t.label("full")
        t.do("ret i32 1")
        t.label("begin")
        t.declared["malloc"] = "declare ptr @malloc(i64)"
        t.declared["free"] = "declare void @free(ptr)"
        for i, value in enumerate(self.loop.scratch):
            offset = t.put(f"mul i64 {size}, {i}")
            self.pointers[f"scratch{id(value)}"] = self.memory.at("%scratch", offset)

    @staticmethod
    def _kind(store: Store) -> np.dtype:
        return store.value.dtype

    # -- a chunk -------------------------------------------------------------------------------
    def _neutral(self) -> None:
        t = self.text
        for i, total in enumerate(self.totals):
            neutral = t.constant(identity(total.combine, self._kind(total)))
            t.do(f"store {t.type(self._kind(total))} {neutral}, ptr %total{i}")

    def _chunk(self, chunk: str) -> None:
        t = self.text
        self._neutral()
        per_chunk, rows = self.pointers["per_chunk"], self.pointers["rows"]
        begin = t.put(f"mul i64 {chunk}, {per_chunk}")
        beyond = t.put(f"add i64 {begin}, {per_chunk}")
        fits = t.put(f"icmp ult i64 {beyond}, {rows}")
        end = t.put(f"select i1 {fits}, i64 {beyond}, i64 {rows}")
        t.do(f"store i64 {begin}, ptr %row")
        self.position.start(begin)
        t.do("br label %rows")
        t.label("rows")
        row = t.put("load i64, ptr %row")
        more = t.put(f"icmp ult i64 {row}, {end}")
        t.do(f"br i1 {more}, label %row.start, label %chunk.end")
        t.label("row.start")
        self._row(row, chunk)
        self.position.advance()
        t.do(f"store i64 {t.put(f'add i64 {row}, 1')}, ptr %row")
        t.do("br label %rows")
        t.label("chunk.end")
        for i, total in enumerate(self.totals):
            self._partial(i, total, chunk)

    def _partial(self, i: int, total: Store, chunk: str) -> None:
        """The total of a chunk goes into the list of partial results."""
        t, dtype = self.text, self._kind(total)
        whole = t.put(f"load {t.type(dtype)}, ptr %total{i}")
        if total.kind == "total":
            whole = t.fold(total.combine, whole, dtype)
        base = self.parameter(f"partial{i}", "ptr")
        target = self.memory.at(base, t.put(f"mul i64 {chunk}, 8"))
        one = t.extract(whole, dtype)
        if dtype == BOOL:
            one = t.put(f"zext i1 {one} to i8")
        t.do(f"store {'i8' if dtype == BOOL else element(dtype)} {one}, ptr {target}")

    # -- a row ---------------------------------------------------------------------------------
    def _row(self, row: str, chunk: str) -> None:
        t, loop = self.text, self.loop
        done = t.put(f"mul i64 {row}, {self.pointers['length']}")
        left = t.put(f"sub i64 {self.pointers['elements']}, {done}")
        short = t.put(f"icmp ult i64 {left}, {self.pointers['length']}")
        count = t.put(f"select i1 {short}, i64 {left}, i64 {self.pointers['length']}")
        self.ready = {}
        places = self.position.read(row) if row != "0" else ["0"] * self.outer
        self.reader.row(places, done if self.is_flat else "0")
        for store in loop.stores:
            if store.kind in ("element", "row", "column"):
                name = f"result{store.position}"
                self.pointers[name] = moved(self.memory, name, places)
                if store.kind == "column":
                    size = self.parameter(f"{name}.bytes")
                    offset = t.put(f"mul i64 {chunk}, {size}")
                    self.pointers[name] = self.memory.at(self.pointers[name], offset)
        for value in loop.ordered():
            if value.op == "load" and self.reader.is_number(value.extra):
                self.names[value] = self.reader.number(value.extra)
        for turn in range(loop.turns):
            for value in loop.row_values(turn):
                if value.op == "load":
                    self.names[value] = self.reader.number(value.extra)
                elif not value.op.startswith("reduce:"):
                    self.names[value] = self._computed(value)
            if loop.goals(turn) and self.short:
                self._short_pass(turn)
            elif loop.goals(turn):
                self._pass(turn, count)
        for store in loop.stores:
            self._end_of_row(store)

    def _end_of_row(self, store: Store) -> None:
        t, dtype = self.text, store.value.dtype
        if store.kind == "row":
            one = t.extract(self._name(store.value, self.names), dtype)
            if dtype == BOOL:
                one = t.put(f"zext i1 {one} to i8")
            kind = "i8" if dtype == BOOL else element(dtype)
            t.do(f"store {kind} {one}, ptr {self.pointers[f'result{store.position}']}")
        if store.kind == "row total":
            self._add_to(f"%total{self.totals.index(store)}", store.combine, dtype,
                         self._name(store.value, self.names))  # fmt: skip

    def _add_to(self, place: str, combine: str, dtype: np.dtype, value: str) -> None:
        t = self.text
        before = t.put(f"load {t.type(dtype)}, ptr {place}")
        after = t.combine(combine, before, value, dtype)
        t.do(f"store {t.type(dtype)} {after}, ptr {place}")

    # -- a pass over the row -------------------------------------------------------------------
    def _accumulators(self, turn: int) -> list[tuple[str, np.dtype, Scalar]]:
        """(reduction, dtype, what is reduced): of the row, then totals."""
        found = [(r.op[7:], r.dtype, r.args[0]) for r in self.loop.reductions(turn)]
        found += [(s.combine, s.value.dtype, s.value) for s in self.loop.stores_in(turn)
                  if s.kind == "total"]  # fmt: skip
        return found

    def _pass(self, turn: int, count: str) -> None:
        t = self.text
        accumulators = self._accumulators(turn)
        for i, (kind, dtype, _) in enumerate(accumulators):
            t.do(f"store {t.type(dtype)} {t.constant(identity(kind, dtype))}, ptr %acc{turn}.{i}")
        tag, before = f"pass{turn}", t.fresh()[1:]
        t.do(f"br label %{before}")
        t.label(before)
        t.do(f"br label %{tag}.block")
        t.label(f"{tag}.block")
        block, stop = "0", count
        if accumulators:
            block, stop = f"%{tag}.at", f"%{tag}.stop"
            t.do(f"{block} = phi i64 [ 0, %{before} ], [ {stop}, %{tag}.flush ]")
            beyond = t.put(f"add i64 {block}, {BLOCK}")
            inside = t.put(f"icmp ult i64 {beyond}, {count}")
            t.do(f"{stop} = select i1 {inside}, i64 {beyond}, i64 {count}")
        t.do(f"br label %{tag}")
        t.label(tag)
        t.do(f"%{tag}.j = phi i64 [ {block}, %{tag}.block ], [ %{tag}.next, %{tag} ]")
        heads = len(t.lines)
        t.lines += [""] * len(accumulators)  # written when the names of the new sums are known
        mask = self.memory.mask(count, f"%{tag}.j")
        before_it = [f"%{tag}.a{i}" for i in range(len(accumulators))]
        sums = self._body(turn, f"%{tag}.j", mask, accumulators, before_it)
        for i, (kind, dtype, _) in enumerate(accumulators):
            neutral = t.constant(identity(kind, dtype))
            t.lines[heads + i] = (f"  %{tag}.a{i} = phi {t.type(dtype)} [ {neutral}, "
                                  f"%{tag}.block ], [ {sums[i]}, %{tag} ]")  # fmt: skip
        t.do(f"%{tag}.next = add i64 %{tag}.j, {self.lanes}")
        more = t.put(f"icmp ult i64 %{tag}.next, {stop}")
        t.do(f"br i1 {more}, label %{tag}, label %{tag}.flush")
        t.label(f"{tag}.flush")
        for i, (kind, dtype, _) in enumerate(accumulators):
            self._add_to(f"%acc{turn}.{i}", kind, dtype, sums[i])
        if accumulators:
            again = t.put(f"icmp ult i64 {stop}, {count}")
            t.do(f"br i1 {again}, label %{tag}.block, label %{tag}.end")
            t.label(f"{tag}.end")
        self._reduced(turn, accumulators)

    def _short_pass(self, turn: int) -> None:
        """The same for a row that is one vector: no loop, nothing is computed twice."""
        t = self.text
        inside = [f"i1 {str(i < self.short).lower()}" for i in range(self.lanes)]
        accumulators = self._accumulators(turn)
        sums = self._body(turn, "0", f"<{', '.join(inside)}>", accumulators, [])
        for i, (_, dtype, _) in enumerate(accumulators):
            t.do(f"store {t.type(dtype)} {sums[i]}, ptr %acc{turn}.{i}")
        self._reduced(turn, accumulators)

    def _reduced(self, turn: int, accumulators: Sequence[tuple[str, np.dtype, Scalar]]) -> None:
        """Reductions of the row are known now; totals grow."""
        t = self.text
        rows = self.loop.reductions(turn)
        ends = [s for s in self.loop.stores_in(turn) if s.kind == "total"]
        for i, (kind, dtype, _) in enumerate(accumulators):
            whole = t.put(f"load {t.type(dtype)}, ptr %acc{turn}.{i}")
            if i < len(rows):
                folded = t.extract(t.fold(kind, whole, dtype), dtype)
                self.names[rows[i]] = t.splat(folded, element(dtype))
            else:
                total = self.totals.index(ends[i - len(rows)])
                self._add_to(f"%total{total}", kind, dtype, whole)

    def _body(
        self, turn: int, j: str, mask: str,
        accumulators: Sequence[tuple[str, np.dtype, Scalar]], sums: Sequence[str],
    ) -> list[str]:  # fmt: skip
        """One vector of elements; the names of the accumulators after it, before it `sums`."""
        t, loop, names = self.text, self.loop, self.names | self.ready
        kept = frozenset(loop.scratch)
        for value in loop.needed(turn, kept):
            if value in self.ready:
                continue
            if value in kept and loop.turn[value] < turn:
                names[value] = self.memory.load(self._scratch(value, j), value.dtype)
            elif value.op == "load":
                names[value] = self.reader.vector(value.extra, j, mask, self.names.get(value, ""))
            else:
                names[value] = t.write(value, [self._name(a, names) for a in value.args])
            if value in kept and loop.turn[value] == turn:
                self.memory.store(self._scratch(value, j), value.dtype, names[value])
            if self.short:
                self.ready[value] = names[value]
        for store in loop.stores_in(turn):
            self._store(store, self._name(store.value, names), mask, j)
        found = []
        for i, (kind, dtype, value) in enumerate(accumulators):
            vector, given = t.type(dtype), self._name(value, names)
            neutral = t.constant(identity(kind, dtype))
            chosen = t.put(f"select {t.type(BOOL)} {mask}, {vector} {given}, "
                           f"{vector} {neutral}")  # fmt: skip
            before = sums[i] if sums else neutral
            needed = sums or (kind == "sum" and self.short == self.lanes)  # 0.0 + -0.0 is 0.0
            found.append(t.combine(kind, before, chosen, dtype) if needed else chosen)
        return found

    def _scratch(self, value: Scalar, j: str) -> str:
        return self.memory.element(self.pointers[f"scratch{id(value)}"], value.dtype, j)

    def _store(self, store: Store, value: str, mask: str, j: str) -> None:
        if store.kind == "total":
            return
        t, dtype = self.text, store.value.dtype
        place = self.memory.element(self.pointers[f"result{store.position}"], dtype, j)
        if store.kind == "column":
            before = self.memory.masked_load(place, dtype, mask)
            value = t.combine(store.combine, before, value, dtype)
        self.memory.masked_store(place, dtype, value, mask)
