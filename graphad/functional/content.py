"""What a traced graph computes, as a key: two traces with equal keys have the same program.

The key covers ops, types and the way they are connected. Values of constants are no part of it:
they are listed beside it, so that a function that captures other arrays, or draws new ones, at
each call finds its program again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from graphad.ir import walk
from graphad.ir.variable import Apply, Constant, Shared, Variable


class Content(NamedTuple):
    """A traced graph: its key, and the leaves that are no inputs."""

    key: tuple
    constants: list[Constant]
    shared: list[Shared]
    others: list[Variable]  # Variables from outside of the function


def content(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Content:
    """The content of the graph from `inputs` to `outputs`."""
    leaves: dict[Variable, int] = {v: i for i, v in enumerate(inputs)}
    places: dict[Apply, int] = {}
    kinds: tuple[list, list, list] = ([], [], [])
    rows: list[Any] = [v.type for v in inputs]

    def reference(v: Variable) -> Any:
        owner = v.owner
        if owner is not None and v not in given:
            place = places[owner]
            return place if v.index == 0 else (place, v.index)
        found = leaves.get(v)
        if found is None:
            found = leaves[v] = len(leaves)
            which = 0 if isinstance(v, Constant) else 1 if isinstance(v, Shared) else 2
            kinds[which].append(v)
            rows.append((which, v.type, v.cell) if isinstance(v, Shared) else (which, v.type))
        return -1 - found

    given = leaves.keys() & {v for v in inputs if v.owner is not None}
    for place, node in enumerate(walk.toposort(outputs, given)):
        rows.append(node.op)
        rows.append(tuple([reference(v) for v in node.inputs]))
        if not node.op.family.memoise:
            rows.append(node.types)
        places[node] = place
    rows.append(tuple([reference(v) for v in outputs]))
    return Content(tuple(rows), *kinds)
