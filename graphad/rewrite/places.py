"""Rules for indices: those that take everything, and sums with an array that is mostly zeros."""

from __future__ import annotations

from typing import Any

from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.pattern import Rule

_ALL = ("slice", None, None, None)


def _new_axes(node: Apply) -> tuple[int, ...] | None:
    """The axes that an index inserts, if it does nothing else."""
    index = node.op.params["index"]
    if not all(item == _ALL or item[0] == "new" for item in index):
        return None
    return tuple([i for i, item in enumerate(index) if item[0] == "new"])


def _inserted(node: Apply, context: Any) -> Variable | None:
    axes = _new_axes(node)
    return OPS["expand_dims"](node.inputs[0], axes) if axes else None


def _removed(node: Apply, context: Any) -> Variable | None:
    axes, x = _new_axes(node), node.inputs[0]
    return OPS["squeeze"](x, axes) if axes and len(node.op.params["index"]) == x.ndim else None


def _added_there(node: Apply, context: Any) -> Variable | None:
    """No array of zeros is made, and no pass over it: only the places of the index are touched."""
    for x, scattered in (node.inputs, node.inputs[::-1]):
        owner = scattered.owner
        if owner is None or owner.op.name != "scatter_add" or x.type is not scattered.type:
            continue
        if x.owner is None or x.owner.op.name in ("broadcast_to", "scatter_add"):
            continue  # a copy of x would be needed
        values, sizes = owner.inputs[0], owner.op.params["shape"]
        operands = owner.inputs[1 + sum(not isinstance(size, int) for size in sizes) :]
        add: Any = OPS.families["index_add"]
        found: Variable = add(x, values, *operands, index=owner.op.params["index"])
        return found
    return None


# fmt: off
PLACES = [
    Rule("x[:, None] -> expand_dims(x)", "getitem", _inserted),
    Rule("unslice(x, [:, None]) -> squeeze(x)", "unslice", _removed),
    Rule("x + scatter_add(v, i) -> index_add(x, i, v)", "add", _added_there, "rounding"),
]
# fmt: on
