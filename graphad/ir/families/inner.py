"""Ops that hold an inner graph: what runs it, and what differentiates it, is passed in.

`map_rows` applies an inner graph to each row of some operands: the building block of Jacobians.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphad.errors import ShapeError
from graphad.ir import walk
from graphad.ir.evaluate import evaluate
from graphad.ir.families.common import Declared
from graphad.ir.graph import Graph, replace
from graphad.ir.op import OPS
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Variable, apply

PullBack = Callable[[Mapping[Variable, Variable], Sequence[Variable], Any], dict[Variable, Any]]
Run = Callable[[Sequence[Any]], Sequence[Any]]


class InnerFamily(Declared):
    """An op whose parameter `graph` is an inner Graph. Abstract."""

    foldable = False

    @abstractmethod
    def run_with(self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, run: Run) -> Any:
        """The outputs, computed by calling `run(arrays of the inner inputs)`."""

    @abstractmethod
    def vjp_with(
        self,
        node: Apply,
        cotangents: Sequence[Variable | None],
        wanted: Sequence[bool],
        pull_back: PullBack,
    ) -> Sequence[Variable | None]:
        """The vector-Jacobian product, with `pull_back` to differentiate the inner graph."""

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        graph = params["graph"]
        return self.run_with(arrays, params, xp, lambda values: evaluate(graph, values))

    def label(self, params: Mapping[str, Any]) -> str:
        return f"{self.name}({len(params['graph'])} nodes)"


class MapRows(InnerFamily):
    """The inner graph applied to rows: its first `mapped` inputs run over axis 0 of the operands,
    the others are the same for each row; outputs are stacked along axis 0."""

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        count = types[0].shape[0]
        for t in types[1 : params["mapped"]]:
            if t.shape[0] != count and isinstance(count, int) and isinstance(t.shape[0], int):
                raise ShapeError(f"map_rows: operands with {count} and {t.shape[0]} rows")
        return tuple([v.type.with_shape((count, *v.type.shape)) for v in params["graph"].outputs])

    def run_with(self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, run: Run) -> Any:
        graph, mapped = params["graph"], params["mapped"]
        rest = list(arrays[mapped:])
        rows = len(arrays[0])
        outputs: list[Any] = []
        for i in range(rows):
            results = run([array[i] for array in arrays[:mapped]] + rest)
            if not outputs:
                outputs = [xp.empty((rows, *xp.shape(r)), v.dtype)
                           for r, v in zip(results, graph.outputs, strict=True)]  # fmt: skip
            for output, result in zip(outputs, results, strict=True):
                output[i] = result
        if not rows:  # a row of zeros tells the sizes
            blank = [xp.zeros(array.shape[1:], array.dtype) for array in arrays[:mapped]]
            outputs = [xp.empty((0, *xp.shape(r)), v.dtype)
                       for r, v in zip(run(blank + rest), graph.outputs, strict=True)]  # fmt: skip
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def vjp_with(
        self,
        node: Apply,
        cotangents: Sequence[Variable | None],
        wanted: Sequence[bool],
        pull_back: PullBack,
    ) -> Sequence[Variable | None]:
        graph, mapped = node.op.params["graph"], node.op.params["mapped"]
        seeds = [Variable(v.type) if c is not None else None
                 for v, c in zip(graph.outputs, cotangents, strict=True)]  # fmt: skip
        starts: dict[Variable, Variable] = {}
        for output, seed in zip(graph.outputs, seeds, strict=True):
            if seed is not None:
                starts[output] = starts[output] + seed if output in starts else seed
        targets = [v for v, w in zip(graph.inputs, wanted, strict=True) if w]
        found = pull_back(starts, targets, ())
        rows = dict(zip(graph.inputs[:mapped], node.inputs[:mapped], strict=True))
        rows |= {
            s: c for s, c in zip(seeds, cotangents, strict=True) if s is not None and c is not None
        }
        fixed = dict(zip(graph.inputs[mapped:], node.inputs[mapped:], strict=True))
        received: list[Variable | None] = []
        for position, (v, w) in enumerate(zip(graph.inputs, wanted, strict=True)):
            part = map_rows(found[v], rows, fixed) if w and found[v] is not None else None
            summed = part is not None and position >= mapped
            received.append(OPS["sum"](part, axis=0) if summed else part)
        return received


_map_rows = MapRows("map_rows")


def map_rows(
    output: Variable,
    rows: Mapping[Variable, Variable],
    fixed: Mapping[Variable, Variable] | None = None,
) -> Variable:
    """`output` for each row: keys of `rows` stand for one row of their values, stacked on axis 0.

    What `output` depends on otherwise is computed once, outside: only the part that depends on
    the keys of `rows` becomes the inner graph. `fixed` substitutes other variables.
    """
    fixed = dict(fixed or {})
    order = walk.toposort([output], {*rows, *fixed})
    varying = walk.reached_from(set(rows), order)
    captured: dict[Variable, None] = {}
    for node in order:
        if not any([v in varying for v in node.outputs]):
            continue
        for v in node.inputs:
            if v not in varying and not isinstance(v, Constant):
                captured.setdefault(v)
    if output not in varying:
        captured = {output: None} if not isinstance(output, Constant) else {}
    outside = replace(list(captured), fixed)
    inside = {v: Variable(v.type, name=v.name) for v in (*rows, *captured)}
    body = Graph(inside.values(), replace([output], inside))
    return apply(_map_rows.op(graph=body, mapped=len(rows)), (*rows.values(), *outside))
