"""Reading Python's objects in machine code: parts of arrays, numbers, what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphad.codegen.scalars import BOOL
from graphad.codegen.vectors import Text, element

# Of functions that are entered once for a call: making them well takes LLVM as long as making the
# loops, and gains a nanosecond.
PLAINLY = "noinline optnone"
IN_ORDER, ALIGNED = 0x101, 0x100  # NumPy's flags: C-contiguous and aligned

DECLARED = {
    "PyFloat_AsDouble": "declare double @PyFloat_AsDouble(ptr)",
    "PyLong_AsLongLong": "declare i64 @PyLong_AsLongLong(ptr)",
    "PyObject_IsTrue": "declare i32 @PyObject_IsTrue(ptr)",
    "PyErr_NoMemory": "declare ptr @PyErr_NoMemory()",
    "PyErr_SetNone": "declare void @PyErr_SetNone(ptr)",
    "PyErr_Occurred": "declare ptr @PyErr_Occurred()",
    "PyErr_Clear": "declare void @PyErr_Clear()",
    "Py_IncRef": "declare void @Py_IncRef(ptr)",
    "Py_DecRef": "declare void @Py_DecRef(ptr)",
    "PyEval_SaveThread": "declare ptr @PyEval_SaveThread()",
    "PyEval_RestoreThread": "declare void @PyEval_RestoreThread(ptr)",
    "PyObject_CallMethod": "declare ptr @PyObject_CallMethod(ptr, ptr, ptr, ...)",
    "malloc": "declare ptr @malloc(i64)",
    "free": "declare void @free(ptr)",
}
GLOBALS = [
    "@graphad_unfit = external global i8",
    "@_Py_NoneStruct = external global i8",
    '@graphad_share = private constant [6 x i8] c"share\\00"',
    "@graphad_zero = private constant i64 0",
    '@graphad_three = private constant [4 x i8] c"nnn\\00"',
]


class Objects:
    """Writes the reading of arguments; `bad` is true where one is not as expected.

    layout: where an array object keeps its parts, as of `arrays.layout`.
    """

    def __init__(self, text: Text, layout: Mapping[str, int]) -> None:
        self.text, self.layout = text, layout
        self.text.declared.update(DECLARED)
        self.bad = "false"

    def shared(
        self, loops: str, chunks: str, work: str, limits: tuple[int, int],
        failed: Sequence[str], full: str,
    ) -> None:  # fmt: skip
        """Calls ``i32 @loops(ptr %p, first, last)`` for all chunks: alone with the interpreter
        lock, from limits[0] on without it, from limits[1] on shared by threads. Goes on at %done,
        at label `full` if the function gave 1; `failed` is done where threads raised an error."""
        t = self.text
        large = t.put(f"icmp ugt i64 {work}, {limits[1]}")
        several = t.put(f"icmp ugt i64 {chunks}, 1")
        t.do(f"br i1 {t.put(f'and i1 {large}, {several}')}, label %shared, label %alone")
        t.label("shared")
        result = t.put(
            "call ptr (ptr, ptr, ptr, ...) @PyObject_CallMethod(ptr %self, ptr @graphad_share, "
            f"ptr @graphad_three, i64 ptrtoint (ptr @{loops} to i64), "
            f"i64 {t.put('ptrtoint ptr %p to i64')}, i64 {chunks})"
        )
        t.do(f"br i1 {t.put(f'icmp eq ptr {result}, null')}, label %failed, label %shared.done")
        t.label("failed")
        for line in failed:
            t.do(line)
        t.label("shared.done")
        t.do(f"call void @Py_DecRef(ptr {result})")
        t.do("br label %done")
        t.label("alone")
        medium = t.put(f"icmp ugt i64 {work}, {limits[0]}")
        t.do(f"br i1 {medium}, label %unlocked, label %locked")
        run = f"call i32 @{loops}(ptr %p, i64 0, i64 {chunks})"
        t.label("unlocked")
        state = t.put("call ptr @PyEval_SaveThread()")
        first = t.put(run)
        t.do(f"call void @PyEval_RestoreThread(ptr {state})")
        t.do("br label %ran")
        t.label("locked")
        second = t.put(run)
        t.do("br label %ran")
        t.label("ran")
        given = t.put(f"phi i32 [ {first}, %unlocked ], [ {second}, %locked ]")
        t.do(f"br i1 {t.put(f'icmp eq i32 {given}, 0')}, label %done, label %{full}")

    def wrong(self, condition: str) -> None:
        """One more reason not to run."""
        self.bad = self.text.put(f"or i1 {self.bad}, {condition}")

    def argument(self, place: int) -> str:
        """The object at a place among the arguments."""
        return self.field("%arguments", 8 * place)

    def field(self, base: str, offset: int, kind: str = "ptr") -> str:
        """What lies so many bytes after `base`."""
        t = self.text
        place = t.put(f"getelementptr i8, ptr {base}, i64 {offset}")
        return t.put(f"load {kind}, ptr {place}")

    def array(self, one: str, wanted: int) -> tuple[str, str, str]:
        """(data, sizes, strides) of an array that has the flags `wanted`."""
        t = self.text
        flags = self.field(one, self.layout["flags"], "i32")
        order = t.put(f"and i32 {flags}, {wanted}")
        self.wrong(t.put(f"icmp ne i32 {order}, {wanted}"))
        data, sizes, strides = (
            self.field(one, self.layout[k]) for k in ("data", "sizes", "strides")
        )
        return data, sizes, strides

    def number(self, one: str, dtype: np.dtype) -> str:
        """The address of a number, put into memory."""
        t = self.text
        place, kind = t.put("alloca i64"), element(dtype)
        if dtype.kind == "f":
            value = t.put(f"call double @PyFloat_AsDouble(ptr {one})")
            value = t.put(f"fptrunc double {value} to float") if kind == "float" else value
        elif dtype == BOOL:
            truth = t.put(f"call i32 @PyObject_IsTrue(ptr {one})")
            value, kind = t.put(f"trunc i32 {truth} to i8"), "i8"
        else:
            value = t.put(f"call i64 @PyLong_AsLongLong(ptr {one})")
            value = value if kind == "i64" else t.put(f"trunc i64 {value} to {kind}")
        t.do(f"store {kind} {value}, ptr {place}")
        return place

    def no_numbers(self) -> None:
        """Objects that are no numbers are left to NumPy."""
        failed = self.text.put("call ptr @PyErr_Occurred()")
        self.wrong(self.text.put(f"icmp ne ptr {failed}, null"))

    def refuse(self) -> None:
        """Raise `Unfit`."""
        self.text.do("call void @PyErr_Clear()")
        self.text.do("call void @PyErr_SetNone(ptr @graphad_unfit)")
        self.text.do("ret ptr null")

    def finish(self) -> None:
        """Return None."""
        self.text.do("call void @Py_IncRef(ptr @_Py_NoneStruct)")
        self.text.do("ret ptr @_Py_NoneStruct")
