"""Which variables carry derivatives: those that depend on what is differentiated by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from graphad.ir.variable import Apply, Variable


def needed_by(node: Apply, live: Collection[Variable]) -> list[bool]:
    """For each operand of a node: does a derivative go on from there?"""
    cuts = node.op.cuts
    return [v in live and not cuts(i) for i, v in enumerate(node.inputs)]


def carriers(
    order: Sequence[Apply], wrt: Iterable[Variable], barrier: frozenset[Variable] = frozenset()
) -> set[Variable]:
    """The variables that depend differentiably on `wrt`, themselves included."""
    live: set[Variable] = set(wrt)
    chance: list[Apply] = []
    for node in order:
        for i, v in enumerate(node.inputs):
            if v in live and not node.op.cuts(i):
                live.update([v for v in node.outputs if v.type.is_float and v not in barrier])
                if node.op.family.refuse is not None:
                    chance.append(node)
                break
    if chance:
        read = {v for node in order for v in node.inputs}
        for node in chance:
            node.op.family.refuse(node, read)  # type: ignore[misc]
    return live
