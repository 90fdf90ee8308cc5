"""Many calls of loops as a table: a list of functions and of where their arrays lie.

Written out, each address of each call is an instruction, which takes LLVM longer than the loops.
Here calls are data that a loop in machine code runs through, and functions read the addresses from
a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from graphad.codegen.parts import Call
from graphad.codegen.places import Place
from graphad.codegen.vectors import Text

MANY = 256  # addresses from which calls are a table: LLVM is done in a tenth of the time

_HEAD = re.compile(r"define internal (?:i32|void) @(\w+)\((ptr %(?:p0|k)\b.*)\) \{")


def by_block(lines: Sequence[str]) -> list[str]:
    """The functions ``i32 name(ptr %p0, ptr %p1, …)`` as ``i32 name(ptr %block)``."""
    made: list[str] = []
    waiting: list[str] = []
    for line in lines:
        found = _HEAD.match(line)
        if found:
            waiting = [given.split()[1] for given in found[2].split(", ")]
            made.append(f"define internal i32 @{found[1]}(ptr %block) {{")
            continue
        made.append("  ret i32 0" if line == "  ret void" else line)
        if line == "start:":
            for i, name in enumerate(waiting):
                made.append(f"  %block.{i} = getelementptr ptr, ptr %block, i64 {i}")
                made.append(f"  {name} = load ptr, ptr %block.{i}")
            waiting = []
    return made


class Table:
    """The calls as constants; `at`: where temporaries lie in their block, in bytes."""

    def __init__(self, calls: Sequence[Call], at: Mapping[str, int]) -> None:
        self.calls = calls
        self.bases: dict[str, int] = {}
        self.most = max([len(call.places) for call in calls], default=1)
        places = [self._place(p, at) for call in calls for p in call.places]
        rows = [f"{{ ptr, i64 }} {{ ptr @{c.function}, i64 {len(c.places)} }}" for c in calls]
        pairs = [f"i64 {base}, i64 {offset}" for base, offset in places]
        self.constants = [
            f"@calls = private constant [{len(rows)} x {{ ptr, i64 }}] [{', '.join(rows)}]",
            f"@places = private constant [{2 * len(pairs)} x i64] [{', '.join(pairs)}]",
        ]

    def _place(self, place: Place, at: Mapping[str, int]) -> tuple[int, int]:
        base = "" if place.base in at else place.base  # "": the block of temporaries
        offset = place.offset * place.dtype.itemsize + at.get(place.base, 0)
        return self.bases.setdefault(base, len(self.bases)), offset

    def run(self, t: Text, bases: Mapping[str, str]) -> str:
        """Writes the loop; its result is not 0 where a call ran out of memory."""
        t.do(f"%table.bases = alloca [{len(self.bases)} x ptr]")
        t.do(f"%table.block = alloca [{self.most} x ptr]")
        for name, i in self.bases.items():
            place = t.put(f"getelementptr ptr, ptr %table.bases, i64 {i}")
            t.do(f"store ptr {bases[name]}, ptr {place}")
        count = len(self.calls)
        t.lines += f"""  br label %table.before
table.before:
  br label %table.call
table.call:
  %table.i = phi i64 [ 0, %table.before ], [ %table.i.next, %table.done ]
  %table.at = phi ptr [ @places, %table.before ], [ %table.at.next, %table.done ]
  %table.full = phi i32 [ 0, %table.before ], [ %table.full.next, %table.done ]
  %table.row = getelementptr {{ ptr, i64 }}, ptr @calls, i64 %table.i
  %table.function = load ptr, ptr %table.row
  %table.row.count = getelementptr i8, ptr %table.row, i64 8
  %table.count = load i64, ptr %table.row.count
  br label %table.place
table.place:
  %table.k = phi i64 [ 0, %table.call ], [ %table.k.next, %table.place ]
  %table.from = phi ptr [ %table.at, %table.call ], [ %table.at.next, %table.place ]
  %table.base = load i64, ptr %table.from
  %table.from.offset = getelementptr i8, ptr %table.from, i64 8
  %table.offset = load i64, ptr %table.from.offset
  %table.base.at = getelementptr ptr, ptr %table.bases, i64 %table.base
  %table.base.address = load ptr, ptr %table.base.at
  %table.address = getelementptr i8, ptr %table.base.address, i64 %table.offset
  %table.to = getelementptr ptr, ptr %table.block, i64 %table.k
  store ptr %table.address, ptr %table.to
  %table.at.next = getelementptr i8, ptr %table.from, i64 16
  %table.k.next = add i64 %table.k, 1
  %table.k.more = icmp ult i64 %table.k.next, %table.count
  br i1 %table.k.more, label %table.place, label %table.done
table.done:
  %table.one = call i32 %table.function(ptr %table.block)
  %table.full.next = or i32 %table.full, %table.one
  %table.i.next = add i64 %table.i, 1
  %table.i.more = icmp ult i64 %table.i.next, {count}
  br i1 %table.i.more, label %table.call, label %table.left
table.left:""".splitlines()
        return "%table.full.next"
