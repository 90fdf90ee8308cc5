"""Which nodes a native kernel can compute, and as what: the question that fusion asks.

The answer depends on op and types alone and is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Container

import numpy as np

from graphad.codegen.blockroles import Types, view_source
from graphad.codegen.recording import Unrecordable, recorded
from graphad.codegen.scalars import DTYPES, Builder, Scalar, translate
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.indexing import result_shape
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.op import Op
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable
from graphad.plan.group import Role

FURTHER = 4096  # answers that are remembered


def roles(functions: Container[str]) -> Callable[[Apply], Role | None]:
    """A function node → role, where the vector math library has the given `functions`."""
    known: dict[tuple[Op, Types], Role | None] = {}

    def role(node: Apply) -> Role | None:
        if len(node.types) != 1:
            return None
        key = (node.op, tuple([v.type for v in node.inputs]))
        if key not in known:
            if len(known) >= FURTHER:
                known.clear()
            known[key] = _role(*key, node.types[0], functions)
        found = known[key]
        if found is not None and not all(_is_early(node.inputs[i]) for _, i in found.sizes):
            return None
        return found

    return role


def _is_early(size: Variable) -> bool:
    """Is it the size of an input, which is known before everything else?"""
    owner = size.owner
    return owner is None or (owner.op.name == "dim_size" and owner.inputs[0].owner is None)


def _role(op: Op, types: Types, result: TensorType, functions: Container[str]) -> Role | None:
    source = view_source(op, types, result)
    if source is not None:
        return Role("view", source=source)
    if op.name == "unslice":
        return _pad(op, types, result)
    family = op.family
    if not isinstance(family, Elementwise | Reduction | Scan) or not _suits(types, result):
        return None
    if not _translates(op, types, result, functions):
        return None
    if isinstance(family, Elementwise):
        return Role("map") if result.ndim else None
    if len(types) != 1:
        return None  # where=, initial=
    axis = op.params["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    calls, _ = recorded(op, types)
    reductions = sum(call.function in _REDUCING for call in calls)
    if not axes or not reductions:
        return None
    if isinstance(family, Scan):
        return Role("scan", axes)
    return Role("reduce", axes, bool(op.params["keepdims"]), simple=len(calls) == 1)


_REDUCING = frozenset({"sum", "prod", "max", "min", "any", "all"})


def _suits(types: Types, result: TensorType) -> bool:
    """Dtypes that kernels know; unsigned 64-bit numbers cannot be passed as scalars."""
    if any(t.dtype not in DTYPES for t in (*types, result)):
        return False
    return all(t.ndim or t.dtype != np.uint64 for t in types) and bool(types)


def _translates(op: Op, types: Types, result: TensorType, functions: Container[str]) -> bool:
    builder = Builder()
    loads = [builder.load(i, t.dtype) for i, t in enumerate(types)]
    try:
        translate(builder, op, types, loads, result.dtype)
    except Unrecordable:
        return False
    return all(_available(made, functions) for made in builder.made.values())


def _available(made: Scalar, functions: Container[str]) -> bool:
    return not made.op.startswith("call:") or made.op[5:] in functions


# ---- slices put back -------------------------------------------------------------------------
def _pad(op: Op, types: Types, result: TensorType) -> Role | None:
    """The role of zeros with an array at a slice, for steps of one and bounds known now."""
    index, shape = op.params["index"], result.shape
    unknown = [axis for axis, size in enumerate(op.params["shape"]) if not isinstance(size, int)]
    if not _suits(types[:1], result) or len(types) > 1 + len(unknown):
        return None
    if result_shape(shape, index, iter(())) != types[0].shape:
        return None  # values that are stretched
    source: list[int | None] = []
    starts: list[int | None] = []
    position = 0
    for item in index:
        if item[0] == "slice":
            if item[3] not in (None, 1):
                return None
            whole = types[0].shape[position] == shape[len(source)]
            starts.append(None if whole else item[1] or 0)
            source.append(position)
        elif item[0] == "int":
            starts.append(item[1])
            source.append(None)
        position += item[0] != "int"
    if all(start is None for start in starts):
        return Role("view", source=tuple(source))
    sizes = tuple([(axis, 1 + i) for i, axis in enumerate(unknown)])
    return Role("pad", source=tuple(source), starts=tuple(starts), sizes=sizes)
