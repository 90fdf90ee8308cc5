"""A graph as boxes and arrows, before it becomes DOT or Mermaid.

    target  →  Outline (what there is)  →  groups (collapse.py)  →  Picture (what is drawn)

Arrows run along the data, from a leaf or op to the op that reads it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Variable
from graphad.viz import labels
from graphad.viz.chain import Chain
from graphad.viz.collapse import Group, Spot, partition
from graphad.viz.inner import opened
from graphad.viz.parts import Arrow, Box, Picture, Together
from graphad.viz.target import graph_of, output_names


class Outline:
    """The graph of a target by numbers: who reads what, and which constants are drawn in place."""

    def __init__(self, target: Any) -> None:
        self.graph: Graph = graph_of(target)
        self.heat: Mapping[Apply, float] | None = getattr(target, "heat", None)
        self.kernels: Mapping[Apply, str] = getattr(target, "kernels", {})
        self.names = output_names(target)
        self.nodes = self.graph.nodes
        self.producer: dict[Variable, int] = {}
        for i, node in enumerate(self.nodes):
            for output in node.outputs:
                self.producer[output] = i
        for variable in self.graph.inputs:
            self.producer.pop(variable, None)
        self.fed = frozenset(self.graph.inputs)
        self.leaves = list(self.graph.inputs)
        self.readers: dict[Variable, list[int]] = {v: [] for v in self.leaves}
        self.drawn = [self._operands(i) for i in range(len(self.nodes))]
        for variable in self.graph.outputs:
            if variable not in self.producer and variable not in self.readers:
                self._add_leaf(variable)
        self.spots = self._spots()

    def _add_leaf(self, variable: Variable) -> None:
        self.leaves.append(variable)
        self.readers[variable] = []

    def _operands(self, i: int) -> list[tuple[int, Variable]]:
        """(position, variable) of the operands that get an arrow."""
        found = []
        for position, variable in enumerate(self.nodes[i].inputs):
            if variable not in self.producer:
                if variable not in self.fed and labels.scalar_text(variable) is not None:
                    continue
                if variable not in self.readers:
                    self._add_leaf(variable)
                self.readers[variable].append(i)
            found.append((position, variable))
        return found

    def _spots(self) -> list[Spot]:
        orders: dict[Apply, int] = {}
        spots: list[Spot] = []
        for node, operands in zip(self.nodes, self.drawn, strict=True):
            sources = tuple([self.producer[v] for _, v in operands if v in self.producer])
            order = derivative_order(node, orders)
            reach = max([order, *[spots[s].reach for s in sources]])
            scope = tuple([part for part in node.scope.split("/") if part])
            if node in self.kernels:
                scope = (Together(self.kernels[node]), *scope)
            spots.append(Spot(node.op.name, scope, order, reach, sources))
        return spots

    def scalars(self, i: int) -> dict[int, str]:
        """The constants written inside the label of node i, by input position."""
        shown = {position for position, _ in self.drawn[i]}
        return {
            position: labels.scalar_text(variable) or ""
            for position, variable in enumerate(self.nodes[i].inputs)
            if position not in shown
        }


def derivative_order(node: Apply, known: dict[Apply, int]) -> int:
    """How many derivatives lead to this node: 0 for what the user wrote."""
    chain: list[Apply] = []
    while node not in known and node.origin is not None:
        chain.append(node)
        node = node.origin
    order = known.setdefault(node, 0)
    for derived in reversed(chain):
        order += 1
        known[derived] = order
    return order


def draw(
    target: Any, collapse: str = "auto", max_nodes: int = 150, derivatives: Any = None
) -> Picture:
    """The picture of a target with at most about `max_nodes` boxes (any number for "none").

    derivatives: None, "expression" or {input: value}: the chain rule on the arrows.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> [box.lines for box in draw(x * 2.0).boxes]
    [('multiply(·, 2.0)',), ('x',), ('output',)]
    """
    outline = Outline(target)
    others = len(outline.leaves) + len(outline.graph.outputs)
    groups = partition(outline.spots, others, collapse, max_nodes)
    chain = None if derivatives is None else Chain(outline.graph, derivatives)
    draughtsman = _Draughtsman(outline, groups, max_nodes, collapse == "none", chain)
    picture = draughtsman.picture()
    if collapse not in ("auto", "none"):
        return picture
    room = max_nodes if collapse == "auto" else None
    return opened(picture, draughtsman.single, lambda g, n: draw(g, collapse, max(n, 1)), room)


class _Draughtsman:
    """Makes boxes of groups, leaves and outputs, and arrows between them."""

    def __init__(
        self,
        outline: Outline,
        groups: Sequence[Group],
        max_nodes: int,
        everything: bool,
        chain: Chain | None,
    ) -> None:
        self.outline, self.groups, self.limit, self.chain = outline, groups, max_nodes, chain
        self.collapsed = not everything and len(groups) < len(outline.nodes)
        self.crowded = not everything and len(outline.leaves) > max(max_nodes // 3, 1)
        self.where = {i: g for g, group in enumerate(groups) for i in group.members}
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.leaf_box: dict[Variable, str] = {}
        self.single: dict[str, Apply] = {}  # the nodes of boxes that stand for one

    def picture(self) -> Picture:
        for g, group in enumerate(self.groups):
            self.boxes.append(self._group_box(g, group))
        self._leaves()
        self._operand_arrows()
        self._outputs()
        return Picture(tuple(self.boxes), tuple(self.arrows), len(self.outline.nodes))

    # -- ops ----------------------------------------------------------------------------------
    def _group_box(self, g: int, group: Group) -> Box:
        nodes = [self.outline.nodes[i] for i in group.members]
        share, told = self._heat(nodes)
        if len(nodes) > 1:
            outermost = group.is_scope and not group.path
            title = labels.phase_title(group.title, group.order) if outermost else group.title
            lines = (labels.visible(title), *group.notes, *labels.tally(nodes), *told)
            return Box(f"g{g}", "group", group.order, lines, group.path, heat=share)
        self.single[f"g{g}"] = nodes[0]
        names = self.chain.names if self.chain is not None else {}
        said = labels.op_lines(nodes[0], self.outline.scalars(group.members[0]), names)
        said += [*self._values(nodes[0].outputs), *told]
        return Box(f"g{g}", "op", group.order, tuple(said), group.path, op_tip(nodes[0]), share)

    def _values(self, variables: Sequence[Variable]) -> list[str]:
        """Lines with the values at the point of the chain rule, if there is one."""
        chain = self.chain
        return [] if chain is None else [t for v in variables if (t := chain.value(v))]

    def _heat(self, nodes: Sequence[Apply]) -> tuple[float | None, list[str]]:
        """The share of the time that nodes take, and a line that tells it."""
        heat = self.outline.heat
        if heat is None:
            return None, []
        seconds, total = sum(heat.get(node, 0.0) for node in nodes), sum(heat.values())
        share = seconds / total if total else 0.0
        return share, [f"{seconds * 1e6:,.3g} µs, {share:.0%}"] if seconds else []

    # -- leaves -------------------------------------------------------------------------------
    def _leaves(self) -> None:
        """One box for each leaf; where there are too many, one for those read by the same boxes.

        In a collapsed picture a constant that only one collapsed box reads is left out.
        """
        bundles: dict[tuple, list[Variable]] = {}
        fed, ends = self.outline.fed, frozenset(self.outline.graph.outputs)
        for variable in self.outline.leaves:
            kind = labels.kind_of(variable, variable in fed)
            readers = frozenset([self.where[i] for i in self.outline.readers[variable]])
            inner = len(readers) == 1 and self.boxes[next(iter(readers))].kind == "group"
            if kind == "constant" and inner and variable not in ends:
                continue
            key = (kind, readers) if self.crowded else (kind, variable)
            bundles.setdefault(key, []).append(variable)
        if not self.crowded or len(bundles) <= max(self.limit // 3, 1):
            merged = bundles
        else:
            merged = {}
            for (kind, _), members in bundles.items():
                merged.setdefault((kind,), []).extend(members)
        for (kind, *_), members in merged.items():
            self._leaf_box(kind, members)

    def _leaf_box(self, kind: str, members: Sequence[Variable]) -> None:
        key = f"v{len(self.boxes)}"
        lines = labels.leaf_lines(members[0])
        if len(members) > 1:
            noun = {"shared": "shared variable"}.get(kind, kind)
            names = [labels.visible(v.name) for v in members if v.name]
            span = [names[0], "…", names[-1]] if len(names) > 1 else names
            lines = [labels.plural(len(members), noun), labels.visible(" ".join(span))]
        elif self.chain is not None:
            lines = [*lines, *self._values(members)]
        lines = [line for line in lines if line]
        path = self._home(members) if kind != "input" else ()
        self.boxes.append(Box(key, kind, 0, tuple(lines), path))
        for variable in members:
            self.leaf_box[variable] = key

    def _home(self, members: Iterable[Variable]) -> tuple[str, ...]:
        """The innermost cluster around all forward boxes that read the leaves."""
        paths: set[tuple[str, ...]] = set()
        for variable in members:
            for i in self.outline.readers[variable]:
                if self.outline.spots[i].order == 0:
                    paths.add(self.groups[self.where[i]].path)
        if not paths:
            return ()
        shared, *rest = paths
        for path in rest:
            same = [a == b for a, b in zip(shared, path, strict=False)]
            shared = shared[: [*same, False].index(False)]
        return shared

    # -- arrows -------------------------------------------------------------------------------
    def _source(self, variable: Variable) -> str | None:
        """The box that a variable comes out of; None for a constant that is left out."""
        if variable in self.outline.producer:
            return self.boxes[self.where[self.outline.producer[variable]]].key
        return self.leaf_box.get(variable)

    def _operand_arrows(self) -> None:
        bundles: dict[tuple[str, str], dict[Variable, None]] = {}
        for i, operands in enumerate(self.outline.drawn):
            node, head = self.outline.nodes[i], self.boxes[self.where[i]]
            ordered = len(operands) > 1 and node.op.name not in labels.SYMMETRIC
            for position, variable in operands:
                tail = self._source(variable)
                if tail is None or tail == head.key:
                    continue
                if head.kind == "op" and not self._is_bundle(variable):
                    mark = f"{position}: " if ordered else ""
                    note = self.chain.edge(node, position) if self.chain is not None else ""
                    text = "" if note and not variable.ndim else mark + self._text([variable])
                    self.arrows.append(Arrow(tail, head.key, text, note))
                else:
                    bundles.setdefault((tail, head.key), {})[variable] = None
        for (tail, key), variables in bundles.items():
            self.arrows.append(Arrow(tail, key, self._text(list(variables))))

    def _text(self, variables: Sequence[Variable]) -> str:
        """Type of a variable, and which output of its op it is; the number of several."""
        first, types = variables[0], {variable.type for variable in variables}
        if len(types) > 1:
            return labels.plural(len(variables), "array")
        if len(variables) > 1:
            return f"{len(variables)} × {labels.type_text(first.type)}"
        made = self.outline.producer.get(first)
        several = made is not None and len(self.outline.nodes[made].types) > 1
        return labels.type_text(first.type) + (f" (output {first.index})" if several else "")

    def _is_bundle(self, variable: Variable) -> bool:
        """Does the variable come out of a box that stands for several?"""
        if variable in self.outline.producer:
            return self.boxes[self.where[self.outline.producer[variable]]].kind == "group"
        return self.crowded

    # -- outputs ------------------------------------------------------------------------------
    def _outputs(self) -> None:
        """One box for each output; where there are too many, one for each box they come from."""
        pairs = list(zip(self.outline.graph.outputs, self.outline.names, strict=True))
        room = max(self.limit // 6, 1)
        crowded = (self.collapsed or self.crowded) and len(pairs) > room
        bundles: dict[Any, list[tuple[Variable, str]]] = {}
        for place, (variable, name) in enumerate(pairs):
            key = self._source(variable) if crowded else place
            bundles.setdefault(key, []).append((variable, name))
        if crowded and len(bundles) > room:
            bundles = {0: pairs}
        for members in bundles.values():
            self._output_box(members)

    def _output_box(self, members: Sequence[tuple[Variable, str]]) -> None:
        key = f"o{len(self.boxes)}"
        names = [labels.visible(name) for _, name in members]
        lines = names if len(names) == 1 else [
            labels.plural(len(names), "output"), labels.visible(f"{names[0]} … {names[-1]}")
        ]  # fmt: skip
        self.boxes.append(Box(key, "output", 0, tuple(lines)))
        tails: dict[str, dict[Variable, None]] = {}
        for variable, _ in members:
            tail = self._source(variable)
            if tail is not None:
                tails.setdefault(tail, {})[variable] = None
        for tail, variables in tails.items():
            self.arrows.append(Arrow(tail, key, self._text(list(variables))))


# ---- tips ----------------------------------------------------------------------------------
def op_tip(node: Apply) -> str:
    """What a picture shows when the pointer rests on an op: the op in full, and its line."""
    site = node.site
    where = f" at {os.path.basename(site.filename)}:{site.line}" if site else ""
    origin = f", gradient of {node.origin.op.name}" if node.origin is not None else ""
    return labels.visible(f"{node.op}{where}{origin}", 200)
