"""Fusion: which nodes share a loop nest, and in which order groups and single nodes run.

Nodes are placed in order. Each value has a *stage*: what a group computes is in its stage, and
can be read outside from the next stage on. A node joins the groups of those operands that are in
its stage; edges within a stage therefore stay within a group, and no cycle can arise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.variable import Apply, Variable
from graphad.plan.group import Group, Role, View, read_by
from graphad.plan.growing import LARGEST, Growing
from graphad.plan.layout import base_of

SIBLINGS = 8  # groups that a group is compared with, so that time stays linear

Roles = Callable[[Apply], Role | None]


def fuse(graph: Graph, roles: Roles) -> list[Apply | Group]:
    """The nodes of a graph in order, those that share a loop nest as groups."""
    placing = _Placing(roles)
    for node in graph.nodes:
        placing.place(node)
    placing.join_siblings()
    if len(placing.groups) > 1:
        again = hooks.load("plan.again").compute_again
        for group, whole in again(graph, list(placing.groups), placing.group_of).items():
            del placing.groups[group]
            placing.groups[whole] = None
    return _in_order(graph, placing)


class _Placing:
    """Which group each node belongs to, and in which stage each value can be read."""

    def __init__(self, roles: Roles) -> None:
        self.roles = roles
        self.stage: dict[Variable, int] = {}
        self.group_of: dict[Variable, Growing] = {}
        self.views: dict[Variable, View] = {}
        self.groups: dict[Growing, None] = {}

    def _stage(self, variable: Variable) -> int:
        """The stage in which a value from outside can be read.

        That of a view counts the sizes that it needs where it is a step of its own."""
        if variable in self.views:
            return self.stage[variable]
        group = self.group_of.get(variable)
        return self.stage.get(variable, 0) if group is None else group.stage + 1

    def _ready(self, node: Apply) -> int:
        """The stage in which a node can run that is no part of a group."""
        return max([self._stage(v) for v in node.inputs], default=0)

    def place(self, node: Apply) -> None:
        role = self.roles(node)
        if role is None or not self._join(node, role):
            self.stage.update(dict.fromkeys(node.outputs, self._ready(node)))

    def _join(self, node: Apply, role: Role) -> bool:
        read = node.inputs[:1] if role.kind in ("view", "pad") else node.inputs
        groups = dict.fromkeys(self.group_of[v] for v in read if v in self.group_of)
        if role.kind in ("view", "pad"):
            self.stage[node.output(0)] = self._ready(node)
            sizes = tuple([(axis, node.inputs[i]) for axis, i in role.sizes])
            self.views[node.output(0)] = View(node.inputs[0], role.source, role.starts, sizes)
            if role.kind == "pad" or not groups:
                return False
        outside = max([self._stage(v) for v in read if v not in self.group_of], default=0)
        stage = max([outside, *[g.stage for g in groups]])
        joined = self._merged([g for g in groups if g.stage == stage], node, role)
        if joined is None and role.kind != "view":
            joined = Growing(max([stage, *[g.stage + 1 for g in groups]]), self.views)
            if not joined.add(node, role):
                return False
            self.groups[joined] = None
        if joined is None:
            return False
        self.group_of[node.output(0)] = joined
        return True

    def _merged(self, groups: Sequence[Growing], node: Apply, role: Role) -> Growing | None:
        """One group with the nodes of all, and this one; None if that is not possible."""
        if not groups:
            return None
        first, *others = sorted(groups, key=lambda g: -len(g.nodes))
        if not others:
            return first if first.add(node, role) else None
        whole = self._together((first, *others))
        if whole is None or not whole.add(node, role):
            return None
        self._replace(groups, whole)
        return whole

    def _together(self, groups: Sequence[Growing]) -> Growing | None:
        """A new group with the nodes of all, if they fit into one."""
        if sum(len(g.nodes) for g in groups) >= LARGEST:
            return None
        whole = Growing(groups[0].stage, self.views)
        for group in groups:
            if not whole.take(group):
                return None
        return whole

    def _replace(self, groups: Sequence[Growing], whole: Growing) -> None:
        for group in groups:
            del self.groups[group]
            self.group_of.update({member.output(0): whole for member in group.nodes})
        self.groups[whole] = None

    def join_siblings(self) -> None:
        """Groups over the same axes that read the same arrays become one.

        Within a stage groups do not depend on each other.
        """
        known: dict[tuple, list[tuple[Growing, set[Variable]]]] = {}
        for group in list(self.groups):
            if not group.is_sound:
                continue
            similar = known.setdefault((group.stage, *group.frame), [])
            arrays = _arrays(group)
            for i, (other, its_arrays) in enumerate(similar):
                whole = self._together((other, group)) if arrays & its_arrays else None
                if whole is not None:
                    self._replace((other, group), whole)
                    similar[i] = whole, arrays | its_arrays
                    break
            else:
                similar.append((group, arrays))
                del similar[:-SIBLINGS]


def _arrays(group: Growing) -> set[Variable]:
    """The arrays that a group reads along its axes; of views those that they show."""
    return {base_of(o.variable) for o in group.operands if o.along}


def _in_order(graph: Graph, placing: _Placing) -> list[Apply | Group]:
    """Groups and single nodes that are needed, each after what it reads."""
    position = {node: i for i, node in enumerate(graph.nodes)}
    members = {
        node.output(0): (group, role)
        for group in placing.groups
        if group.is_sound
        for node, role in zip(group.nodes, group.roles, strict=True)
        if node not in group.again
    }
    units: dict[Growing | Apply, dict[Variable, None]] = {}  # with the results that are read
    stack = [*reversed(graph.outputs)]
    reads: dict[Growing | Apply, list[Variable]] = {}
    unit_of: dict[Variable, Growing | Apply] = {}
    while stack:
        variable = stack.pop()
        if variable.owner is None or variable in unit_of:
            continue
        group, role = members.get(variable, (None, None))
        unit: Growing | Apply = variable.owner
        if group is not None and role is not None and role.kind != "view":
            unit = group
        unit_of[variable] = unit
        units.setdefault(unit, {})[variable] = None
        if unit not in reads:
            if isinstance(unit, Growing):
                reads[unit] = list(read_by(unit.operands))
            else:
                reads[unit] = list(unit.inputs)
            stack += reversed(reads[unit])
    return _sorted(units, reads, unit_of, position)


def _sorted(
    units: dict[Growing | Apply, dict[Variable, None]],
    reads: dict[Growing | Apply, list[Variable]],
    unit_of: dict[Variable, Growing | Apply],
    position: dict[Apply, int],
) -> list[Apply | Group]:
    """Each unit after what it reads; among those that are ready, in the order of the graph."""
    places = {
        unit: max([position[n] for n in unit.nodes])
        if isinstance(unit, Growing)
        else position[unit]
        for unit in units
    }
    needed = {
        unit: dict.fromkeys([unit_of[v] for v in reads[unit] if v in unit_of]) for unit in units
    }
    order = sorted(units, key=places.__getitem__)
    if any([places[other] >= places[unit] for unit in units for other in needed[unit]]):
        order = _when_ready(places, needed)
    finished: list[Apply | Group] = []
    for unit in order:
        if isinstance(unit, Growing):
            wanted = sorted(units[unit], key=lambda v: position[v.owner])  # type: ignore[index]
            finished.append(unit.finish(wanted))
        else:
            finished.append(unit)
    return finished


def _when_ready(
    places: dict[Growing | Apply, int], needed: dict[Growing | Apply, dict[Growing | Apply, None]]
) -> list[Growing | Apply]:
    """The units where groups are read before all of their nodes have been met."""
    import heapq  # few programs have such groups

    readers: dict[Growing | Apply, list[Growing | Apply]] = {unit: [] for unit in places}
    for unit, others in needed.items():
        for other in others:
            readers[other].append(unit)
    missing = {unit: len(others) for unit, others in needed.items()}
    ready = [(place, i, unit) for i, (unit, place) in enumerate(places.items())
             if not missing[unit]]  # fmt: skip
    heapq.heapify(ready)
    order: list[Growing | Apply] = []
    while ready:
        _, _, unit = heapq.heappop(ready)
        order.append(unit)
        for reader in readers[unit]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, (places[reader], len(order) + len(places), reader))
    assert len(order) == len(places)
    return order
