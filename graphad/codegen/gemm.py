"""Products of matrices of any size in machine code: c = a b, and stacks of them.

Every number of c is one chain of fused multiplications and additions over the inner axis (one for
each lane, where that axis lies along memory in a and b), so that results do not depend on how the
work is divided among threads. A tile of rows and vectors is kept
in registers; matrices b that lie across, or whose rows would meet in the same lines of the cache,
are copied first. What suits BLAS better (large matrices, single rows) is left to it.

    ptr @enter22(self, arguments, count):  a, b, c → are they done? by numbers of axes
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from graphad.codegen import llvm
from graphad.codegen.arrays import layout
from graphad.codegen.gemmtext import COLUMNS, FIELDS, ROWS, Products
from graphad.codegen.kernels import Sharing
from graphad.codegen.objects import ALIGNED, GLOBALS, PLAINLY, Objects
from graphad.codegen.vectors import Text

MOST = 1 << 26  # multiplications of one product: BLAS is as fast from here on
DEEPEST = 1 << 14  # of the inner axis: longer sums lose digits in a single chain
SHARE = 1 << 22  # multiplications from which threads share the work
RELEASE = 1 << 15  # multiplications from which the interpreter lock is released
PAIRS = ((2, 2), (3, 3), (3, 2), (2, 3))  # axes of a and b


def product(
    dtype: np.dtype, make: Any = np.empty, threads: int = 1, cache: bool | str = False
) -> Any:
    """A function (a, b) → a @ b for arrays of one dtype, "float64" or "float32"; `make` makes the
    result."""
    entries = _entries(dtype, threads, cache, llvm.width())
    matmul = np.matmul

    def multiply(a: Any, b: Any) -> Any:
        enter = entries.get((a.ndim, b.ndim))
        if enter is None:
            return matmul(a, b)
        stack = a.shape[:-2] or b.shape[:-2]
        out = make((*stack, a.shape[-2], b.shape[-1]), dtype)
        if enter(a, b, out):
            return out
        return matmul(a, b) if stack else matmul(a, b, out=out)

    multiply.name = f"multiply_{dtype.name}"  # type: ignore[attr-defined]
    return multiply


@functools.cache
def _entries(
    dtype: np.dtype, threads: int, cache: bool | str, bits: int
) -> dict[tuple[int, int], Any]:
    library = llvm.Library(_Entries(dtype, bits).module(), cache)
    methods = [llvm.method("product", library.address(f"enter{a}{b}")) for a, b in PAIRS]
    sharing = Sharing(library, methods, threads)
    return {p: llvm.callable_of(m, sharing) for p, m in zip(PAIRS, methods, strict=True)}


class _Entries(Products):
    """With the entries."""

    def module(self) -> str:
        """All functions, in LLVM's language."""
        functions = self.functions()
        for pair in PAIRS:
            functions += self.entry(*pair)
        return llvm.module_text(functions, self.declared, GLOBALS)

    def entry(self, first: int, second: int) -> list[str]:
        """Reads a, b and c of so many axes; True where c is done, False where BLAS is better."""
        objects = Objects(Text(1, self.declared), layout() or {})
        t, size = objects.text, self.size
        self.declared["llvm.umin.i64"] = "declare i64 @llvm.umin.i64(i64, i64)"
        self.declared["PyBool_FromLong"] = "declare ptr @PyBool_FromLong(i64)"
        t.label("start")
        t.do(f"%p = alloca [{len(FIELDS)} x i64], align 8")
        a, b, c = (objects.array(objects.argument(i), ALIGNED) for i in range(3))

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
        row_blocks = t.put(f"udiv i64 {t.put(f'add i64 {m}, {ROWS - 1}')}, {ROWS}")
        column_blocks = t.put(f"udiv i64 {t.put(f'add i64 {n}, {COLUMNS - 1}')}, {COLUMNS}")
        c_down = t.put(f"mul i64 {n}, {size}")
        values = [a[0], b[0], c[0], m, n, k, part(a, 2, first - 2), part(a, 2, first - 1),
                  part(b, 2, second - 2), part(b, 2, second - 1), c_down,
                  part(a, 2, 0) if first == 3 else "0", part(b, 2, 0) if second == 3 else "0",
                  t.put(f"mul i64 {m}, {c_down}"), row_blocks, column_blocks]  # fmt: skip
        for i, (name, value) in enumerate(zip(FIELDS, values, strict=True)):
            place = t.put(f"getelementptr i64, ptr %p, i64 {i}")
            t.do(f"store {'ptr' if name in 'abc' else 'i64'} {value}, ptr {place}")
        pieces = t.put(f"mul i64 {stack}, {t.put(f'mul i64 {row_blocks}, {column_blocks}')}")
        t.do(f"br i1 {objects.bad}, label %unfit, label %fit")
        t.label("fit")
        large = t.put(f"icmp ugt i64 {all_work}, {SHARE}")
        several = t.put(f"icmp ugt i64 {pieces}, 1")
        t.do(f"br i1 {t.put(f'and i1 {large}, {several}')}, label %shared, label %alone")
        t.label("shared")
        result = t.put(
            "call ptr (ptr, ptr, ptr, ...) @PyObject_CallMethod(ptr %self, ptr @graphad_share, "
            "ptr @graphad_three, i64 ptrtoint (ptr @products to i64), "
            f"i64 {t.put('ptrtoint ptr %p to i64')}, i64 {pieces})"
        )
        t.do(f"br i1 {t.put(f'icmp eq ptr {result}, null')}, label %failed, label %shared.done")
        t.label("failed")
        t.do("ret ptr null")
        t.label("shared.done")
        t.do(f"call void @Py_DecRef(ptr {result})")
        t.do("br label %done")
        t.label("alone")
        medium = t.put(f"icmp ugt i64 {all_work}, {RELEASE}")
        t.do(f"br i1 {medium}, label %unlocked, label %locked")
        run = f"call i32 @products(ptr %p, i64 0, i64 {pieces})"
        t.label("unlocked")
        state = t.put("call ptr @PyEval_SaveThread()")
        one = t.put(run)
        t.do(f"call void @PyEval_RestoreThread(ptr {state})")
        t.do("br label %ran")
        t.label("locked")
        other = t.put(run)
        t.do("br label %ran")
        t.label("ran")
        full = t.put(f"phi i32 [ {one}, %unlocked ], [ {other}, %locked ]")
        t.do(f"br i1 {t.put(f'icmp eq i32 {full}, 0')}, label %done, label %unfit")
        t.label("done")
        t.do(f"ret ptr {t.put('call ptr @PyBool_FromLong(i64 1)')}")
        t.label("unfit")
        t.do(f"ret ptr {t.put('call ptr @PyBool_FromLong(i64 0)')}")
        head = (
            f"define ptr @enter{first}{second}(ptr %self, ptr %arguments, i64 %count) {PLAINLY} {{"
        )
        return [head, *t.lines, "}"]
