"""`Scan`: an inner graph applied again and again, what it returns carried to the next step.

    operands  length, [start], carries …, sequences …, captured …
    graph     carries …, rows of the sequences …, captured …  →  carries …, rows …, [go on]
    results   carries after the last step …, rows stacked along axis 0 …, [number of steps]

One op serves scan, while_loop and fori_loop. Its derivatives are scans again, so that any order
follows without unrolling: forward mode carries the tangents beside the values; reverse mode runs
backwards over what a second forward scan recorded (which the compiler merges with the first).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from graphad.errors import ShapeError
from graphad.ir.dims import Dim
from graphad.ir.families import loopflows
from graphad.ir.families.inner import (
    Batch,
    InnerFamily,
    PullBack,
    PushForward,
    Received,
    Run,
    seen_outside,
)
from graphad.ir.families.looprun import layout_of, run_scan
from graphad.ir.graph import Graph, replace
from graphad.ir.hooks import hooks
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Constant, Variable


class Scan(InnerFamily):
    """See the module's docstring; parameters are those of `Layout`, and `graph`."""

    memoise = False

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        graph, layout = params["graph"], layout_of(params)
        carries, rows, captured = layout.divide(types)
        count = layout.count
        if count is None:
            count = rows[0].shape[0]
        inside = [*carries, *[t.with_shape(t.shape[1:]) for t in rows], *captured]
        made = [v.type for v in graph.outputs]
        if any([t is not v.type for t, v in zip(inside, graph.inputs, strict=True)]):
            new = {v: Variable(t) for v, t in zip(graph.inputs, inside, strict=True)}
            made = [v.type for v in replace(graph.outputs, new)]
        for kind, found in zip(carries, made, strict=False):
            if kind is not found:
                if _only_names_differ(graph, inside, layout.carries):
                    made = [v.type for v in graph.outputs]
                    break
                raise ShapeError(f"{self.name}: a carry is {kind}, after a step it is {found}")
        known = {a for t in types for s in t.shape if isinstance(s, Dim) for a in s.atoms()}
        stacked = []
        for t in made[layout.carries : layout.carries + layout.outputs]:
            shape = [seen_outside(s, known) for s in t.shape]
            stacked.append(t.with_shape((count, *shape)))
        steps = [TensorType("int64")] if layout.until else []
        return (*carries, *stacked, *steps)

    def rounds(self, node: Apply) -> Size:
        """The steps, as far as they are known: 1 for a length that only the call tells."""
        layout = layout_of(node.op.params)
        _, rows, _ = layout.divide([v.type for v in node.inputs])
        if layout.count is not None:
            return layout.count
        if rows:
            return rows[0].shape[0]
        length = node.inputs[0]
        return int(length.value) if isinstance(length, Constant) else 1

    def operands_before(self, params: Mapping[str, Any]) -> int | None:
        return layout_of(params).first

    def hands_on(self, params: Mapping[str, Any]) -> Mapping[int, int]:
        found = super().hands_on(params)  # a stack of states is no state
        return {i: given for i, given in found.items() if i < params["carries"]}

    # -- running -------------------------------------------------------------------------------
    def run_with(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, *runs: Run
    ) -> Any:
        layout = layout_of(params)
        results = run_scan(layout, params["graph"], arrays, runs[0])
        return tuple(results) if len(results) != 1 else results[0]

    # -- derivatives ---------------------------------------------------------------------------
    def vjp_with(
        self,
        node: Apply,
        cotangents: Received,
        wanted: Sequence[bool],
        pull_back: PullBack,
        push_forward: PushForward,
    ) -> Received:
        rule = loopflows if node.op.params["keep"] == "all" else hooks.load("ir.families.loopkept")
        found: Received = rule.backward(node, cotangents, wanted, pull_back)
        return found

    def jvp_with(
        self, node: Apply, tangents: Received, push_forward: PushForward, pull_back: PullBack
    ) -> Received:
        rule = hooks.load("ir.families.looptangents")
        found: Received = rule.forward(node, tangents, push_forward)
        return found

    def batch_with(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool], batch: Batch
    ) -> Sequence[Variable] | None:
        stacks = hooks.load("ir.families.loopstacks")
        found: Sequence[Variable] | None = stacks.scan_of_stacks(node, operands, batched, batch)
        return found

    def pared(self, node: Apply, read: Collection[Variable]) -> tuple[Apply, Sequence[Variable]]:
        """Without stacks, whose lengths are different for rows that take different steps."""
        graph, layout = node.op.params["graph"], layout_of(node.op.params)
        first, last = layout.carries, layout.carries + layout.outputs
        if not layout.until or all([v in read for v in node.outputs[first:last]]):
            return node, node.outputs
        kept = [i for i, v in enumerate(node.outputs) if not first <= i < last or v in read]
        small = layout.changed(outputs=len(kept) - layout.carries - 1)
        body = Graph(graph.inputs, [graph.outputs[i] for i in kept])
        made = loopflows.build(self, small, body, node.inputs)[0].owner
        assert made is not None
        return made, [node.output(i) for i in kept]

    def cuts_in(self, params: Mapping[str, Any], position: int) -> bool:
        return position < (2 if params["until"] else 1)

    def label(self, params: Mapping[str, Any]) -> str:
        words = ["while_loop" if params["until"] and not params["rows"] else self.name]
        words += ["backward"] if params["backward"] else []
        return f"{' '.join(words)}({len(params['graph'])} nodes)"


def _only_names_differ(graph: Graph, inside: Sequence[TensorType], carries: int) -> bool:
    """Does a step keep the types of its carries, and are the operands of the types of the body's
    inputs but for sizes that go by other names outside? Those need not agree: what is one size in
    the body may be several to those who do not know that they are equal."""
    pairs = zip(graph.inputs[:carries], graph.outputs, strict=False)
    return all([v.type is made.type for v, made in pairs]) and all(
        [
            v.dtype == t.dtype and v.ndim == t.ndim and not any(
                [isinstance(a, int) and isinstance(b, int) and a != b
                 for a, b in zip(v.type.shape, t.shape, strict=True)])
            for v, t in zip(graph.inputs, inside, strict=True)
        ]
    )  # fmt: skip


SCAN = Scan("scan")
