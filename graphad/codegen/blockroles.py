"""Which nodes can be computed block by block with NumPy, and as what."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.recording import Instruction, Traced, Unrecordable, recorded
from graphad.codegen.vocabulary import STATEMENTS
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.op import Op
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply
from graphad.plan.group import Axes, Role

Types = tuple[TensorType, ...]
FULL = ("slice", None, None, None)

COMBINE: dict[str, np.ufunc] = {
    "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
    "any": np.logical_or, "all": np.logical_and,
}  # fmt: skip


def block_role(node: Apply) -> Role | None:
    """How a node takes part in a block; None for those that cannot."""
    if len(node.types) != 1 or not node.inputs:
        return None
    op, types, result = node.op, tuple([v.type for v in node.inputs]), node.types[0]
    source = view_source(op, types, result)
    if source is not None:
        return Role("view", source=source)
    family = op.family
    if not isinstance(family, Elementwise | Reduction | Scan):
        return None
    calls = _calls(op, types)
    if calls is None:
        return None
    if isinstance(family, Elementwise):
        return Role("map") if result.ndim else None
    if len(types) != 1:
        return None  # where=, initial=
    axis = op.params["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not axes or not any(c.function in COMBINE for c in calls):
        return None
    if isinstance(family, Scan):
        return Role("scan", axes)
    return Role("reduce", axes, bool(op.params["keepdims"]), simple=len(calls) == 1)


def _calls(op: Op, types: tuple[TensorType, ...]) -> tuple[Instruction, ...] | None:
    """The calls of the formula; None where it depends on sizes or changes arrays."""
    try:
        calls, _ = recorded(op, types)
    except Unrecordable:
        return None
    for instruction in calls:
        if instruction.function in STATEMENTS or not all(
            _is_simple(a) for a in (*instruction.arguments, *instruction.keywords.values())
        ):
            return None
    return calls


def _is_simple(value: Any) -> bool:
    if isinstance(value, Traced):
        return value.text.isidentifier()
    return not isinstance(value, list | slice | np.ndarray)


def block_roles() -> Callable[[Apply], Role | None]:
    """`block_role`, remembered by op and types."""
    known: dict[Any, Role | None] = {}

    def role(node: Apply) -> Role | None:
        key = (node.op, tuple([v.type for v in node.inputs]))
        if key not in known:
            known[key] = block_role(node)
        return known[key]

    return role


# ---- views -----------------------------------------------------------------------------------
def view_source(op: Op, types: Types, result: TensorType) -> Axes | None:
    """For each axis of the result the operand's axis, None for a new or stretched one."""
    if op.name == "getitem":
        return _inserted(op.params["index"])
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


def _inserted(index: Sequence[tuple]) -> Axes | None:
    """The axes of ``x[:, None]``: an index that takes everything."""
    if not all(item == FULL or item[0] == "new" for item in index):
        return None
    places = itertools.count()
    return tuple([None if item[0] == "new" else next(places) for item in index])
