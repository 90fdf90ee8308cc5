"""Cheap values are computed again by the groups that read them, instead of being stored.

A value that is a few cheap operations away from arrays outside its group is not worth a pass over
memory to write and another to read it: ``x[:, None] - y`` in both a loss and its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Variable
from graphad.plan.group import Role
from graphad.plan.growing import LARGEST, Growing

MOST = 4  # operations that are worth doing again
CHEAP = frozenset(
    "add subtract multiply negative square abs where maximum minimum astype logical_not "
    "less less_equal greater greater_equal equal not_equal logical_and logical_or "
    "expand_dims squeeze broadcast_to getitem reshape".split()
)


def compute_again(
    graph: Graph, groups: Sequence[Growing], group_of: Mapping[Variable, Growing]
) -> dict[Growing, Growing]:
    """{group: the group that takes its place}, with what it computes again."""
    clients: dict[Variable, list[Apply]] = {}
    for node in graph.nodes:
        for variable in dict.fromkeys(node.inputs):
            clients.setdefault(variable, []).append(node)
    kept = set(graph.outputs)
    replaced: dict[Growing, Growing] = {}
    for group in groups:
        for variable in list(group.axes):
            if variable in kept or variable in group.ends or len(group.frame) < 2:
                continue
            part = _cheap_part(variable, group)
            readers = _readers(variable, group, clients, group_of) if part else []
            made = [_with(replaced.get(r, r), variable, part) for r in readers]
            if made and all(m is not None for m in made):
                replaced.update({r: m for r, m in zip(readers, made, strict=True) if m})
    return replaced


def _cheap_part(variable: Variable, group: Growing) -> list[tuple[Apply, Role]]:
    """The nodes of the group that make a value from outside, operands first; none if it is not
    cheap, or is a number for each row."""
    if sum(a is not None for a in group.axes[variable]) < len(group.frame):
        return []
    roles = dict(zip(group.nodes, group.roles, strict=True))
    found: dict[Apply, None] = {}
    stack = [variable]
    while stack:
        owner = stack.pop().owner
        if owner is None or owner not in roles:
            return []
        if roles[owner].kind not in ("map", "view") or owner.op.name not in CHEAP:
            return []
        found[owner] = None
        if len(found) > MOST:
            return []
        stack += [v for v in owner.inputs if v in group.axes]
    return [(node, roles[node]) for node in group.nodes if node in found]


def _readers(
    variable: Variable, group: Growing, clients: Mapping[Variable, Sequence[Apply]],
    group_of: Mapping[Variable, Growing],
) -> list[Growing]:  # fmt: skip
    """The other groups that read a value; none if something else reads it as well."""
    found: dict[Growing, None] = {}
    for node in clients.get(variable, ()):
        reader = group_of.get(node.output(0))
        if reader is None or not reader.is_sound:
            return []
        if reader is not group:
            found[reader] = None
    return list(found)


def _with(
    reader: Growing, variable: Variable, part: Sequence[tuple[Apply, Role]]
) -> Growing | None:
    """The reader with nodes that make the value again, if it then reads no more large arrays."""
    if len(reader.nodes) + len(part) >= LARGEST or variable in reader.axes:
        return None
    whole = Growing(reader.stage, reader.views)
    nodes = dict(part) | dict(zip(reader.nodes, reader.roles, strict=True))
    for node, role in nodes.items():
        if not whole.add(node, role):
            return None
    whole.again = reader.again | {node for node, _ in part if node not in reader.nodes}
    large = [len(_large(g)) for g in (reader, whole)]
    return whole if large[1] <= large[0] and len(whole.frame) == len(reader.frame) else None


def _large(group: Growing) -> set[Variable]:
    """The operands that run along all axes."""
    return {o.variable for o in group.operands if len(o.along) == len(group.frame)}
