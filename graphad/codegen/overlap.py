"""Windows added up in machine code: the transpose of `slide`, for the last axes of an array.

Every plane of the result is set to zero and takes, for each place in the windows in turn, the
rows of all windows: in vectors where they lie one after the other and go to every or every second
element. Elements in between get a zero added, which changes none that began as 0.0.

    i32 @overlap(ptr %p, i64 %first, i64 %last):  planes of the result
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.codegen import llvm
from graphad.codegen.calls import SPACE
from graphad.codegen.sharing import Sharing
from graphad.codegen.vectors import Text, element
from graphad.ir.families.common import fill_sizes

OUTER = 4  # axes besides those of windows, after those that follow each other are merged
LEAST = 1 << 12  # elements of windows; for fewer NumPy is as fast
SHARE = 1 << 17  # elements of windows from which threads share the work
FIELDS = ("x", "y", "plane", "way",
          *[f"{what}{i}" for what in ("size", "step") for i in range(OUTER)],
          *[f"{what}{i}" for what in ("turns", "x_turn", "y_turn", "rows", "x_row", "y_row")
            for i in range(SPACE)])  # fmt: skip
_Parameters = ctypes.c_int64 * len(FIELDS)


def adder(
    params: dict[str, Any], dtype: np.dtype, make: Any, otherwise: Callable[..., Any],
    threads: int = 1, cache: bool | str = False,
) -> Callable[..., Any]:  # fmt: skip
    """A function (windows, *sizes) → their sum, for the parameters of an `overlap_add` of float64
    or float32; `make` makes the result, `otherwise` is for what does not fit."""
    sharing = _library(dtype, threads, cache, llvm.width())
    return adding(params, dtype, make, otherwise, sharing)


def adding(
    params: dict[str, Any], dtype: np.dtype, make: Any, otherwise: Callable[..., Any],
    sharing: Sharing,
) -> Callable[..., Any]:  # fmt: skip
    """The function of `adder`, for its machine code."""
    place = sharing.library.address("overlap")
    strides, gaps, spec = params["stride"], params["dilation"], params["size"]
    axes = len(spec)

    def add(x: Any, *sizes: Any) -> Any:
        lead = x.ndim - 2 * axes
        shape, steps = x.shape, x.strides
        if x.size < LEAST or not x.flags.aligned or x.dtype != dtype:
            return otherwise(x, *sizes)
        outer = _merged(shape[:lead], steps[:lead])
        full = fill_sizes(spec, sizes)
        places, widths = shape[lead : lead + axes], shape[lead + axes :]
        rows = zip(full, places, widths, strides, gaps, strict=True)
        if len(outer) > OUTER or any(
            [n < (p - 1) * step + (w - 1) * gap + 1 for n, p, w, step, gap in rows]
        ):
            return otherwise(x, *sizes)
        y = make((*shape[:lead], *full), dtype)
        down = [math.prod(full[i + 1 :]) * dtype.itemsize for i in range(axes)]
        most = steps[lead + axes - 1] == dtype.itemsize and strides[-1] in (1, 2)
        outer = [(1, 0)] * (OUTER - len(outer)) + outer
        extra = [0] * (SPACE - axes)
        ones = [1] * (SPACE - axes)
        planes = math.prod(shape[:lead])
        parameters = _Parameters(
            _address(x), _address(y), math.prod(full) * dtype.itemsize,
            strides[-1] if most else 0,
            *[n for n, _ in outer], *[step for _, step in outer],
            *ones, *widths, *extra, *steps[lead + axes :],
            *extra, *[gap * n for gap, n in zip(gaps, down, strict=True)],
            *ones, *places, *extra, *steps[lead : lead + axes],
            *extra, *[step * n for step, n in zip(strides, down, strict=True)],
        )  # fmt: skip
        sharing.share(place, ctypes.addressof(parameters), planes, x.size >= SHARE)
        return y

    add.name = f"overlap_add_{dtype.name}"  # type: ignore[attr-defined]
    given = params, dtype, make, otherwise, sharing
    add.made = "codegen.overlap", "adding", given  # type: ignore[attr-defined]
    return add


def _address(array: np.ndarray) -> int:
    found: int = array.__array_interface__["data"][0]
    return found


def _merged(shape: tuple[int, ...], steps: tuple[int, ...]) -> list[tuple[int, int]]:
    """Sizes and strides, of axes that one stride can run over as one axis."""
    found: list[tuple[int, int]] = []
    for n, step in zip(shape, steps, strict=True):
        if n == 1:
            continue
        if found and found[-1][1] == n * step:
            found[-1] = found[-1][0] * n, step
        else:
            found.append((n, step))
    return found


@functools.cache
def _library(dtype: np.dtype, threads: int, cache: bool | str, bits: int) -> Sharing:
    return Sharing(llvm.Library(_Adding(dtype, bits).module(), cache), [], threads)


class _Adding:
    """Writes the function for one dtype and width of registers."""

    def __init__(self, dtype: np.dtype, bits: int) -> None:
        self.kind, self.size = element(dtype), dtype.itemsize
        self.lanes = bits // (8 * self.size)
        self.declared: dict[str, str] = {
            "llvm.memset.p0.i64": "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
        }
        self.text = Text(self.lanes, self.declared)

    def module(self) -> str:
        """The text of the module."""
        t = self.text
        t.label("start")
        for i, name in enumerate(FIELDS):
            kind = "ptr" if name in "xy" else "i64"
            place = t.put(f"getelementptr i64, ptr %p, i64 {i}")
            t.do(f"%{name} = load {kind}, ptr {place}")
        t.do("%one = icmp eq i64 %way, 1")
        t.do("%two = icmp eq i64 %way, 2")
        last = SPACE - 1
        self._loop("u", "start", "%first", "%last")
        index, x = "%u", "%x"
        for i in reversed(range(OUTER)):
            along = t.put(f"urem i64 {index}, %size{i}")
            index = t.put(f"udiv i64 {index}, %size{i}")
            x = self._moved(x, along, f"%step{i}")
        y = self._moved("%y", "%u", "%plane")
        t.do(f"%end = getelementptr i8, ptr {y}, i64 %plane")
        t.do(f"call void @llvm.memset.p0.i64(ptr {y}, i8 0, i64 %plane, i1 false)")
        before, nest = "u.loop", [("turn", "turns", i) for i in range(SPACE)]
        nest += [("row", "rows", i) for i in range(last)]
        for word, counts, i in nest:
            self._loop(f"{word}{i}", before, "0", f"%{counts}{i}")
            before = f"{word}{i}.loop"
            x = self._moved(x, f"%{word}{i}", f"%x_{word}{i}")
            y = self._moved(y, f"%{word}{i}", f"%y_{word}{i}")
        self._row(x, y, last)
        t.label("row.done")
        for word, _, i in reversed(nest):
            self._end(f"{word}{i}")
        self._end("u")
        t.do("ret i32 0")
        head = "define i32 @overlap(ptr %p, i64 %first, i64 %last) {"
        return llvm.module_text([head, *t.lines, "}"], self.declared, [])

    # -- loops: each has one turn or more ------------------------------------------------------
    def _loop(self, name: str, before: str, first: str, count: str) -> None:
        t = self.text
        t.do(f"br label %{name}.loop")
        t.label(f"{name}.loop")
        t.do(f"%{name} = phi i64 [ {first}, %{before} ], [ %{name}.next, %{name}.end ]")
        t.do(f"%{name}.next = add i64 %{name}, 1")
        t.do(f"%{name}.more = icmp ult i64 %{name}.next, {count}")

    def _end(self, name: str) -> None:
        t = self.text
        t.do(f"br label %{name}.end")
        t.label(f"{name}.end")
        t.do(f"br i1 %{name}.more, label %{name}.loop, label %{name}.left")
        t.label(f"{name}.left")

    def _moved(self, base: str, index: str, step: str) -> str:
        t = self.text
        return t.put(f"getelementptr i8, ptr {base}, i64 {t.put(f'mul i64 {index}, {step}')}")

    # -- one row -------------------------------------------------------------------------------
    def _row(self, x: str, y: str, axis: int) -> None:
        """The way that fits. Stores of whole vectors only: after one under a mask, the loads of
        the next row would wait until it is in the cache."""
        t = self.text
        reach = t.put(f"mul i64 %rows{axis}, {2 * self.size}")
        after = t.put(f"getelementptr i8, ptr {y}, i64 {reach}")
        fits = t.put(f"and i1 {t.put(f'icmp ule ptr {after}, %end')}, %two")
        t.do("br i1 %one, label %by1, label %other")
        t.label("other")
        t.do(f"br i1 {fits}, label %by2, label %single")
        self._vectors(x, y, axis, 1)
        self._vectors(x, y, axis, 2)
        t.label("single")
        t.do("br label %number")
        t.label("number")
        t.do("%n = phi i64 [ 0, %single ], [ %n.next, %number ]")
        t.do(f"%n.x = phi ptr [ {x}, %single ], [ %n.x.next, %number ]")
        t.do(f"%n.y = phi ptr [ {y}, %single ], [ %n.y.next, %number ]")
        given = t.put(f"load {self.kind}, ptr %n.x")
        old = t.put(f"load {self.kind}, ptr %n.y")
        t.do(f"store {self.kind} {t.put(f'fadd {self.kind} {old}, {given}')}, ptr %n.y")
        t.do(f"%n.x.next = getelementptr i8, ptr %n.x, i64 %x_row{axis}")
        t.do(f"%n.y.next = getelementptr i8, ptr %n.y, i64 %y_row{axis}")
        t.do("%n.next = add i64 %n, 1")
        t.do(f"br i1 {t.put(f'icmp ult i64 %n.next, %rows{axis}')}, label %number, "
             "label %row.done")  # fmt: skip

    def _vectors(self, x: str, y: str, axis: int, by: int) -> None:
        """A row, `lanes` elements at a time, then what is left in halves, quarters, …"""
        t, whole, rows = self.text, self.lanes, f"%rows{axis}"
        t.label(f"by{by}")
        t.do(f"br label %by{by}.{whole}")
        for width in [whole >> i for i in range(whole.bit_length())]:
            name = f"by{by}.{width}"
            following = f"by{by}.{width // 2}" if width > 1 else "row.done"
            t.label(name)
            if width == whole:
                t.do(f"%{name}.i = phi i64 [ 0, %by{by} ], [ %{name}.next, %{name}.do ]")
                t.do(f"%{name}.next = add i64 %{name}.i, {width}")
                fits = t.put(f"icmp ule i64 %{name}.next, {rows}")
            else:
                fits = t.put(f"icmp ne i64 {t.put(f'and i64 {rows}, {width}')}, 0")
            t.do(f"br i1 {fits}, label %{name}.do, label %{following}")
            t.label(f"{name}.do")
            i = f"%{name}.i" if width == whole else t.put(f"and i64 {rows}, {-2 * width}")
            self._some(self._moved(x, i, str(self.size)),
                       self._moved(y, i, str(by * self.size)), width, by)  # fmt: skip
            t.do(f"br label %{name if width == whole else following}")

    def _some(self, x: str, y: str, width: int, by: int) -> None:
        """So many elements, each followed by zeros where they go to every second place."""
        t, many = self.text, width * by
        given = t.put(f"load <{width} x {self.kind}>, ptr {x}, align {self.size}")
        if by == 2:
            picked = ", ".join([f"i32 {width if i % 2 else i // 2}" for i in range(many)])
            given = t.put(f"shufflevector <{width} x {self.kind}> {given}, <{width} x {self.kind}>"
                          f" zeroinitializer, <{many} x i32> <{picked}>")  # fmt: skip
        old = t.put(f"load <{many} x {self.kind}>, ptr {y}, align {self.size}")
        total = t.put(f"fadd <{many} x {self.kind}> {old}, {given}")
        t.do(f"store <{many} x {self.kind}> {total}, ptr {y}, align {self.size}")
