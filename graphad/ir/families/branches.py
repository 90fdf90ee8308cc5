"""`Switch`: several inner graphs on the same operands, of which one runs.

    operands  index (an integer or a bool), the operands of all graphs …
    results   those of the graph that the index chooses

Derivatives are switches with the same index: they contain what they need of the chosen graph once
more. What the chosen graph does not use receives exact zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphad.errors import IndexingError
from graphad.ir import walk
from graphad.ir.dims import Dim
from graphad.ir.families.inner import (
    Batch,
    InnerFamily,
    PullBack,
    PushForward,
    Received,
    Run,
    marked,
    seeded,
    seen_outside,
    silent,
)
from graphad.ir.families.movement import zeros_for
from graphad.ir.graph import Graph, replace
from graphad.ir.hooks import hooks
from graphad.ir.op import MASKED, Op
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Variable, apply


class Switch(InnerFamily):
    """Parameter `branches`: the graphs, all with the same inputs and types of outputs."""

    memoise = False

    def _hazard(self, params: Mapping[str, Any]) -> int:
        return MASKED | super()._hazard(params)  # what is not chosen receives zeros

    def graphs(self, params: Mapping[str, Any]) -> tuple[Graph, ...]:
        found: tuple[Graph, ...] = params["branches"]
        return found

    def operands_before(self, params: Mapping[str, Any]) -> int | None:
        return 1

    def titles(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple([f"branch {i}" for i in range(len(params["branches"]))])

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        made = [self._types(graph, types[1:]) for graph in params["branches"]]
        known = {a for t in types for s in t.shape if isinstance(s, Dim) for a in s.atoms()}
        found = []
        for types_of_one in zip(*made, strict=True):
            sizes = [_common(s) for s in zip(*[t.shape for t in types_of_one], strict=True)]
            found.append(types_of_one[0].with_shape([seen_outside(s, known) for s in sizes]))
        return tuple(found)

    def _types(self, graph: Graph, types: Sequence[TensorType]) -> list[TensorType]:
        """What a branch gives for operands of these types."""
        made = graph.outputs
        if any([t is not v.type for t, v in zip(types, graph.inputs, strict=True)]):
            new = {v: Variable(t) for v, t in zip(graph.inputs, types, strict=True)}
            made = tuple(replace(made, new))
        return [v.type for v in made]

    def run_with(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, *runs: Run
    ) -> Any:
        chosen = int(arrays[0])
        if not 0 <= chosen < len(runs):
            raise IndexingError(
                f"switch: index {chosen} with {len(runs)} branches",
                remedy=f"the index is 0 … {len(runs) - 1}; limit it with ga.clip",
            )
        results = tuple(runs[chosen](arrays[1:]))
        return results if len(results) != 1 else results[0]

    def cuts(self, position: int) -> bool:
        return position == 0

    def label(self, params: Mapping[str, Any]) -> str:
        return f"{self.name}({' | '.join([str(len(g)) for g in params['branches']])} nodes)"

    def vjp_with(
        self,
        node: Apply,
        cotangents: Received,
        wanted: Sequence[bool],
        pull_back: PullBack,
        push_forward: PushForward,
    ) -> Received:
        branches: tuple[Graph, ...] = node.op.params["branches"]
        parts = []
        for graph in branches:
            starts, pairs = seeded(graph.outputs, cotangents)
            targets = [v for v, w in zip(graph.inputs, wanted[1:], strict=True) if w]
            found = pull_back(starts, targets, ())
            asked = [found.get(v) for v in graph.inputs]
            parts.append((graph, pairs, asked, graph.inputs))
        return [None, *_again(node, parts)]

    def batch_with(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool], batch: Batch
    ) -> Sequence[Variable] | None:
        stacks = hooks.load("ir.families.loopstacks")
        if batched[0]:
            found: list[Variable] | None = stacks.choice_of_stacks(node, operands, batched, batch)
            return found
        op = Op(self, {"branches": stacks.branches_of_stacks(node, operands, batched, batch)})
        results = apply(op, tuple(operands))
        return results if isinstance(results, tuple) else (results,)

    def jvp_with(
        self, node: Apply, tangents: Received, push_forward: PushForward, pull_back: PullBack
    ) -> Received:
        parts = []
        for graph in node.op.params["branches"]:
            starts, pairs = seeded(graph.inputs, tangents[1:])
            parts.append((graph, pairs, push_forward(starts, graph.outputs), graph.outputs))
        return _again(node, parts)


def _common(sizes: Sequence[Size]) -> Size:
    """The size that all branches give; if they differ, it is known at run time."""
    same = all([size == sizes[0] for size in sizes])
    return sizes[0] if same else Dim.anonymous()


def _again(node: Apply, parts: Sequence[tuple]) -> Received:
    """A switch of what each branch asks for: (graph, (variable, operand) pairs, asked, like).

    Where some branch asks for it, the others give zeros like the variables `like`.
    """
    count = len(parts[0][2])
    kept = [i for i in range(count) if any([asked[i] is not None for _, _, asked, _ in parts])]
    if not kept:
        return [None] * count
    made = []
    for graph, pairs, asked, like in parts:
        values = dict([*zip(graph.inputs, node.inputs[1:], strict=True), *pairs])
        outputs = [zeros_for(like[i]) if asked[i] is None else asked[i] for i in kept]
        made.append((silent(outputs), values))
    results = iter(switch(node.inputs[0], made))
    return [next(results) if i in kept else None for i in range(count)]


SWITCH = Switch("switch")


def switch(
    index: Variable, branches: Sequence[tuple[Sequence[Variable], Mapping[Variable, Variable]]]
) -> tuple[Variable, ...]:
    """The results of the chosen branch; a branch is (its outputs, variable in them → operand).

    Operands that branches share are handed over once, and those that none of them uses not at all.
    """
    operands: dict[Variable, None] = {}
    for outputs, values in branches:
        for leaf in walk.leaves(outputs, frozenset(values)):
            if leaf in values:
                operands.setdefault(values[leaf])
    inputs = {operand: Variable(operand.type, name=operand.name) for operand in operands}
    graphs = []
    for outputs, values in branches:
        inside = {v: marked(inputs[o], o) for v, o in values.items() if o in inputs}
        graphs.append(Graph(inputs.values(), replace(outputs, inside)))
    op = Op(SWITCH, {"branches": tuple(graphs)})
    results = apply(op, (index, *inputs))
    return results if isinstance(results, tuple) else (results,)
