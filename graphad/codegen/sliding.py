"""Convolution and correlation of vectors in machine code: y_i = Σ_j x_{i+j} w_j.

Some vectors of results are kept in registers while all weights are gone through, each one chain of
fused multiplications and additions. A full convolution is the same of an array with zeros around.

    i32 @slide(ptr %p, i64 %first, i64 %last):  chunks of results
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.codegen import llvm
from graphad.codegen.access import Memory
from graphad.codegen.sharing import Sharing
from graphad.codegen.vectors import Text, element

LEAST = 4096  # multiplications; for fewer NumPy is as fast
DEEPEST = 1 << 14  # weights; longer sums lose digits in a single chain
SHARE = 1 << 20  # multiplications from which threads share the results
CHUNK = 1024  # results
TALL = 4  # vectors of results that are made together
FIELDS = ("x", "w", "y", "n", "m")
_Parameters = ctypes.c_int64 * len(FIELDS)


def slider(
    op: str, dtype: np.dtype, make: Any, otherwise: Callable[..., Any], strong: bool,
    threads: int = 1, cache: bool | str = False,
) -> Callable[..., Any]:  # fmt: skip
    """A function of the two vectors of "slide_product" or "convolve_full", of float64 or float32;
    `make` makes the result, `otherwise` is for what does not fit: with `strong`, also where zeros
    may have met what is not finite."""
    sharing = _library(dtype, threads, cache, llvm.width())
    return sliding(op, dtype, make, otherwise, strong, sharing)


def sliding(
    op: str, dtype: np.dtype, make: Any, otherwise: Callable[..., Any], strong: bool,
    sharing: Sharing,
) -> Callable[..., Any]:  # fmt: skip
    """The function of `slider`, for its machine code."""
    place, is_full = sharing.library.address("slide"), op == "convolve_full"

    def multiply(x: Any, w: Any) -> Any:
        given = x, w
        if is_full:
            x, w = (w, x) if len(x) < len(w) else (x, w)
        m = len(w)
        n = len(x) + m - 1 if is_full else len(x) - m + 1
        if n * m < LEAST or m > DEEPEST or x.dtype != dtype or w.dtype != dtype:
            return otherwise(*given)
        if is_full:
            if not np.isfinite(w).all():  # the zeros around must not meet it
                return otherwise(*given)
            around = np.zeros(n + m - 1, dtype)
            around[m - 1 : n] = x
            x, w = around, w[::-1]
        x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
        y = make((n,), dtype)
        parameters = _Parameters(
            *[v.__array_interface__["data"][0] for v in (x, w, y)], n, m
        )  # fmt: skip
        several = n * m >= SHARE
        sharing.share(place, ctypes.addressof(parameters), -(-n // CHUNK), several)
        return otherwise(*given) if strong and np.isnan(y).any() else y

    multiply.name = f"{op}_{dtype.name}"  # type: ignore[attr-defined]
    given = op, dtype, make, otherwise, strong, sharing
    multiply.made = "codegen.sliding", "sliding", given  # type: ignore[attr-defined]
    return multiply


@functools.cache
def _library(dtype: np.dtype, threads: int, cache: bool | str, bits: int) -> Sharing:
    return Sharing(llvm.Library(_Text(dtype, bits).module(), cache), [], threads)


class _Text:
    """Writes the function for one dtype and width of registers."""

    def __init__(self, dtype: np.dtype, bits: int) -> None:
        self.dtype, self.kind, self.size = dtype, element(dtype), dtype.itemsize
        self.lanes = bits // (8 * self.size)
        self.declared: dict[str, str] = {}
        self.text = Text(self.lanes, self.declared)
        self.memory = Memory(self.text)

    def module(self) -> str:
        """The text of the module."""
        t = self.text
        t.label("start")
        for i, name in enumerate(FIELDS):
            kind = "ptr" if i < 3 else "i64"
            t.do(f"%{name} = load {kind}, ptr {t.put(f'getelementptr i64, ptr %p, i64 {i}')}")
        begin, end = t.put(f"mul i64 %first, {CHUNK}"), t.put(f"mul i64 %last, {CHUNK}")
        self.end = t.put(f"select i1 {t.put(f'icmp ult i64 {end}, %n')}, i64 {end}, i64 %n")
        t.do("br label %tall")
        t.label("tall")
        t.do(f"%i = phi i64 [ {begin}, %start ], [ %i.next, %tall.done ]")
        t.do(f"%i.next = add i64 %i, {TALL * self.lanes}")
        t.do(f"br i1 {t.put(f'icmp ule i64 %i.next, {self.end}')}, label %tall.go, label %short")
        t.label("tall.go")
        self._sums("tall", "%i", TALL, "")
        t.label("tall.done")
        t.do("br label %tall")
        t.label("short")
        t.do("%k = phi i64 [ %i, %tall ], [ %k.next, %short.done ]")
        t.do(f"br i1 {t.put(f'icmp ult i64 %k, {self.end}')}, label %short.go, label %done")
        t.label("short.go")
        self._sums("short", "%k", 1, self.memory.mask(self.end, "%k"))
        t.label("short.done")
        t.do(f"%k.next = add i64 %k, {self.lanes}")
        t.do("br label %short")
        t.label("done")
        t.do("ret i32 0")
        head = "define i32 @slide(ptr %p, i64 %first, i64 %last) {"
        return llvm.module_text([head, *t.lines, "}"], self.declared, [])

    def _sums(self, name: str, first: str, tall: int, mask: str) -> None:
        """Some vectors of results, from `first` on; of one vector those under the mask."""
        t, vector = self.text, self.text.vector(self.kind)
        start = self.memory.element("%x", self.dtype, first)
        t.do(f"br label %{name}.sum")
        t.label(f"{name}.sum")
        t.do(f"%{name}.j = phi i64 [ 0, %{name}.go ], [ %{name}.j.next, %{name}.sum ]")
        heads = len(t.lines)  # the sums before, when the names of those after are known
        before = [f"%{name}.s{r}" for r in range(tall)]
        weight = self.memory.element("%w", self.dtype, f"%{name}.j")
        weight = self.memory.number(weight, self.dtype)
        here = self.memory.element(start, self.dtype, f"%{name}.j")
        made = []
        for r in range(tall):
            place = self.memory.element(here, self.dtype, str(r * self.lanes))
            if mask:
                given = self.memory.masked_load(place, self.dtype, mask)
            else:
                given = t.put(f"load {vector}, ptr {place}, align {self.size}")
            made.append(t.intrinsic("fma", self.kind, [given, weight, before[r]]))
        t.lines[heads:heads] = [
            f"  {old} = phi {vector} [ zeroinitializer, %{name}.go ], [ {new}, %{name}.sum ]"
            for old, new in zip(before, made, strict=True)
        ]
        t.do(f"%{name}.j.next = add i64 %{name}.j, 1")
        more = t.put(f"icmp ult i64 %{name}.j.next, %m")
        t.do(f"br i1 {more}, label %{name}.sum, label %{name}.store")
        t.label(f"{name}.store")
        for r in range(tall):
            place = self.memory.element("%y", self.dtype, first)
            place = self.memory.element(place, self.dtype, str(r * self.lanes))
            if mask:
                self.memory.masked_store(place, self.dtype, made[r], mask)
            else:
                t.do(f"store {vector} {made[r]}, ptr {place}, align {self.size}")
        t.do(f"br label %{name}.done")
