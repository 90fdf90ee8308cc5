"""Programs of scalars as machine code: one C function of floats, entered as METH_FASTCALL.

The counterpart of `floats` for programs that are called often. Nothing raises: infinities and
NaN come out as in NumPy, since the C library's functions are called as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from graphad.codegen import link, llvm
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import BOOL, CALLS, Builder, Scalar, translate
from graphad.codegen.sharing import Owner
from graphad.codegen.vectors import Text
from graphad.ir.variable import Constant
from graphad.plan.plan import Plan

LARGEST = 2000  # instructions
_API = {
    "PyFloat_AsDouble": "declare double @PyFloat_AsDouble(ptr)",
    "PyFloat_FromDouble": "declare ptr @PyFloat_FromDouble(double)",
    "PyBool_FromLong": "declare ptr @PyBool_FromLong(i64)",
    "PyObject_IsTrue": "declare i32 @PyObject_IsTrue(ptr)",
    "PyTuple_New": "declare ptr @PyTuple_New(i64)",
    "PyTuple_SetItem": "declare i32 @PyTuple_SetItem(ptr, i64, ptr)",
}


class Numbers:
    """The program of a scalar plan: `run` takes floats and gives a tuple of floats and bools."""

    bound: dict[str, Any] = {}  # noqa: RUF012  # as of a `Program`: it calls nothing of NumPy's

    def __init__(self, text: str, count: int, cache: bool | str = False) -> None:
        self.text = text
        library = llvm.Library(text, cache)
        method = llvm.method("program", library.address("program"))
        self.run = llvm.callable_of(method, Owner(library, [method]))

    @property
    def source(self) -> str:
        """The module in LLVM's language."""
        return self.text


def generate_numbers(plan: Plan, cache: bool | str = False) -> Numbers | None:
    """The machine code of a scalar plan; None if an op cannot be written so.

    Raises MissingLibraryError without llvmlite.
    """
    llvm.width()
    try:
        builder, inputs, results = _instructions(plan)
        if len(builder.made) > LARGEST:
            return None
        return Numbers(_module(builder, inputs, results), len(inputs), cache)
    except Unrecordable:
        return None


def _instructions(plan: Plan) -> tuple[Builder, list[Scalar], list[Scalar]]:
    builder = Builder()
    values: dict[int, Scalar] = {}
    for value in plan.values:
        if value.kind == "input":
            values[value.number] = builder.load(value.number, value.type.dtype)
        elif isinstance(value.variable, Constant):
            values[value.number] = builder.const(value.variable.value, value.type.dtype)
    inputs = [values[v.number] for v in plan.values if v.kind == "input"]
    for step in plan.steps:
        types = tuple([v.type for v in step.node.inputs])
        operands = [values[n] for n in step.inputs]
        dtype = step.node.types[0].dtype
        values[step.outputs[0]] = translate(builder, step.node.op, types, operands, dtype)
    return builder, inputs, [values[n] for n in plan.outputs]


def _module(builder: Builder, inputs: Sequence[Scalar], results: Sequence[Scalar]) -> str:
    declared = dict(_API)
    t = _Text(1, declared)
    names: dict[Scalar, str] = {}
    t.label("start")
    for i, value in enumerate(inputs):
        place = t.put(f"getelementptr ptr, ptr %arguments, i64 {i}")
        given = t.put(f"load ptr, ptr {place}")
        if value.dtype == BOOL:
            truth = t.put(f"call i32 @PyObject_IsTrue(ptr {given})")
            names[value] = t.put(f"trunc i32 {truth} to i1")
        else:
            names[value] = t.put(f"call double @PyFloat_AsDouble(ptr {given})")
    for value in builder.made.values():
        if value not in names:
            names[value] = t.write(value, [names[a] for a in value.args])
    made = t.put(f"call ptr @PyTuple_New(i64 {len(results)})")
    for i, value in enumerate(results):
        if value.dtype == BOOL:
            wide = t.put(f"zext i1 {names[value]} to i64")
            one = t.put(f"call ptr @PyBool_FromLong(i64 {wide})")
        else:
            one = t.put(f"call ptr @PyFloat_FromDouble(double {names[value]})")
        t.do(f"{t.fresh()} = call i32 @PyTuple_SetItem(ptr {made}, i64 {i}, ptr {one})")
    t.do(f"ret ptr {made}")
    head = "define ptr @program(ptr %self, ptr %arguments, i64 %count) {"
    return llvm.module_text([head, *t.lines, "}"], declared, [])


class _Text(Text):
    """One number at a time; functions are those of the C library."""

    def _call(self, function: str, args: Sequence[str], dtype: Any) -> str:
        if dtype.itemsize != 8 or not has_function(function):
            raise Unrecordable(function)
        given = ", ".join(["double"] * len(args))
        self.declared[function] = f"declare double @{function}({given})"
        return self.put(f"call double @{function}({', '.join(f'double {a}' for a in args)})")


@functools.cache
def has_function(name: str) -> bool:
    """Is this function of the C library there? If so, its place is noted."""
    if name not in CALLS.values() and name != "pow":
        return False
    found = getattr(link.mathematics(), name, None)
    if found is None:
        return False
    link.tell(name, link.address_of(found) or 0)
    return True
