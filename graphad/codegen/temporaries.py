"""Results inside one formula are written over others that nobody reads any more.

``exp(subtract(minimum(x, 9), y))`` makes three arrays; written as ``t = minimum(x, 9)``,
``subtract(t, y, out=t)``, ``exp(t, out=t)`` it makes one. Fresh memory of a large array comes from
the system page by page, which can take longer than the computing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.codegen.recording import Instruction, Traced
from graphad.codegen.statements import read_by, takes_out
from graphad.codegen.vocabulary import ARRAY
from graphad.errors import ShapeError
from graphad.ir.families.common import broadcast_shapes
from graphad.ir.types import Shape

Kind = tuple[Shape, np.dtype]  # of a result that has memory of its own

_REDUCTIONS = ("max", "min", "sum", "prod")


def write_over(instructions: Sequence[Instruction], result: Traced, last: bool) -> None:
    """Give `out=` to calls that may write over a temporary; `last`: to the last one as well."""
    reads: dict[str, int] = {}
    for i, instruction in enumerate(instructions):
        for traced in read_by(instruction):
            reads[traced.text] = i
    kinds: dict[str, Kind] = {}
    for i, instruction in enumerate(instructions):
        kind = _kind(instruction, kinds)
        if kind is None:
            continue
        kinds[instruction.target] = kind
        ends = i + 1 == len(instructions)
        if not _is_plain_ufunc(instruction) or not kind[0] or (ends and not last):
            continue
        for operand in instruction.arguments:
            if not isinstance(operand, Traced) or kinds.get(operand.text) != kind:
                continue
            if reads[operand.text] == i and operand.text != result.text:
                reads[operand.text] = reads.get(instruction.target, i)
                _put(instructions[i:], result, operand)
                break


def _put(instructions: Sequence[Instruction], result: Traced, operand: Traced) -> None:
    """The first call writes over `operand`, whose name its result has from then on."""
    first, *others = instructions
    old, name = first.target, operand.text
    first.keywords = {"out": Traced(operand.recorder, name)}
    first.target = name
    for traced in [result, *[t for i in others for t in read_by(i)]]:
        if traced.text == old:
            traced.text = name


def _is_plain_ufunc(instruction: Instruction) -> bool:
    name = instruction.function
    return takes_out(name) and name not in ARRAY and not instruction.keywords


def _kind(instruction: Instruction, kinds: dict[str, Kind]) -> Kind | None:
    """Shape and dtype of what a call gives; None where that is not known, or no new array."""
    name, arguments = instruction.function, instruction.arguments
    known = [_operand(a, kinds) for a in arguments]
    if not known or any(k is None for k in known):
        return None
    shapes, dtypes = zip(*[k for k in known if k is not None], strict=True)
    try:
        if name in _REDUCTIONS:
            return _reduced(shapes[0], dtypes[0], instruction)
        if name == "where" and len(dtypes) == 3 and not instruction.keywords:
            found = np.result_type(*[a if isinstance(d, type) else d for a, d in zip(
                arguments[1:], dtypes[1:], strict=True)])  # fmt: skip
            return broadcast_shapes(name, shapes), found
        if not _is_plain_ufunc(instruction) or getattr(np, name).nout != 1:
            return None
        dtype = getattr(np, name).resolve_dtypes((*dtypes, None))[-1]
        return broadcast_shapes(name, shapes), dtype
    except (ShapeError, TypeError, ValueError):
        return None


def _reduced(shape: Shape, dtype: np.dtype, call: Instruction) -> Kind | None:
    """Of a reduction that keeps its axes and its dtype."""
    axis, keywords = call.keywords.get("axis"), call.keywords
    if not keywords.get("keepdims") or dtype.kind != "f" or keywords.get("dtype", dtype) != dtype:
        return None
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(call.arguments) != 1 or not all(isinstance(a, int) for a in axes):
        return None
    own = [a % len(shape) for a in axes]
    return tuple([1 if i in own else size for i, size in enumerate(shape)]), dtype


def _operand(value: Any, kinds: dict[str, Kind]) -> tuple[Shape, Any] | None:
    """Shape and dtype; of Python numbers, which are weak, their class."""
    if isinstance(value, Traced):
        if value.type is not None:
            return value.type.shape, value.type.dtype
        return kinds.get(value.text)
    return ((), type(value)) if type(value) in (int, float, bool, complex) else None
