"""How a program calls a native kernel: results are allocated, then filled by one call."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from graphad.codegen import rooms
from graphad.codegen.vocabulary import dtype_name
from graphad.ir.variable import Constant, Variable
from graphad.plan.group import Group, Result
from graphad.plan.layout import base_of, layout
from graphad.plan.plan import Step, Value


def arguments(group: Group) -> list[Variable]:
    """The operands in the order of the call; constants that are numbers stand in the code."""
    return [v for v in group.inputs if v.ndim or not isinstance(v, Constant)]


def is_in_order(value: Value, fused: Container[int]) -> bool:
    """Is the array surely in C order? Inputs count as such; the kernel finds out if not."""
    if isinstance(value.variable, Constant):
        return bool(value.variable.value.flags.c_contiguous)
    return value.kind == "input" or value.number in fused or not value.type.ndim


def function_for(variable: Variable, group: Group, in_order: Callable[[Variable], bool]) -> str:
    """What brings an operand to the dtype and order in which the kernel reads memory, if anything.

    Views of arrays in order have gaps that are known; the kernel checks them."""
    if not variable.ndim:
        return ""
    kind = group.loose.get(variable) or layout(variable)
    if kind in ("dense", "rows", "strided") and in_order(base_of(variable)):
        needed = kind == "dense" or variable in group.loose
        return "" if needed else "ascontiguousarray"
    return "asarray" if group.loose.get(variable) == "strided" else "ascontiguousarray"


def kernel_lines(
    step: Step, kernel: str, names: dict[Variable, str], results: Sequence[str],
    in_order: Callable[[Variable], bool], writer: Any,
) -> list[str]:  # fmt: skip
    """Statements of one step; `names` are the expressions of operands, `writer` collects what the
    source must have bound."""
    group, imports = step.group, writer.imports
    assert group is not None
    lines = []
    for name, result in zip(results, group.results, strict=True):
        dtype = result.variable.dtype
        kind = "" if dtype == np.float64 else f", {dtype_name(dtype)}"
        imports.update({"empty"} | ({dtype_name(dtype)} if kind else set()))
        shape = _shape(group, result, names)
        made = "empty"
        if shape.endswith(".shape"):
            if not writer.room:
                writer.room = writer.names.unique("room")
                writer.bound[writer.room] = rooms.room
            least = rooms.FROM // dtype.itemsize
            made = f"({writer.room} if {shape[:-6]}.size >= {least} else empty)"
        lines.append(f"{name} = {made}({shape}{kind})")
    operands = []
    for variable in arguments(group):
        text, function = names[variable], function_for(variable, group, in_order)
        if function:
            word = dtype_name(variable.dtype)
            imports.update({function, word})
            text = f"{function}({text}, {word})"
        operands.append(text)
    lines.append(f"{kernel}({', '.join([*operands, *results])})")
    scalars = [n for n, r in zip(results, group.results, strict=True) if not r.variable.ndim]
    return lines + [f"{name} = {name}[()]" for name in scalars]


def _shape(group: Group, result: Result, names: dict[Variable, str]) -> str:
    """The shape of a result, from operands that run along the same axes."""
    shape = result.variable.type.shape
    if all(isinstance(size, int) for size in shape):
        return str(shape)
    sizes = {axis: names[v] for o in group.operands for axis, v in o.sizes}
    for operand in group.operands:
        if operand.windows:
            continue
        if operand.axes == result.axes and operand.variable.type.shape == shape:
            return f"{names[operand.variable]}.shape"
        for position, axis in enumerate(operand.axes):
            if axis is not None:
                sizes.setdefault(axis, f"{names[operand.variable]}.shape[{position}]")
    for operand in group.operands:
        for position, axis in enumerate(operand.axes):
            if axis is not None and axis in operand.covers:
                sizes.setdefault(axis, f"{names[operand.variable]}.shape[{position}]")
    shown = [str(size) if isinstance(size, int) or axis is None else sizes[axis]
             for size, axis in zip(shape, result.axes, strict=True)]  # fmt: skip
    return f"({', '.join(shown)}{',' if len(shown) == 1 else ''})"
