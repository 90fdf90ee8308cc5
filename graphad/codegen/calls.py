"""How a program calls a native kernel: results are allocated, then filled by one call."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from graphad.codegen.vocabulary import dtype_name
from graphad.ir.variable import Constant, Variable
from graphad.plan.group import Group, Result
from graphad.plan.plan import Step, Value


def arguments(group: Group) -> list[Variable]:
    """The operands in the order of the call; constants that are numbers stand in the code."""
    return [v for v in group.inputs if v.ndim or not isinstance(v, Constant)]


def is_in_order(value: Value, fused: Container[int]) -> bool:
    """Is the array surely in C order? Inputs count as such; the kernel finds out if not."""
    if isinstance(value.variable, Constant):
        return bool(value.variable.value.flags.c_contiguous)
    return value.kind == "input" or value.number in fused or not value.type.ndim


def kernel_lines(
    step: Step, kernel: str, names: dict[Variable, str], results: Sequence[str],
    in_order: Callable[[Variable], bool], imports: set[str],
) -> list[str]:  # fmt: skip
    """Statements of one step; `names` are the expressions of operands."""
    group = step.group
    assert group is not None
    lines = []
    for name, result in zip(results, group.results, strict=True):
        dtype = result.variable.dtype
        kind = "" if dtype == np.float64 else f", {dtype_name(dtype)}"
        imports.update({"empty"} | ({dtype_name(dtype)} if kind else set()))
        lines.append(f"{name} = empty({_shape(group, result, names)}{kind})")
    operands = []
    for variable in arguments(group):
        text = names[variable]
        if not in_order(variable):
            word = dtype_name(variable.dtype)
            imports.update({"ascontiguousarray", word})
            text = f"ascontiguousarray({text}, {word})"  # the kernel reads its memory as such
        operands.append(text)
    lines.append(f"{kernel}({', '.join([*operands, *results])})")
    scalars = [n for n, r in zip(results, group.results, strict=True) if not r.variable.ndim]
    return lines + [f"{name} = {name}[()]" for name in scalars]


def _shape(group: Group, result: Result, names: dict[Variable, str]) -> str:
    """The shape of a result, from operands that run along the same axes."""
    shape = result.variable.type.shape
    if all(isinstance(size, int) for size in shape):
        return str(shape)
    for operand in group.operands:
        if operand.axes == result.axes and operand.variable.type.shape == shape:
            return f"{names[operand.variable]}.shape"
    sizes = []
    for size, axis in zip(shape, result.axes, strict=True):
        if isinstance(size, int) or axis is None:
            sizes.append(str(size))
            continue
        operand = next(o for o in group.operands if axis in o.axes)
        sizes.append(f"{names[operand.variable]}.shape[{operand.axes.index(axis)}]")
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
