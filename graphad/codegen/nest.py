"""The loop nest of a kernel as LLVM text: a function of a block of parameters and a chunk range.

    for chunk in first … last:            # fixed size, whatever the number of threads
      for row in chunk:                   # a position on the outer axes
        for turn in passes:               # accumulate reductions, store elements
          for block in row:               # 1,024 elements, so that errors of sums stay small
            for j in block step lanes:    # vectors; the last one is masked

A group without outer axes runs over all elements as one row, cut into chunks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphad.codegen.loops import ELEMENT, Loop, Store, lane_bytes
from graphad.codegen.scalars import BOOL, Scalar
from graphad.codegen.vectors import Text, element, identity

BLOCK = 1024  # elements that one set of accumulators adds up
CHUNK = 16384  # elements of a chunk, about


class Slots:
    """Where each parameter lies in the block of 64-bit numbers that the entry fills."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self.index.setdefault(name, len(self.index))


class Nest:
    """Writes the function ``name(parameters, first chunk, last chunk)`` of one group."""

    def __init__(self, loop: Loop, name: str, width: int, declared: dict[str, str]) -> None:
        self.loop, self.name = loop, name
        self.lanes = max(2, min(16, width // 8 // lane_bytes(loop)))
        self.text = Text(self.lanes, declared)
        self.slots = Slots()
        self.group = loop.group
        self.outer = max(1, self.group.inner)
        self.is_flat = self.group.inner == 0
        self.is_whole = self.is_flat and loop.turns > 1  # one row
        self.names: dict[Scalar, str] = {}
        self.pointers: dict[str, str] = {}
        self.totals = [s for s in loop.stores if s.kind in ("total", "row total")]
        self.columns = [s for s in loop.stores if s.kind == "column"]
        self.weight = sum(20 if v.op.startswith("call:") else 1 for v in loop.ordered()
                          if loop.level[v] == ELEMENT)  # fmt: skip

    # -- small pieces --------------------------------------------------------------------------
    def parameter(self, name: str, kind: str = "i64") -> str:
        t = self.text
        return t.put(f"load {kind}, ptr {self._at('%p', 8 * self.slots[name])}")

    def _at(self, base: str, offset: str | int) -> str:
        return self.text.put(f"getelementptr i8, ptr {base}, i64 {offset}")

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
        t.do("ret void")
        head = f"define internal void @{self.name}(ptr %p, i64 %first, i64 %last) {{"
        return [head, *t.lines, "}"]

    def _once(self) -> None:
        for value in self.loop.once_values():
            if value.op == "load":
                pointer = self.parameter(f"operand{value.extra}", "ptr")
                self.names[value] = self._number(pointer, value.dtype)
            else:
                self.names[value] = self._computed(value)

    def _computed(self, value: Scalar) -> str:
        return self.text.write(value, [self.names[a] for a in value.args])

    def _number(self, pointer: str, dtype: np.dtype) -> str:
        """One number from memory in all lanes."""
        t = self.text
        if dtype == BOOL:
            byte = t.put(f"load i8, ptr {pointer}")
            return t.splat(t.put(f"icmp ne i8 {byte}, 0"), "i1")
        return t.splat(t.put(f"load {element(dtype)}, ptr {pointer}"), element(dtype))

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
        t.declared["malloc"] = "declare ptr @malloc(i64)"
        t.declared["free"] = "declare void @free(ptr)"
        for i, value in enumerate(self.loop.scratch):
            offset = t.put(f"mul i64 {size}, {i}")
            self.pointers[f"scratch{id(value)}"] = self._at("%scratch", offset)

    @staticmethod
    def _kind(store: Store) -> np.dtype:
        return store.value.dtype

    # -- a chunk -------------------------------------------------------------------------------
    def _chunk(self, chunk: str) -> None:
        t = self.text
        for i, total in enumerate(self.totals):
            neutral = t.constant(identity(total.combine, self._kind(total)))
            t.do(f"store {t.type(self._kind(total))} {neutral}, ptr %total{i}")
        per_chunk, rows = self.pointers["per_chunk"], self.pointers["rows"]
        begin = t.put(f"mul i64 {chunk}, {per_chunk}")
        beyond = t.put(f"add i64 {begin}, {per_chunk}")
        fits = t.put(f"icmp ult i64 {beyond}, {rows}")
        end = t.put(f"select i1 {fits}, i64 {beyond}, i64 {rows}")
        t.do(f"store i64 {begin}, ptr %row")
        t.do("br label %rows")
        t.label("rows")
        row = t.put("load i64, ptr %row")
        more = t.put(f"icmp ult i64 {row}, {end}")
        t.do(f"br i1 {more}, label %row.start, label %chunk.end")
        t.label("row.start")
        self._row(row, chunk)
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
        target = self._at(base, t.put(f"mul i64 {chunk}, 8"))
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
        places = self._places(row)
        for i, operand in enumerate(loop.operands):
            if any(a is not None for a in operand.axes):
                self.pointers[f"operand{i}"] = self._moved(f"operand{i}", places)
        for store in loop.stores:
            if store.kind in ("element", "row", "column"):
                name = f"result{store.position}"
                self.pointers[name] = self._moved(name, places)
                if store.kind == "column":
                    size = self.parameter(f"{name}.bytes")
                    offset = t.put(f"mul i64 {chunk}, {size}")
                    self.pointers[name] = self._at(self.pointers[name], offset)
        for turn in range(loop.turns):
            for value in loop.row_values(turn):
                if value.op == "load":
                    pointer = self.pointers[f"operand{value.extra}"]
                    self.names[value] = self._number(pointer, value.dtype)
                elif not value.op.startswith("reduce:"):
                    self.names[value] = self._computed(value)
            if loop.goals(turn):
                self._pass(turn, count)
        for store in loop.stores:
            self._end_of_row(store)

    def _places(self, row: str) -> list[str]:
        """The position of a row on each outer axis."""
        t, places, rest = self.text, [row], row
        if self.outer > 1:
            places = []
            for axis in reversed(range(1, self.outer)):
                size = self.parameter(f"size{axis}")
                places.append(t.put(f"urem i64 {rest}, {size}"))
                rest = t.put(f"udiv i64 {rest}, {size}")
            places = [rest, *reversed(places)]
        return places

    def _moved(self, name: str, places: Sequence[str]) -> str:
        """Where the row of an operand or result begins."""
        t, offset = self.text, "0"
        for axis, place in enumerate(places):
            stride = self.parameter(f"{name}.stride{axis}")
            step = t.put(f"mul i64 {place}, {stride}")
            offset = step if offset == "0" else t.put(f"add i64 {offset}, {step}")
        return self._at(self.parameter(name, "ptr"), offset)

    def _end_of_row(self, store: Store) -> None:
        t, dtype = self.text, store.value.dtype
        if store.kind == "row":
            one = t.extract(self.names[store.value], dtype)
            if dtype == BOOL:
                one = t.put(f"zext i1 {one} to i8")
            kind = "i8" if dtype == BOOL else element(dtype)
            t.do(f"store {kind} {one}, ptr {self.pointers[f'result{store.position}']}")
        if store.kind == "row total":
            self._add_to(f"%total{self.totals.index(store)}", store.combine, dtype,
                         self.names[store.value])  # fmt: skip

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
        sums = self._body(turn, tag, count, accumulators)
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
        self, turn: int, tag: str, count: str,
        accumulators: Sequence[tuple[str, np.dtype, Scalar]],
    ) -> list[str]:  # fmt: skip
        """One vector of elements; the names of the accumulators after it."""
        t, loop, names = self.text, self.loop, dict(self.names)
        mask = self._mask(count, f"%{tag}.j")
        kept = frozenset(loop.scratch)
        for value in loop.needed(turn, kept):
            if value in kept and loop.turn[value] < turn:
                place = self._element(self.pointers[f"scratch{id(value)}"], value.dtype, tag)
                names[value] = self._from_memory(place, value.dtype)
            elif value.op == "load":
                place = self._element(self.pointers[f"operand{value.extra}"], value.dtype, tag)
                names[value] = self._masked_load(place, value.dtype, mask)
            else:
                names[value] = t.write(value, [names[a] for a in value.args])
            if value in kept and loop.turn[value] == turn:
                place = self._element(self.pointers[f"scratch{id(value)}"], value.dtype, tag)
                self._to_memory(place, value.dtype, names[value])
        for store in loop.stores_in(turn):
            self._store(store, names[store.value], mask, tag)
        sums = []
        for i, (kind, dtype, value) in enumerate(accumulators):
            vector = t.type(dtype)
            neutral = t.constant(identity(kind, dtype))
            chosen = t.put(f"select {t.type(BOOL)} {mask}, {vector} {names[value]}, "
                           f"{vector} {neutral}")  # fmt: skip
            sums.append(t.combine(kind, f"%{tag}.a{i}", chosen, dtype))
        return sums

    def _store(self, store: Store, value: str, mask: str, tag: str) -> None:
        if store.kind == "total":
            return
        t, dtype = self.text, store.value.dtype
        place = self._element(self.pointers[f"result{store.position}"], dtype, tag)
        if store.kind == "column":
            before = self._masked_load(place, dtype, mask)
            value = t.combine(store.combine, before, value, dtype)
        self._masked_store(place, dtype, value, mask)

    # -- memory --------------------------------------------------------------------------------
    def _mask(self, count: str, j: str) -> str:
        """Which lanes lie inside the row."""
        t = self.text
        left = t.put(f"sub i64 {count}, {j}")
        some = t.put(f"icmp ult i64 {left}, {self.lanes}")
        bound = t.put(f"select i1 {some}, i64 {left}, i64 {self.lanes}")
        bound = t.splat(t.put(f"trunc i64 {bound} to i32"), "i32")
        numbers = ", ".join([f"i32 {i}" for i in range(self.lanes)])
        return t.put(f"icmp ugt {t.vector('i32')} {bound}, <{numbers}>")

    def _element(self, base: str, dtype: np.dtype, tag: str) -> str:
        kind = "i8" if dtype == BOOL else element(dtype)
        return self.text.put(f"getelementptr {kind}, ptr {base}, i64 %{tag}.j")

    def _memory(self, dtype: np.dtype) -> tuple[str, str, int]:
        """Type in memory, its suffix in names, alignment."""
        kind = "i8" if dtype == BOOL else element(dtype)
        short = {"double": "f64", "float": "f32"}.get(kind, kind)
        return self.text.vector(kind), f"v{self.lanes}{short}.p0", dtype.itemsize

    def _masked_load(self, place: str, dtype: np.dtype, mask: str) -> str:
        t = self.text
        vector, suffix, align = self._memory(dtype)
        bools, name = t.vector("i1"), f"llvm.masked.load.{suffix}"
        t.declared[name] = f"declare {vector} @{name}(ptr, i32, {bools}, {vector})"
        got = t.put(f"call {vector} @{name}(ptr {place}, i32 {align}, {bools} {mask}, "
                    f"{vector} zeroinitializer)")  # fmt: skip
        return t.put(f"icmp ne {vector} {got}, zeroinitializer") if dtype == BOOL else got

    def _masked_store(self, place: str, dtype: np.dtype, value: str, mask: str) -> None:
        t = self.text
        vector, suffix, align = self._memory(dtype)
        if dtype == BOOL:
            value = t.put(f"zext {t.vector('i1')} {value} to {vector}")
        bools, name = t.vector("i1"), f"llvm.masked.store.{suffix}"
        t.declared[name] = f"declare void @{name}({vector}, ptr, i32, {bools})"
        t.do(f"call void @{name}({vector} {value}, ptr {place}, i32 {align}, {bools} {mask})")

    def _from_memory(self, place: str, dtype: np.dtype) -> str:
        """A whole vector of a scratch row."""
        t = self.text
        vector, _, align = self._memory(dtype)
        got = t.put(f"load {vector}, ptr {place}, align {align}")
        return t.put(f"icmp ne {vector} {got}, zeroinitializer") if dtype == BOOL else got

    def _to_memory(self, place: str, dtype: np.dtype, value: str) -> None:
        t = self.text
        vector, _, align = self._memory(dtype)
        if dtype == BOOL:
            value = t.put(f"zext {t.vector('i1')} {value} to {vector}")
        t.do(f"store {vector} {value}, ptr {place}, align {align}")
