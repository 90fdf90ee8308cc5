"""A scan taken apart: its operands with what stands for them inside, and its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphad.ir.families.loopflows import build
from graphad.ir.families.looprun import Layout, layout_of
from graphad.ir.families.loops import Scan
from graphad.ir.graph import Graph, replace
from graphad.ir.variable import Apply, Constant, Variable, rebuild
from graphad.records import Record


class Parts(Record):
    """A scan by roles: (variable of the body, operand) pairs, and outputs."""

    layout: Layout
    head: tuple[Variable, ...]
    carries: tuple[tuple[Variable, Variable, Variable], ...]  # inside, operand, after the step
    rows: tuple[tuple[Variable, Variable], ...]
    captured: tuple[tuple[Variable, Variable], ...]
    stacked: tuple[Variable, ...]
    going: tuple[Variable, ...]

    @property
    def outputs(self) -> list[Variable]:
        """The outputs of the body."""
        return [*[new for _, _, new in self.carries], *self.stacked, *self.going]

    def with_outputs(self, outputs: Sequence[Variable]) -> Parts:
        """The same inputs with other outputs."""
        c, s = len(self.carries), len(self.stacked)
        carries = [(v, o, new) for (v, o, _), new in zip(self.carries, outputs, strict=False)]
        return self._replace(carries=tuple(carries), stacked=tuple(outputs[c : c + s]),
                       going=tuple(outputs[c + s :]))  # fmt: skip

    @property
    def inputs(self) -> list[Variable]:
        """The inputs of the body."""
        pairs = [*[(v, o) for v, o, _ in self.carries], *self.rows, *self.captured]
        return [v for v, _ in pairs]

    def body(self) -> Graph:
        """The body as a graph."""
        return Graph(self.inputs, self.outputs)

    def rebuilt(self, family: Any) -> list[Variable]:
        """The results of a scan made of these parts."""
        layout = self.layout.changed(carries=len(self.carries), rows=len(self.rows),
                         outputs=len(self.stacked))  # fmt: skip
        operands = [o for _, o, _ in self.carries] + [o for _, o in (*self.rows, *self.captured)]
        return list(build(family, layout, self.body(), [*self.head, *operands]))


def parts_of(node: Apply) -> Parts:
    """The parts of a scan."""
    layout, graph = layout_of(node.op.params), node.op.params["graph"]
    c, r = layout.carries, layout.rows
    pairs = list(zip(graph.inputs, node.inputs[layout.first :], strict=True))
    if layout.count is None:
        layout = layout.changed(count=pairs[c][1].type.shape[0])
    carries = [(v, o, new) for (v, o), new in zip(pairs[:c], graph.outputs, strict=False)]
    return Parts(
        layout, node.inputs[: layout.first], tuple(carries), tuple(pairs[c : c + r]),
        tuple(pairs[c + r :]), graph.outputs[c : c + layout.outputs],
        graph.outputs[c + layout.outputs :],
    )  # fmt: skip


def swapped(graph: Graph, new: Mapping[Variable, Variable]) -> Graph:
    """The graph with variables replaced by others of the same type."""
    return Graph(graph.inputs, replace(graph.outputs, new)) if new else graph


def same_value(a: Variable, b: Variable) -> bool:
    """Are two variables one, or constants of the same bits?"""
    if a is b:
        return True
    if not isinstance(a, Constant) or not isinstance(b, Constant):
        return False
    return a.type is b.type and a.value.tobytes() == b.value.tobytes()


def loops_in(graph: Graph) -> list[Apply]:
    """The scans of a graph, each after those that it depends on."""
    return [node for node in graph.nodes if isinstance(node.op.family, Scan)]


def again(node: Apply, new: dict[Variable, Variable]) -> Apply:
    """The node on what its operands have become."""
    operands = tuple([new.get(v, v) for v in node.inputs])
    if all([a is b for a, b in zip(operands, node.inputs, strict=True)]):
        return node
    made = rebuild(node, operands)
    for old, output in zip(node.outputs, made.outputs, strict=True):
        output.name = old.name
    return made
