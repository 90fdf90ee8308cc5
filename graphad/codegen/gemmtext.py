"""Products of matrices as LLVM text: tiles held in registers, and the loops around them.

    i32 @products(ptr %p, i64 %first, i64 %last):  blocks of rows and columns, as of a nest

Sizes and strides (in bytes) are read from the block of parameters, see `FIELDS`. What is to be
done with a piece of c while it lies in the cache, if anything, is a function (`folding`):

    i32 %after(ptr %given, ptr %made, i64 %down, i64 %piece, i64 %line, i64 %stack,
               i64 %row, i64 %rows, i64 %column, i64 %columns)

where %made is the piece, whose rows are %down bytes apart, of a c that is kept, or (c null) in
memory for the time of the call; %piece counts the pieces, %line those of the same columns of one
matrix.
"""

from __future__ import annotations

import numpy as np

from graphad.codegen.dottext import FEWEST, Dots
from graphad.codegen.dottext import STRIDES as DOTS
from graphad.codegen.objects import PLAINLY
from graphad.codegen.vectors import Text, element

DEPTH = 16  # rows of b that are turned at a time, so that they stay in the first cache
FIELDS = ("a", "b", "c", "m", "n", "k", "a_down", "a_along", "b_down", "b_along", "c_row",
          "a_step", "b_step", "c_step", "most_rows", "most_columns", "row_blocks",
          "column_blocks", "after", "given")  # fmt: skip
POINTERS = ("a", "b", "c", "after", "given")
STRIDES = "i64 %k, i64 %a_down, i64 %a_along, i64 %b_down, i64 %c_down"
GIVEN = STRIDES  # they are handed on under the same names


class Products:
    """Writes the functions for one dtype and width of registers."""

    def __init__(self, dtype: np.dtype, bits: int) -> None:
        self.dtype, self.kind, self.size = dtype, element(dtype), dtype.itemsize
        self.lanes = bits // (8 * self.size)
        self.bits, self.wide = bits, 4 if bits == 512 else 2
        self.declared: dict[str, str] = {
            "llvm.memcpy.p0.p0.i64": "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
        }

    def functions(self) -> list[str]:
        """All functions but the entries."""
        made: list[str] = []
        for wide, heights in ((self.wide, (6, 3, 1)), (1, (8, 4, 1))):
            for tall in heights:
                made += self.tile(wide, tall)
            made += self.rows(wide, heights)
        dots = Dots(self.dtype, self.bits, self.declared)
        return [*made, *dots.functions(), self.block(), self.packed(), self.products()]

    @property
    def shortest(self) -> int:
        """The least inner axis that is summed up along vectors, where it lies so in a and b."""
        return FEWEST * self.lanes

    # -- tiles ---------------------------------------------------------------------------------
    def tile(self, wide: int, tall: int) -> list[str]:
        """`tall` rows of `wide` vectors; a single vector is masked: it has %left numbers."""
        t = Text(self.lanes, self.declared)
        vector, masked = t.vector(self.kind), wide == 1
        mask = ""
        t.label("start")
        rows = ["0", *[t.put(f"mul i64 {r}, %a_down") for r in range(1, tall)]]
        if masked:
            counts = ", ".join([f"i64 {i}" for i in range(self.lanes)])
            left = t.splat("%left", "i64")
            mask = t.put(f"icmp ult {t.vector('i64')} <{counts}>, {left}")
        t.do("br label %loop")
        t.label("loop")
        place = len(t.lines)
        sums = [[t.fresh() for _ in range(wide)] for _ in range(tall)]
        columns = [self._load(t, "%b_at", j, mask) for j in range(wide)]
        made = []
        for r in range(tall):
            at = t.put(f"getelementptr i8, ptr %a_at, i64 {rows[r]}")
            one = t.splat(t.put(f"load {self.kind}, ptr {at}"), self.kind)
            made.append([t.intrinsic("fma", self.kind, [one, columns[j], sums[r][j]])
                         for j in range(wide)])  # fmt: skip
        t.do("%a_next = getelementptr i8, ptr %a_at, i64 %a_along")
        t.do("%b_next = getelementptr i8, ptr %b_at, i64 %b_down")
        t.do("%following = add i64 %i, 1")
        t.do(f"br i1 {t.put('icmp ult i64 %following, %k')}, label %loop, label %done")
        phis = ["  %i = phi i64 [ 0, %start ], [ %following, %loop ]"]
        phis += [f"  %{x}_at = phi ptr [ %{x}, %start ], [ %{x}_next, %loop ]" for x in "ab"]
        phis += [f"  {sums[r][j]} = phi {vector} [ zeroinitializer, %start ], "
                 f"[ {made[r][j]}, %loop ]" for r in range(tall) for j in range(wide)]  # fmt: skip
        t.lines[place:place] = phis
        t.label("done")
        for r in range(tall):
            row = t.put(f"getelementptr i8, ptr %c, i64 {t.put(f'mul i64 {r}, %c_down')}")
            for j in range(wide):
                self._store(t, row, j, made[r][j], mask)
        t.do("ret void")
        head = f"define internal void @tile{wide}x{tall}(ptr %a, ptr %b, ptr %c, {STRIDES}"
        return [f"{head}, i64 %left) {{", *t.lines, "}"]

    def _load(self, t: Text, base: str, j: int, mask: str) -> str:
        vector = t.vector(self.kind)
        at = t.put(f"getelementptr i8, ptr {base}, i64 {j * self.lanes * self.size}")
        if not mask:
            return t.put(f"load {vector}, ptr {at}, align {self.size}")
        name = f"llvm.masked.load.v{self.lanes}f{8 * self.size}.p0"
        masks = t.vector("i1")
        self.declared[name] = f"declare {vector} @{name}(ptr, i32, {masks}, {vector})"
        return t.put(f"call {vector} @{name}(ptr {at}, i32 {self.size}, {masks} {mask}, "
                     f"{vector} zeroinitializer)")  # fmt: skip

    def _store(self, t: Text, row: str, j: int, value: str, mask: str) -> None:
        vector = t.vector(self.kind)
        at = t.put(f"getelementptr i8, ptr {row}, i64 {j * self.lanes * self.size}")
        if not mask:
            t.do(f"store {vector} {value}, ptr {at}, align {self.size}")
            return
        name = f"llvm.masked.store.v{self.lanes}f{8 * self.size}.p0"
        masks = t.vector("i1")
        self.declared[name] = f"declare void @{name}({vector}, ptr, i32, {masks})"
        t.do(f"call void @{name}({vector} {value}, ptr {at}, i32 {self.size}, {masks} {mask})")

    # -- all rows of some columns --------------------------------------------------------------
    def rows(self, wide: int, heights: tuple[int, ...]) -> list[str]:
        """Tiles one below the other, the tall ones first."""
        lines = [f"define internal void @rows{wide}(ptr %a, ptr %b, ptr %c, i64 %rows, {STRIDES}, "
                 f"i64 %left) {PLAINLY} {{", "start:", f"  br label %try{heights[0]}"]  # fmt: skip
        before, from_start = "start", "0"
        for tall, after in zip(heights, [*[f"try{h}" for h in heights[1:]], "done"], strict=True):
            lines += [
                f"try{tall}:",
                f"  %i{tall} = phi i64 [ {from_start}, %{before} ], [ %end{tall}, %do{tall} ]",
                f"  %end{tall} = add i64 %i{tall}, {tall}",
                f"  %fits{tall} = icmp ule i64 %end{tall}, %rows",
                f"  br i1 %fits{tall}, label %do{tall}, label %{after}",
                f"do{tall}:",
                f"  %down{tall} = mul i64 %i{tall}, %a_down",
                f"  %a{tall} = getelementptr i8, ptr %a, i64 %down{tall}",
                f"  %below{tall} = mul i64 %i{tall}, %c_down",
                f"  %c{tall} = getelementptr i8, ptr %c, i64 %below{tall}",
                f"  call void @tile{wide}x{tall}(ptr %a{tall}, ptr %b, ptr %c{tall}, {GIVEN}, "
                "i64 %left)",
                f"  br label %try{tall}",
            ]
            before, from_start = f"try{tall}", f"%i{tall}"
        return [*lines, "done:", "  ret void", "}"]

    def block(self) -> str:
        """A piece of c: columns in several vectors, then vector by vector."""
        whole, lanes, size = self.wide * self.lanes, self.lanes, self.size
        parts = []
        for name, step, wide, bound in (
            ("wide", whole, self.wide, "%end"),
            ("one", lanes, 1, "%j"),
        ):
            before, start = ("start", "0") if name == "wide" else ("try.wide", "%j.wide")
            after = "try.one" if name == "wide" else "done"
            test = f"icmp ule i64 %end.{name}, %columns" if bound == "%end" else (
                f"icmp ult i64 %j.{name}, %columns")  # fmt: skip
            parts.append(f"""try.{name}:
  %j.{name} = phi i64 [ {start}, %{before} ], [ %end.{name}, %do.{name} ]
  %end.{name} = add i64 %j.{name}, {step}
  %fits.{name} = {test}
  br i1 %fits.{name}, label %do.{name}, label %{after}
do.{name}:
  %off.{name} = mul i64 %j.{name}, {size}
  %b.{name} = getelementptr i8, ptr %b, i64 %off.{name}
  %c.{name} = getelementptr i8, ptr %c, i64 %off.{name}
  %left.{name} = sub i64 %columns, %j.{name}
  call void @rows{wide}(ptr %a, ptr %b.{name}, ptr %c.{name}, i64 %rows, {GIVEN}, i64 %left.{name})
  br label %try.{name}""")
        body = "\n".join(parts)
        head = f"ptr %a, ptr %b, ptr %c, i64 %rows, i64 %columns, {STRIDES}"
        return (f"define internal void @block({head}) {PLAINLY} {{\nstart:\n  br label %try.wide\n"
                f"{body}\ndone:\n  ret void\n}}")  # fmt: skip

    def packed(self) -> str:
        """Columns of b one row after the other, for a piece of c."""
        head = "ptr %to, ptr %b, i64 %k, i64 %columns, i64 %b_down, i64 %b_along"
        return f"""define internal void @pack({head}) {{
start:
  %row = mul i64 %columns, {self.size}
  %straight = icmp eq i64 %b_along, {self.size}
  br i1 %straight, label %line, label %column
line:
  %i = phi i64 [ 0, %start ], [ %i.next, %line ]
  %i.to = mul i64 %i, %row
  %i.from = mul i64 %i, %b_down
  %line.to = getelementptr i8, ptr %to, i64 %i.to
  %line.from = getelementptr i8, ptr %b, i64 %i.from
  call void @llvm.memcpy.p0.p0.i64(ptr %line.to, ptr %line.from, i64 %row, i1 false)
  %i.next = add i64 %i, 1
  %i.more = icmp ult i64 %i.next, %k
  br i1 %i.more, label %line, label %done
column:
  %d = phi i64 [ 0, %start ], [ %d.next, %deeper ]
  %d.left = sub i64 %k, %d
  %depth = call i64 @llvm.umin.i64(i64 %d.left, i64 {DEPTH})
  %d.from = mul i64 %d, %b_down
  %d.to = mul i64 %d, %row
  %deep.from = getelementptr i8, ptr %b, i64 %d.from
  %deep.to = getelementptr i8, ptr %to, i64 %d.to
  br label %one
one:
  %j = phi i64 [ 0, %column ], [ %j.next, %column.end ]
  %j.from = mul i64 %j, %b_along
  %from = getelementptr i8, ptr %deep.from, i64 %j.from
  %j.to = mul i64 %j, {self.size}
  %target = getelementptr i8, ptr %deep.to, i64 %j.to
  br label %number
number:
  %n = phi i64 [ 0, %one ], [ %n.next, %number ]
  %at = phi ptr [ %from, %one ], [ %at.next, %number ]
  %put = phi ptr [ %target, %one ], [ %put.next, %number ]
  %value = load {self.kind}, ptr %at
  store {self.kind} %value, ptr %put
  %at.next = getelementptr i8, ptr %at, i64 %b_down
  %put.next = getelementptr i8, ptr %put, i64 %row
  %n.next = add i64 %n, 1
  %n.more = icmp ult i64 %n.next, %depth
  br i1 %n.more, label %number, label %column.end
column.end:
  %j.next = add i64 %j, 1
  %j.more = icmp ult i64 %j.next, %columns
  br i1 %j.more, label %one, label %deeper
deeper:
  %d.next = add i64 %d, {DEPTH}
  %d.more = icmp ult i64 %d.next, %k
  br i1 %d.more, label %column, label %done
done:
  ret void
}}"""

    def products(self) -> str:
        """The pieces from %first to %last."""
        size, on_copy = self.size, GIVEN.replace("%b_down", "%down")
        which = "i64 %r, i64 %s"
        where = "i64 %row, i64 %rows, i64 %column, i64 %columns"
        loads = "\n".join([
            f"  %at.{name} = getelementptr i64, ptr %p, i64 {i}\n"
            f"  %{name} = load {'ptr' if name in POINTERS else 'i64'}, ptr %at.{name}"
            for i, name in enumerate(FIELDS)
        ])  # fmt: skip
        return f"""define internal i32 @products(ptr %p, i64 %first, i64 %last) {PLAINLY} {{
start:
{loads}
  %per = mul i64 %row_blocks, %column_blocks
  %across = icmp ne i64 %b_along, {size}
  %meeting = and i64 %b_down, 1023
  %meet = icmp eq i64 %meeting, 0
  %deep = icmp ugt i64 %k, 64
  %clash = and i1 %meet, %deep
  %copied = or i1 %across, %clash
  %b.lies = icmp eq i64 %b_down, {size}
  %a.lies = icmp eq i64 %a_along, {size}
  %lie = and i1 %a.lies, %b.lies
  %long = icmp uge i64 %k, {self.shortest}
  %along = and i1 %lie, %long
  %alone = icmp eq ptr %after, null
  %gone = icmp eq ptr %c, null
  br i1 %gone, label %apart, label %begin
apart:
  %room.rows = call i64 @llvm.umin.i64(i64 %m, i64 %most_rows)
  %room.columns = call i64 @llvm.umin.i64(i64 %n, i64 %most_columns)
  %room.numbers = mul i64 %room.rows, %room.columns
  %room.bytes = mul i64 %room.numbers, {size}
  %room.made = call ptr @malloc(i64 %room.bytes)
  %no.room = icmp eq ptr %room.made, null
  br i1 %no.room, label %full, label %begin
begin:
  %room = phi ptr [ null, %start ], [ %room.made, %apart ]
  br label %piece
piece:
  %u = phi i64 [ %first, %begin ], [ %u.next, %next ]
  %s = udiv i64 %u, %per
  %x = urem i64 %u, %per
  %r = udiv i64 %x, %column_blocks
  %q = urem i64 %x, %column_blocks
  %row = mul i64 %r, %most_rows
  %rows.left = sub i64 %m, %row
  %rows = call i64 @llvm.umin.i64(i64 %rows.left, i64 %most_rows)
  %column = mul i64 %q, %most_columns
  %columns.left = sub i64 %n, %column
  %columns = call i64 @llvm.umin.i64(i64 %columns.left, i64 %most_columns)
  %a.s = mul i64 %s, %a_step
  %a.r = mul i64 %row, %a_down
  %a.o = add i64 %a.s, %a.r
  %a.at = getelementptr i8, ptr %a, i64 %a.o
  %b.s = mul i64 %s, %b_step
  %b.q = mul i64 %column, %b_along
  %b.o = add i64 %b.s, %b.q
  %b.at = getelementptr i8, ptr %b, i64 %b.o
  %c.s = mul i64 %s, %c_step
  %c.r = mul i64 %row, %c_row
  %c.q = mul i64 %column, {size}
  %c.sr = add i64 %c.s, %c.r
  %c.o = add i64 %c.sr, %c.q
  %c.there = getelementptr i8, ptr %c, i64 %c.o
  %c.at = select i1 %gone, ptr %room, ptr %c.there
  %c.own = mul i64 %columns, {size}
  %c_down = select i1 %gone, i64 %c.own, i64 %c_row
  br i1 %along, label %dots, label %other
dots:
  call void @dots(ptr %a.at, ptr %b.at, ptr %c.at, i64 %rows, i64 %columns, {DOTS})
  br label %made
other:
  br i1 %copied, label %copy, label %straight
copy:
  %numbers = mul i64 %columns, %k
  %bytes = mul i64 %numbers, {size}
  %to = call ptr @malloc(i64 %bytes)
  %none = icmp eq ptr %to, null
  br i1 %none, label %spent, label %pack
pack:
  call void @pack(ptr %to, ptr %b.at, i64 %k, i64 %columns, i64 %b_down, i64 %b_along)
  %down = mul i64 %columns, {size}
  call void @block(ptr %a.at, ptr %to, ptr %c.at, i64 %rows, i64 %columns, {on_copy})
  call void @free(ptr %to)
  br label %made
straight:
  call void @block(ptr %a.at, ptr %b.at, ptr %c.at, i64 %rows, i64 %columns, {GIVEN})
  br label %made
made:
  br i1 %alone, label %next, label %go.on
go.on:
  %how = call i32 %after(ptr %given, ptr %c.at, i64 %c_down, i64 %u, {which}, {where})
  %well = icmp eq i32 %how, 0
  br i1 %well, label %next, label %spent
next:
  %u.next = add i64 %u, 1
  %more = icmp ult i64 %u.next, %last
  br i1 %more, label %piece, label %done
done:
  call void @free(ptr %room)
  ret i32 0
spent:
  call void @free(ptr %room)
  br label %full
full:
  ret i32 1
}}"""
