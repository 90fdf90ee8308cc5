"""Which nodes can be computed block by block with NumPy, and as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.codegen.recording import Instruction, Traced, Unrecordable
from graphad.codegen.roles import view_source
from graphad.codegen.scalars import recorded
from graphad.codegen.vocabulary import STATEMENTS
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.op import Op
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply
from graphad.plan.group import Role

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
