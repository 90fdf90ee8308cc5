"""Products of matrices whose inner axis lies along memory in both, as LLVM text: c = a bᵀ.

Gradients of weights are such products, of few numbers with long sums. Each number of c is summed
up in one vector along the inner axis, whose lanes are added at the end: nothing has to be copied,
and sums may be as many times longer as there are lanes.

    void @dots(a, b, c, rows, columns, k, a_down, b_along, c_down):  sizes, and strides in bytes
"""

from __future__ import annotations

import numpy as np

from graphad.codegen.objects import PLAINLY
from graphad.codegen.vectors import Text, element

STRIDES = "i64 %k, i64 %a_down, i64 %b_along, i64 %c_down"
FEWEST = 16  # vectors of the inner axis: adding the lanes costs about as much as those


class Dots:
    """Writes the functions for one dtype and width of registers."""

    def __init__(self, dtype: np.dtype, bits: int, declared: dict[str, str]) -> None:
        self.dtype, self.kind, self.size = dtype, element(dtype), dtype.itemsize
        self.lanes = bits // (8 * self.size)
        self.declared = declared
        self.most = 4 if bits == 512 else 3  # rows and columns whose sums fit into registers

    def functions(self) -> list[str]:
        """All functions."""
        made: list[str] = []
        for tall in (self.most, 1):
            for wide in (self.most, 1):
                made += self.tile(tall, wide)
        return [*made, *self.folded(), self.block()]

    def folded(self) -> list[str]:
        """The sum of the lanes: a function of its own, so that LLVM makes it once."""
        t = Text(self.lanes, self.declared)
        total = t.extract(t.fold("sum", "%v", self.dtype), self.dtype)
        head = f"define internal {self.kind} @lanes({t.vector(self.kind)} %v) {{"
        return [head, *t.lines, f"  ret {self.kind} {total}", "}"]

    def tile(self, tall: int, wide: int) -> list[str]:
        """`tall` rows of a times `wide` columns of b."""
        t = Text(self.lanes, self.declared)
        vector = t.vector(self.kind)
        t.label("start")
        down = [["0", *[t.put(f"mul i64 {i}, {step}") for i in range(1, count)]]
                for step, count in (("%a_down", tall), ("%b_along", wide))]  # fmt: skip
        t.do(f"%whole = and i64 %k, {-self.lanes}")
        t.do("%left = sub i64 %k, %whole")
        counts = ", ".join([f"i64 {i}" for i in range(self.lanes)])
        mask = t.put(f"icmp ult {t.vector('i64')} <{counts}>, {t.splat('%left', 'i64')}")
        t.do("%some = icmp ne i64 %whole, 0")
        t.do("br i1 %some, label %loop, label %rest")
        sums = [[t.fresh() for _ in range(wide)] for _ in range(tall)]
        t.label("loop")
        place = len(t.lines)
        made = self._step(t, down, sums, "%i", "")
        t.do(f"%next = add i64 %i, {self.lanes}")
        t.do("%more = icmp ult i64 %next, %whole")
        t.do("br i1 %more, label %loop, label %rest")
        phis = ["  %i = phi i64 [ 0, %start ], [ %next, %loop ]"]
        phis += [f"  {sums[r][j]} = phi {vector} [ zeroinitializer, %start ], "
                 f"[ {made[r][j]}, %loop ]" for r in range(tall) for j in range(wide)]  # fmt: skip
        t.lines[place:place] = phis
        t.label("rest")
        ends = [[t.put(f"phi {vector} [ zeroinitializer, %start ], [ {made[r][j]}, %loop ]")
                 for j in range(wide)] for r in range(tall)]  # fmt: skip
        last = self._step(t, down, ends, "%whole", mask)
        for r in range(tall):
            row = t.put(f"getelementptr i8, ptr %c, i64 {t.put(f'mul i64 {r}, %c_down')}")
            for j in range(wide):
                total = t.put(f"call {self.kind} @lanes({vector} {last[r][j]})")
                at = t.put(f"getelementptr i8, ptr {row}, i64 {j * self.size}")
                t.do(f"store {self.kind} {total}, ptr {at}")
        t.do("ret void")
        head = f"define internal void @dots{tall}x{wide}(ptr %a, ptr %b, ptr %c, {STRIDES}) {{"
        return [head, *t.lines, "}"]

    def _step(
        self, t: Text, down: list[list[str]], sums: list[list[str]], index: str, mask: str
    ) -> list[list[str]]:
        """The sums after one more vector of each row and column."""
        offset = t.put(f"mul i64 {index}, {self.size}")
        found = []
        for base, rows in zip("ab", down, strict=True):
            here = t.put(f"getelementptr i8, ptr %{base}, i64 {offset}")
            places = [t.put(f"getelementptr i8, ptr {here}, i64 {row}") for row in rows]
            found.append([self._load(t, place, mask) for place in places])
        return [[t.intrinsic("fma", self.kind, [x, y, total])
                 for y, total in zip(found[1], row, strict=True)]
                for x, row in zip(found[0], sums, strict=True)]  # fmt: skip

    def _load(self, t: Text, at: str, mask: str) -> str:
        vector, masks = t.vector(self.kind), t.vector("i1")
        if not mask:
            return t.put(f"load {vector}, ptr {at}, align {self.size}")
        name = f"llvm.masked.load.v{self.lanes}f{8 * self.size}.p0"
        self.declared[name] = f"declare {vector} @{name}(ptr, i32, {masks}, {vector})"
        return t.put(f"call {vector} @{name}(ptr {at}, i32 {self.size}, {masks} {mask}, "
                     f"{vector} zeroinitializer)")  # fmt: skip

    def block(self) -> str:
        """All tiles: rows, then columns, the large tiles first."""
        lines = [f"define internal void @dots(ptr %a, ptr %b, ptr %c, i64 %rows, i64 %columns, "
                 f"{STRIDES}) {PLAINLY} {{", "start:", "  br label %try.0"]  # fmt: skip
        row = ("start", "0")
        for which, tall in enumerate((self.most, 1)):
            after = f"try.{which + 1}" if which == 0 else "done"
            lines += self._counted(f"{which}", row, tall, "%rows", after, f"in.{which}")
            lines += [f"in.{which}:"]
            lines += self._at(f"{which}", "a", f"%i.{which}", "%a_down")
            lines += self._at(f"{which}", "c", f"%i.{which}", "%c_down")
            lines += [f"  br label %try.{which}0"]
            column = (f"in.{which}", "0")
            for part, wide in enumerate((self.most, 1)):
                name = f"{which}{part}"
                following = f"try.{which}1" if part == 0 else f"end.{which}"
                lines += self._counted(name, column, wide, "%columns", following, f"do.{name}")
                lines += [f"do.{name}:"]
                lines += self._at(name, "b", f"%i.{name}", "%b_along")
                lines += [f"  %c_off.{name} = mul i64 %i.{name}, {self.size}",
                          f"  %c.{name} = getelementptr i8, ptr %c.{which}, i64 %c_off.{name}",
                          f"  call void @dots{tall}x{wide}(ptr %a.{which}, ptr %b.{name}, "
                          f"ptr %c.{name}, {STRIDES})",
                          f"  br label %end.{name}", f"end.{name}:",
                          f"  br label %try.{name}"]  # fmt: skip
                column = (f"try.{name}", f"%i.{name}")
            lines += [f"end.{which}:", f"  br label %try.{which}"]
            row = (f"try.{which}", f"%i.{which}")
        return "\n".join([*lines, "done:", "  ret void", "}"])

    def _counted(
        self, name: str, start: tuple[str, str], by: int, count: str, after: str, inside: str
    ) -> list[str]:
        """A loop's head: as many times as `by` fits."""
        before, first = start
        return [
            f"try.{name}:",
            f"  %i.{name} = phi i64 [ {first}, %{before} ], [ %next.{name}, %end.{name} ]",
            f"  %next.{name} = add i64 %i.{name}, {by}",
            f"  %fits.{name} = icmp ule i64 %next.{name}, {count}",
            f"  br i1 %fits.{name}, label %{inside}, label %{after}",
        ]

    def _at(self, name: str, base: str, index: str, step: str) -> list[str]:
        off = f"%{base}_off.{name}"
        return [f"  {off} = mul i64 {index}, {step}",
                f"  %{base}.{name} = getelementptr i8, ptr %{base}, i64 {off}"]  # fmt: skip
