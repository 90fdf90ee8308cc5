"""Products of matrices of any size in machine code: c = a b, and stacks of them.

Every number of c is one chain of fused multiplications and additions over the inner axis (one for
each lane, where that axis lies along memory in a and b), so that results do not depend on how the
work is divided among threads. A tile of rows and vectors is kept
in registers; matrices b that lie across, or whose rows would meet in the same lines of the cache,
are copied first. What suits BLAS better (large matrices, single rows) is left to it.

    ptr @enter22(self, arguments, count):  a, b, c → are they done? by numbers of axes
    i32 @multiply22(self, a, b, ptr c, after, given, extra, most_rows, most_columns):  how it went

Pieces of c, of so many rows and columns, are handed on to `after` while they lie in the cache:
what is left to do with a product (`folding`). `extra` is what that costs, in multiplications.
"""

from __future__ import annotations

import functools
import zlib
from typing import Any

import numpy as np

from graphad.codegen import link, llvm
from graphad.codegen.arrays import layout
from graphad.codegen.gemmtext import FIELDS, POINTERS, Products
from graphad.codegen.multiply import multiplier
from graphad.codegen.objects import ALIGNED, GLOBALS, PLAINLY, Objects
from graphad.codegen.sharing import Sharing
from graphad.codegen.vectors import Text
from graphad.plan.fold import COLUMNS, ROWS

MOST = 1 << 26  # multiplications of one product: BLAS is as fast from here on
DEEPEST = 1 << 14  # of the inner axis: longer sums lose digits in a single chain
SHARE = 1 << 22  # multiplications from which threads share the work
RELEASE = 1 << 15  # multiplications from which the interpreter lock is released
PAIRS = ((2, 2), (3, 3), (3, 2), (2, 3))  # axes of a and b
DONE, LEFT, FAILED = range(3)  # left to BLAS; an error
GIVEN = ("ptr %self, ptr %a, ptr %b, ptr %c, ptr %after, ptr %given, i64 %extra, i64 %most_rows, "
         "i64 %most_columns")  # fmt: skip


def product(
    dtype: np.dtype, make: Any = np.empty, threads: int = 1, cache: bool | str = False
) -> Any:
    """A function (a, b) → a @ b for arrays of one dtype, "float64" or "float32"; `make` makes the
    result."""
    return multiplier(dtype, make, _entries(dtype, threads, cache, llvm.width()))


def symbol(dtype: np.dtype, first: int, second: int, cache: bool | str = False) -> str:
    """The name by which other machine code calls the product of arrays of so many axes."""
    text, library = _library(dtype, cache, llvm.width())
    name = f"graphad_multiply{first}{second}_{zlib.crc32(text.encode())}"
    inside = f"multiply{first}{second}"
    link.tell(name, library.address(inside))
    link.origins[name] = library.name, inside
    return name


@functools.cache
def _library(dtype: np.dtype, cache: bool | str, bits: int) -> tuple[str, llvm.Library]:
    text = _Entries(dtype, bits).module()
    return text, _made(text, cache)


@functools.cache
def _made(text: str, cache: bool | str) -> llvm.Library:
    """The machine code of a text, for good: other code calls it by name."""
    return llvm.Library(text, cache)


@functools.cache
def _entries(
    dtype: np.dtype, threads: int, cache: bool | str, bits: int
) -> dict[tuple[int, int], Any]:
    library = _library(dtype, cache, bits)[1]
    names = [f"enter{a}{b}" for a, b in PAIRS]
    methods = [llvm.method(name, library.address(name)) for name in names]
    sharing = Sharing(library, methods, threads)
    return {p: llvm.callable_of(m, sharing) for p, m in zip(PAIRS, methods, strict=True)}


class _Entries(Products):
    """With the entries."""

    def module(self) -> str:
        """All functions, in LLVM's language."""
        functions = self.functions()
        for pair in PAIRS:
            functions += [*self.multiply(*pair), *self.entry(*pair)]
        return llvm.module_text(functions, self.declared, GLOBALS)

    def entry(self, first: int, second: int) -> list[str]:
        """The entry from Python: True where c is done, False where BLAS is better."""
        t = Text(1, self.declared)
        objects = Objects(t, layout() or {})
        self.declared["PyBool_FromLong"] = "declare ptr @PyBool_FromLong(i64)"
        t.label("start")
        a, b, made = (objects.argument(i) for i in range(3))
        c = objects.field(made, objects.layout["data"])
        how = t.put(f"call i32 @multiply{first}{second}(ptr %self, ptr {a}, ptr {b}, ptr {c}, "
                    f"ptr null, ptr null, i64 0, i64 {ROWS}, i64 {COLUMNS})")  # fmt: skip
        t.do(f"br i1 {t.put(f'icmp eq i32 {how}, {FAILED}')}, label %failed, label %known")
        t.label("failed")
        t.do("ret ptr null")
        t.label("known")
        done = t.put(f"zext i1 {t.put(f'icmp eq i32 {how}, {DONE}')} to i64")
        t.do(f"ret ptr {t.put(f'call ptr @PyBool_FromLong(i64 {done})')}")
        head = f"define ptr @enter{first}{second}(ptr %self, ptr %arguments, i64 %count)"
        return [f"{head} {PLAINLY} {{", *t.lines, "}"]

    def multiply(self, first: int, second: int) -> list[str]:
        """The product of objects with so many axes: DONE, or why not."""
        objects = Objects(Text(1, self.declared), layout() or {})
        t, size = objects.text, self.size
        self.declared["llvm.umin.i64"] = "declare i64 @llvm.umin.i64(i64, i64)"
        t.label("start")
        t.do(f"%p = alloca [{len(FIELDS)} x i64], align 8")
        a, b = (objects.array(one, ALIGNED) for one in ("%a", "%b"))

        def part(array: tuple[str, str, str], which: int, axis: int) -> str:
            return objects.field(array[which], 8 * axis, "i64")

        m, k = part(a, 1, first - 2), part(a, 1, first - 1)
        deep, n = part(b, 1, second - 2), part(b, 1, second - 1)
        objects.wrong(t.put(f"icmp ne i64 {k}, {deep}"))
        stack = part(a, 1, 0) if first == 3 else part(b, 1, 0) if second == 3 else "1"
        if first == second == 3:
            objects.wrong(t.put(f"icmp ne i64 {stack}, {part(b, 1, 0)}"))
        work = t.put(f"mul i64 {m}, {t.put(f'mul i64 {n}, {k}')}")
        objects.wrong(t.put(f"icmp ugt i64 {work}, {MOST}"))
        all_work = t.put(f"mul i64 {work}, {stack}")
        objects.wrong(t.put(f"icmp eq i64 {all_work}, 0"))
        all_work = t.put(f"add i64 {all_work}, %extra")
        objects.wrong(t.put(f"icmp ult i64 {m}, 4"))
        vectors = t.put(f"udiv i64 {t.put(f'add i64 {n}, {self.lanes - 1}')}, {self.lanes}")
        used = t.put(f"mul i64 {n}, 4")
        most = t.put(f"mul i64 {vectors}, {3 * self.lanes}")  # three quarters of the lanes
        unfit = f"icmp ugt i64 {k}, {DEEPEST}", f"icmp ult i64 {used}, {most}"
        along = [f"icmp eq i64 {part(a, 2, first - 1)}, {size}",
                 f"icmp eq i64 {part(b, 2, second - 2)}, {size}",
                 f"icmp uge i64 {k}, {self.shortest}",
                 f"icmp ule i64 {k}, {DEEPEST * self.lanes}"]  # fmt: skip
        either = t.put(f"or i1 {t.put(unfit[0])}, {t.put(unfit[1])}")
        dots = functools.reduce(lambda x, y: t.put(f"and i1 {x}, {t.put(y)}"), along, "true")
        objects.wrong(t.put(f"and i1 {either}, {t.put(f'xor i1 {dots}, true')}"))

        def blocks(count: str, most: str) -> str:
            more = t.put(f"add i64 {count}, {t.put(f'sub i64 {most}, 1')}")
            return t.put(f"udiv i64 {more}, {most}")

        row_blocks, column_blocks = blocks(m, "%most_rows"), blocks(n, "%most_columns")
        c_down = t.put(f"mul i64 {n}, {size}")
        values = [a[0], b[0], "%c", m, n, k, part(a, 2, first - 2), part(a, 2, first - 1),
                  part(b, 2, second - 2), part(b, 2, second - 1), c_down,
                  part(a, 2, 0) if first == 3 else "0", part(b, 2, 0) if second == 3 else "0",
                  t.put(f"mul i64 {m}, {c_down}"), "%most_rows", "%most_columns",
                  row_blocks, column_blocks, "%after", "%given"]  # fmt: skip
        for i, (name, value) in enumerate(zip(FIELDS, values, strict=True)):
            place = t.put(f"getelementptr i64, ptr %p, i64 {i}")
            t.do(f"store {'ptr' if name in POINTERS else 'i64'} {value}, ptr {place}")
        pieces = t.put(f"mul i64 {stack}, {t.put(f'mul i64 {row_blocks}, {column_blocks}')}")
        t.do(f"br i1 {objects.bad}, label %unfit, label %fit")
        t.label("fit")
        limits, failed = (RELEASE, SHARE), [f"ret i32 {FAILED}"]
        objects.shared("products", pieces, all_work, limits, failed, "unfit")
        t.label("done")
        t.do(f"ret i32 {DONE}")
        t.label("unfit")
        t.do(f"ret i32 {LEFT}")
        return [f"define i32 @multiply{first}{second}({GIVEN}) {PLAINLY} {{", *t.lines, "}"]
