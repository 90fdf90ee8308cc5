"""Which nodes a native kernel can compute, and as what: the question that fusion asks.

The answer depends on op and types alone and is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import DTYPES, Builder, Scalar, recorded, translate
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.op import Op
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply
from graphad.plan.group import Axes, Role

Types = tuple[TensorType, ...]
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
        return known[key]

    return role


def _role(op: Op, types: Types, result: TensorType, functions: Container[str]) -> Role | None:
    source = view_source(op, types, result)
    if source is not None:
        return Role("view", source=source)
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


# ---- views -----------------------------------------------------------------------------------
def view_source(op: Op, types: Types, result: TensorType) -> Axes | None:
    """For each axis of the result the operand's axis, None for a new or stretched one."""
    if op.name not in ("expand_dims", "squeeze", "broadcast_to", "reshape"):
        return None
    own, shape = types[0].shape, result.shape
    if op.name == "broadcast_to":
        lead = len(shape) - len(own)
        pairs = list(zip(own, shape[lead:], strict=True))
        if any(a not in (b, 1) for a, b in pairs):
            return None
        return (*[None] * lead, *[p if a == b else None for p, (a, b) in enumerate(pairs)])
    return _same_but_ones(own, shape)


def _same_but_ones(own: Shape, shape: Shape) -> Axes | None:
    """Axes matched in order where the sizes agree but for ones; None where they do not."""
    rest = [p for p, size in enumerate(own) if size != 1]
    wanted = [size for size in shape if size != 1]
    if [own[p] for p in rest] != wanted:
        return None
    places = iter(rest)
    source: Sequence[int | None] = [None if size == 1 else next(places) for size in shape]
    return tuple(source)
