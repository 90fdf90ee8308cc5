"""Cumulative sums and products, and linear recurrences, in machine code.

    y_0 = x_0,  y_i = y_{i-1} + x_i                       cumsum, cumprod
    y_0 = x_0,  y_i = x_i + a_i y_{i-1}                   recurrence; 0 stays 0, whatever a_i is

One number after the other, as NumPy's loops do it, so that sums have the same digits; along an
axis that is not the last, vectors of what lies side by side.

    i32 @cumulate(ptr %p, i64 %first, i64 %last):  rows of what lies before the axis
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.codegen import llvm
from graphad.codegen.sharing import Sharing
from graphad.codegen.vectors import Text, element

LEAST = {"cumsum": 2048, "cumprod": 2048, "recurrence": 32}  # elements; for fewer NumPy is as fast
SHARE = 1 << 17  # elements from which threads share the rows
FIELDS = ("x", "a", "y", "n", "inner",
          *[f"{array}_{way}" for array in "xay" for way in ("row", "step")])  # fmt: skip
_Parameters = ctypes.c_int64 * len(FIELDS)


def accumulator(
    op: str, params: dict[str, Any], dtype: np.dtype, make: Any, otherwise: Callable[..., Any],
    threads: int = 1, cache: bool | str = False,
) -> Callable[..., Any]:  # fmt: skip
    """A function of the op's operands, arrays of float64 or float32; `make` makes the result,
    `otherwise` is for what does not fit."""
    sharing = _library(op, dtype, threads, cache, llvm.width())
    return accumulating(op, params, dtype, make, otherwise, sharing)


def accumulating(
    op: str, params: dict[str, Any], dtype: np.dtype, make: Any, otherwise: Callable[..., Any],
    sharing: Sharing,
) -> Callable[..., Any]:  # fmt: skip
    """The function of `accumulator`, for its machine code."""
    place = sharing.library.address("cumulate")
    least, axis = LEAST[op], params["axis"]
    turned = bool(params.get("reverse"))

    def accumulate(*arrays: Any) -> Any:
        if any([v.dtype != dtype or not v.flags.aligned for v in arrays]):
            return otherwise(*arrays)
        x = arrays[-1]
        if len(arrays) > 1 and arrays[0].shape != x.shape:
            arrays = tuple(np.broadcast_arrays(*arrays))
            x = arrays[-1]
        shape = x.shape
        if x.size < least:
            return otherwise(*arrays)
        y = make(shape, dtype)
        n, inner = shape[axis], math.prod(shape[axis + 1 :])
        rows = [_rows(v, n, inner, turned) for v in (*arrays, y)]
        x, a = rows[-2], rows[0]
        if inner > 1:
            rows[-1][:, 0] = x[:, 0]
        strides = [step for v in (x, a, rows[-1]) for step in v.strides[:2]]
        parameters = _Parameters(
            *[v.__array_interface__["data"][0] for v in (x, a, rows[-1])], n, inner, *strides
        )
        count = x.size // (n * inner)
        sharing.share(place, ctypes.addressof(parameters), count, x.size >= SHARE)
        return y

    accumulate.name = f"{op}_{dtype.name}"  # type: ignore[attr-defined]
    given = op, params, dtype, make, otherwise, sharing
    accumulate.made = "codegen.cumulative", "accumulating", given  # type: ignore[attr-defined]
    return accumulate


def _rows(array: Any, n: int, inner: int, turned: bool) -> Any:
    """(rows, n, inner) without gaps along the last, turned round if need be."""
    found = array.reshape(-1, n, inner)
    if inner > 1 and found.strides[2] != array.dtype.itemsize:
        found = np.ascontiguousarray(found)
    return found[:, ::-1] if turned else found


@functools.cache
def _library(op: str, dtype: np.dtype, threads: int, cache: bool | str, bits: int) -> Sharing:
    return Sharing(llvm.Library(_Text(op, dtype, bits).module(), cache), [], threads)


class _Text:
    """Writes the function for one op, dtype and width of registers."""

    def __init__(self, op: str, dtype: np.dtype, bits: int) -> None:
        self.op, self.kind, self.size = op, element(dtype), dtype.itemsize
        self.lanes = bits // (8 * self.size)
        self.text = Text(self.lanes, {})

    def module(self) -> str:
        """The text of the module."""
        t = self.text
        t.label("start")
        for i, name in enumerate(FIELDS):
            kind = "ptr" if name in FIELDS[:3] else "i64"
            t.do(f"%{name} = load {kind}, ptr {t.put(f'getelementptr i64, ptr %p, i64 {i}')}")
        t.do("%alone = icmp eq i64 %inner, 1")
        t.do("%several = icmp ugt i64 %n, 1")
        t.do("br label %row")
        t.label("row")
        t.do("%u = phi i64 [ %first, %start ], [ %u.next, %row.end ]")
        starts = [self._moved(f"%{v}", "%u", f"%{v}_row") for v in "xay"]
        t.do("br i1 %alone, label %chain, label %lines")
        self._chain(*starts)
        self._lines(*starts)
        t.label("row.end")
        t.do("%u.next = add i64 %u, 1")
        t.do(f"br i1 {t.put('icmp ult i64 %u.next, %last')}, label %row, label %done")
        t.label("done")
        t.do("ret i32 0")
        head = "define i32 @cumulate(ptr %p, i64 %first, i64 %last) {"
        return llvm.module_text([head, *t.lines, "}"], {}, [])

    def _moved(self, base: str, index: str, step: str) -> str:
        t = self.text
        return t.put(f"getelementptr i8, ptr {base}, i64 {t.put(f'mul i64 {index}, {step}')}")

    def _next(self, kind: str, before: str, x: str, a: str) -> str:
        """What follows on `before`; x and a say where the operands lie."""
        t = self.text
        given = t.put(f"load {kind}, ptr {x}, align {self.size}")
        if self.op != "recurrence":
            what = "fadd" if self.op == "cumsum" else "fmul"
            return t.put(f"{what} {kind} {before}, {given}")
        factor = t.put(f"load {kind}, ptr {a}, align {self.size}")
        bools = kind.replace(self.kind, "i1")
        none = t.put(f"fcmp oeq {kind} {before}, zeroinitializer")
        product = t.put(f"fmul {kind} {factor}, {before}")
        kept = t.put(f"select {bools} {none}, {kind} zeroinitializer, {kind} {product}")
        return t.put(f"fadd {kind} {given}, {kept}")

    def _chain(self, x: str, a: str, y: str) -> None:
        """A row of single numbers: the state stays in a register."""
        t, kind = self.text, self.kind
        t.label("chain")
        state = t.put(f"load {kind}, ptr {x}")
        t.do(f"store {kind} {state}, ptr {y}")
        t.do("br i1 %several, label %link, label %row.end")
        t.label("link")
        t.do("%i = phi i64 [ 1, %chain ], [ %i.next, %link ]")
        t.do(f"%s = phi {kind} [ {state}, %chain ], [ %s.next, %link ]")
        places = [self._moved(b, "%i", f"%{v}_step") for b, v in ((x, "x"), (a, "a"))]
        t.do(f"%s.next = {self._operation(kind, '%s', *places)}")
        t.do(f"store {kind} %s.next, ptr {self._moved(y, '%i', '%y_step')}")
        t.do("%i.next = add i64 %i, 1")
        t.do(f"br i1 {t.put('icmp ult i64 %i.next, %n')}, label %link, label %row.end")

    def _operation(self, kind: str, before: str, x: str, a: str) -> str:
        """`_next` without the name of its result, which is known before."""
        made = self._next(kind, before, x, a)
        line = self.text.lines.pop()
        name, _, operation = line.strip().partition(" = ")
        assert name == made
        return operation

    def _lines(self, x: str, a: str, y: str) -> None:
        """One line after the other, of numbers that lie side by side; the first is there."""
        t = self.text
        t.label("lines")
        t.do("br i1 %several, label %line, label %row.end")
        t.label("line")
        t.do("%l = phi i64 [ 1, %lines ], [ %l.next, %line.end ]")
        here = [self._moved(b, "%l", f"%{v}_step") for b, v in ((x, "x"), (a, "a"), (y, "y"))]
        back = t.put("sub i64 0, %y_step")
        above = t.put(f"getelementptr i8, ptr {here[2]}, i64 {back}")
        t.do("br label %vectors")
        t.label("vectors")
        t.do("%q = phi i64 [ 0, %line ], [ %q.next, %vector ]")
        t.do(f"%q.next = add i64 %q, {self.lanes}")
        t.do(f"br i1 {t.put('icmp ule i64 %q.next, %inner')}, label %vector, label %numbers")
        t.label("vector")
        self._some(f"<{self.lanes} x {self.kind}>", "%q", here, above)
        t.do("br label %vectors")
        t.label("numbers")
        t.do("%r = phi i64 [ %q, %vectors ], [ %r.next, %number ]")
        t.do(f"br i1 {t.put('icmp ult i64 %r, %inner')}, label %number, label %line.end")
        t.label("number")
        self._some(self.kind, "%r", here, above)
        t.do("%r.next = add i64 %r, 1")
        t.do("br label %numbers")
        t.label("line.end")
        t.do("%l.next = add i64 %l, 1")
        t.do(f"br i1 {t.put('icmp ult i64 %l.next, %n')}, label %line, label %row.end")

    def _some(self, kind: str, index: str, here: list[str], above: str) -> None:
        t = self.text
        x, a, y, up = [self._moved(b, index, str(self.size)) for b in (*here, above)]
        before = t.put(f"load {kind}, ptr {up}, align {self.size}")
        made = self._next(kind, before, x, a)
        t.do(f"store {kind} {made}, ptr {y}, align {self.size}")
