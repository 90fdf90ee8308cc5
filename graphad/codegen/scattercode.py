"""Values added at rows of an array, as ``np.add.at`` does it, in machine code.

One small function for each dtype, entered with the arrays themselves. Equal places add up in the
order of the index, so that every bit is NumPy's.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from graphad.codegen import llvm
from graphad.codegen.access import Memory
from graphad.codegen.arrays import layout
from graphad.codegen.sharing import Owner
from graphad.codegen.unfit import Unfit
from graphad.codegen.vectors import Text, element
from graphad.errors import MissingLibraryError

DTYPES = (np.dtype("float64"), np.dtype("float32"))
_INTEGER = np.dtype("int64")
_ALL = slice(None)


def add(total: np.ndarray, index: Any, values: Any) -> bool:
    """``np.add.at(total, index, values)``; False if nothing was done, and NumPy has to do it."""
    found = _rows(total, index)
    if found is None or np.result_type(values) != total.dtype or not _is_possible():
        return False
    rows, into = found
    wanted = rows.shape + into.shape[1:]
    if np.shape(values) != wanted:
        values = np.broadcast_to(values, wanted)
    try:
        each = np.ascontiguousarray(values)
        _function(total.dtype)(into, rows, each, len(into), rows.size if each.size else 0)
        return True
    except Unfit:  # out of range: NumPy tells where
        return False


@functools.cache
def _is_possible() -> bool:
    try:
        llvm.binding()  # what is made here is not kept on disk
        return llvm.width() > 0 and layout() is not None
    except MissingLibraryError:
        return False


def _rows(total: np.ndarray, index: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """(numbers of rows, the array whose rows they count), for arrays of integers that come first
    in the index and slices that take everything."""
    items = index if type(index) is tuple else (index,)
    arrays = [item for item in items if type(item) is np.ndarray]
    if (
        total.dtype not in DTYPES or not total.flags.c_contiguous or not arrays
        or len(items) > total.ndim
        or any([type(item) is not slice or item != _ALL for item in items[len(arrays) :]])
        or any([array.dtype != _INTEGER or array.shape != arrays[0].shape for array in arrays])
    ):  # fmt: skip
        return None
    if len(arrays) == 1:
        return np.ascontiguousarray(arrays[0]), total
    rows: Any = 0
    for array, size in zip(arrays, total.shape, strict=False):
        inside = np.where(array < 0, array + size, array)
        if inside.size and (inside.min() < 0 or inside.max() >= size):
            return None
        rows = rows * size + inside
    return rows, total.reshape(-1, *total.shape[len(arrays) :])


@functools.cache
def _function(dtype: np.dtype) -> Any:
    """``f(total, index, values, rows of total, places of the index)``; raises Unfit."""
    library = llvm.Library(_module(dtype))
    method = llvm.method("add_at", library.address("add_at"))
    return llvm.callable_of(method, Owner(library, [method]))


def _module(dtype: np.dtype) -> str:
    declared = {
        "PyLong_AsLongLong": "declare i64 @PyLong_AsLongLong(ptr)",
        "PyErr_SetNone": "declare void @PyErr_SetNone(ptr)",
        "Py_IncRef": "declare void @Py_IncRef(ptr)",
    }
    lanes = max(2, llvm.width() // 8 // dtype.itemsize)
    t = Text(lanes, declared)
    memory, kind = Memory(t), element(dtype)
    t.label("start")
    objects = [t.put(f"load ptr, ptr {memory.at('%arguments', 8 * i)}") for i in range(5)]
    places = layout()
    assert places is not None
    total, index, values = (t.put(f"load ptr, ptr {memory.at(o, places['data'])}")
                            for o in objects[:3])  # fmt: skip
    rows, count = (t.put(f"call i64 @PyLong_AsLongLong(ptr {o})") for o in objects[3:])
    strides = t.put(f"load ptr, ptr {memory.at(objects[0], places['strides'])}")
    row = t.put(f"load i64, ptr {strides}")
    width = t.put(f"udiv i64 {row}, {dtype.itemsize}")
    t.do(f"br i1 {t.put(f'icmp eq i64 {count}, 0')}, label %done, label %check")
    # all places are looked at before anything is added
    t.label("check")
    t.do("%c = phi i64 [ 0, %start ], [ %c.next, %checked ]")
    inside = _row_of(t, index, "%c", rows)[1]
    t.do(f"br i1 {inside}, label %checked, label %unfit")
    t.label("checked")
    t.do("%c.next = add i64 %c, 1")
    t.do(f"br i1 {t.put(f'icmp ult i64 %c.next, {count}')}, label %check, label %rows")
    t.label("rows")
    t.do("%r = phi i64 [ 0, %checked ], [ %r.next, %row.end ]")
    place = _row_of(t, index, "%r", rows)[0]
    target = memory.at(total, t.put(f"mul i64 {place}, {row}"))
    source = memory.at(values, t.put(f"mul i64 %r, {row}"))
    t.do("br label %row")
    t.label("row")
    t.do("%j = phi i64 [ 0, %rows ], [ %j.next, %row ]")
    mask = memory.mask(width, "%j")
    here, there = (memory.element(base, dtype, "%j") for base in (target, source))
    loaded = [memory.masked_load(p, dtype, mask) for p in (here, there)]
    summed = t.put(f"fadd {t.vector(kind)} {loaded[0]}, {loaded[1]}")
    memory.masked_store(here, dtype, summed, mask)
    t.do(f"%j.next = add i64 %j, {lanes}")
    t.do(f"br i1 {t.put(f'icmp ult i64 %j.next, {width}')}, label %row, label %row.end")
    t.label("row.end")
    t.do("%r.next = add i64 %r, 1")
    t.do(f"br i1 {t.put(f'icmp ult i64 %r.next, {count}')}, label %rows, label %done")
    t.label("done")
    t.do("call void @Py_IncRef(ptr @_Py_NoneStruct)")
    t.do("ret ptr @_Py_NoneStruct")
    t.label("unfit")
    t.do("call void @PyErr_SetNone(ptr @graphad_unfit)")
    t.do("ret ptr null")
    head = "define ptr @add_at(ptr %self, ptr %arguments, i64 %given) {"
    externals = [f"@{name} = external global i8" for name in ("graphad_unfit", "_Py_NoneStruct")]
    return llvm.module_text([head, *t.lines, "}"], declared, externals)


def _row_of(t: Text, index: str, position: str, rows: str) -> tuple[str, str]:
    """The row that the index names, and whether it exists; negative ones count from the end."""
    given = t.put(f"load i64, ptr {t.put(f'getelementptr i64, ptr {index}, i64 {position}')}")
    negative = t.put(f"icmp slt i64 {given}, 0")
    turned = t.put(f"add i64 {given}, {rows}")
    row = t.put(f"select i1 {negative}, i64 {turned}, i64 {given}")
    return row, t.put(f"icmp ult i64 {row}, {rows}")
