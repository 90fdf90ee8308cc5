"""`map_rows`: an inner graph applied to each row of some operands.

It is what Jacobians are built of, and how an op without a batching rule is applied to a stack of
rows. Where all ops of the inner graph have batching rules it runs many rows at once, as many as
keep the intermediate results below `STACK_BYTES`, so that memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.dims import Dim
from graphad.ir.evaluate import match_sizes
from graphad.ir.families.inner import (
    Batch,
    InnerFamily,
    PullBack,
    PushForward,
    Received,
    Run,
    enclose,
    flops_of,
    marked,
    seeded,
    seen_outside,
)
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import OPS
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Variable, apply, rebuild

STACK_BYTES = 32 * 2**20


class MapRows(InnerFamily):
    """The inner graph applied to rows: its first `mapped` inputs run over axis 0 of the operands,
    the others are the same for each row; outputs are stacked along axis 0.

    Parameters: `graph`, `mapped`; `stack`, the graph for many rows at once, and `row_bytes`, what
    its intermediate results take for one row; both None where it runs row by row.
    """

    memoise = False  # sizes known only at run time differ between two applications

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        count = types[0].shape[0]
        for t in types[1 : params["mapped"]]:
            if t.shape[0] != count and isinstance(count, int) and isinstance(t.shape[0], int):
                raise ShapeError(f"map_rows: operands with {count} and {t.shape[0]} rows")
        known = {a for t in types for s in t.shape if isinstance(s, Dim) for a in s.atoms()}
        made = [v.type for v in params["graph"].outputs]
        return tuple([
            t.with_shape((count, *[seen_outside(s, known) for s in t.shape])) for t in made
        ])  # fmt: skip

    def flops(self, node: Apply) -> Size:
        return flops_of(node.op.params["graph"]) * node.inputs[0].type.shape[0]

    def operands_before(self, params: Mapping[str, Any]) -> int | None:
        return None

    def graphs(self, params: Mapping[str, Any]) -> tuple[Graph, ...]:
        return (params["graph"] if params["stack"] is None else params["stack"],)

    def run_with(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, *runs: Run
    ) -> Any:
        mapped, rows = params["mapped"], len(arrays[0])
        if any([len(array) != rows for array in arrays[1:mapped]]):
            raise ShapeError(f"map_rows: {[len(array) for array in arrays[:mapped]]} rows")
        if params["stack"] is None:
            outputs = self._one_by_one(arrays, params, xp, runs[0])
        else:
            step = max(STACK_BYTES // max(self._row_bytes(arrays, params), 1), 1)
            outputs = self._in_stacks(arrays, mapped, step, xp, runs[0])
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def _row_bytes(self, arrays: Sequence[Any], params: Mapping[str, Any]) -> int:
        count: Size = params["row_bytes"]
        return count if isinstance(count, int) else count.evaluate(_sizes(arrays, params))

    def _in_stacks(
        self, arrays: Sequence[Any], mapped: int, step: int, xp: Any, run: Run
    ) -> list[Any]:
        rows = len(arrays[0])
        if rows <= step:
            return list(run(list(arrays)))
        outputs: list[Any] = []
        for i in range(0, rows, step):
            part = [array[i : i + step] for array in arrays[:mapped]]
            results = run([*part, *arrays[mapped:]])
            if not outputs:
                outputs = [xp.empty((rows, *xp.shape(r)[1:]), r.dtype) for r in results]
            for output, result in zip(outputs, results, strict=True):
                output[i : i + step] = result
        return outputs

    def _one_by_one(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, run: Run
    ) -> list[Any]:
        graph, mapped = params["graph"], params["mapped"]
        rest = list(arrays[mapped:])
        rows = len(arrays[0])
        outputs: list[Any] = [] if rows else self._no_rows(arrays, params, xp, run)
        for i in range(rows):
            results = run([array[i] for array in arrays[:mapped]] + rest)
            if not outputs:
                outputs = [xp.empty((rows, *xp.shape(r)), v.dtype)
                           for r, v in zip(results, graph.outputs, strict=True)]  # fmt: skip
            for output, result in zip(outputs, results, strict=True):
                if output.shape[1:] != xp.shape(result):
                    raise ShapeError(
                        f"row {i} of a result has shape {xp.shape(result)}, "
                        f"row 0 has {output.shape[1:]}",
                        cause="rows are stacked in one array",
                        remedy="compute results whose shape does not depend on the values",
                    )
                output[i] = result
        return outputs

    def _no_rows(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, run: Run
    ) -> list[Any]:
        """Results without a row; where types do not say their sizes, a row of zeros does."""
        outputs, mapped = params["graph"].outputs, params["mapped"]
        sizes = _sizes(arrays, params)
        try:
            shapes = [[s if isinstance(s, int) else s.evaluate(sizes) for s in v.type.shape]
                      for v in outputs]  # fmt: skip
        except KeyError:
            blank = [xp.zeros(array.shape[1:], array.dtype) for array in arrays[:mapped]]
            shapes = [xp.shape(r) for r in run([*blank, *arrays[mapped:]])]
        return [xp.empty((0, *s), v.dtype) for s, v in zip(shapes, outputs, strict=True)]

    def vjp_with(
        self,
        node: Apply,
        cotangents: Received,
        wanted: Sequence[bool],
        pull_back: PullBack,
        push_forward: PushForward,
    ) -> Received:
        graph, mapped = node.op.params["graph"], node.op.params["mapped"]
        starts, pairs = seeded(graph.outputs, cotangents)
        targets = [v for v, w in zip(graph.inputs, wanted, strict=True) if w]
        found = pull_back(starts, targets, ())
        rows = dict(zip(graph.inputs[:mapped], node.inputs[:mapped], strict=True))
        rows |= dict(pairs)
        fixed = dict(zip(graph.inputs[mapped:], node.inputs[mapped:], strict=True))
        received: list[Variable | None] = []
        for position, (v, w) in enumerate(zip(graph.inputs, wanted, strict=True)):
            part = map_rows(found[v], rows, fixed) if w and found[v] is not None else None
            summed = part is not None and position >= mapped
            received.append(OPS["sum"](part, axis=0) if summed else part)
        return received

    def jvp_with(
        self, node: Apply, tangents: Received, push_forward: PushForward, pull_back: PullBack
    ) -> Received:
        graph, mapped = node.op.params["graph"], node.op.params["mapped"]
        along, pairs = seeded(graph.inputs[:mapped], tangents[:mapped])
        across, fixed_pairs = seeded(graph.inputs[mapped:], tangents[mapped:])
        pushed = push_forward(along | across, graph.outputs)
        rows = dict(zip(graph.inputs[:mapped], node.inputs[:mapped], strict=True)) | dict(pairs)
        fixed = dict(zip(graph.inputs[mapped:], node.inputs[mapped:], strict=True))
        fixed |= dict(fixed_pairs)
        return [None if v is None else map_rows(v, rows, fixed) for v in pushed]

    def batch_with(
        self,
        node: Apply,
        operands: Sequence[Variable],
        batched: Sequence[bool],
        batch: Batch,
    ) -> Sequence[Variable]:
        graph, mapped = node.op.params["graph"], node.op.params["mapped"]
        inside: list[Variable] = []
        given: list[Variable] = []
        for i, (own, v, b) in enumerate(zip(graph.inputs, operands, batched, strict=True)):
            moved = OPS["swapaxes"](v, 0, 1) if b and i < mapped else v
            shape = moved.type.shape[1:] if i < mapped else moved.type.shape
            inside.append(Variable(v.type.with_shape(shape), name=own.name) if b else own)
            given.append(moved)
        made = batch(graph.outputs, dict(zip(graph.inputs, inside, strict=True)))
        results = _mapped(Graph(inside, made), mapped, given)
        pairs = zip(results, node.types, strict=True)
        return [OPS["swapaxes"](r, 0, 1) if r.ndim > t.ndim else r for r, t in pairs]


def _sizes(arrays: Sequence[Any], params: Mapping[str, Any]) -> dict[Any, int]:
    """The values of the dims of the inner graph's inputs."""
    sizes: dict[Any, int] = {}
    for i, (v, array) in enumerate(zip(params["graph"].inputs, arrays, strict=True)):
        shape = np.shape(array)[1:] if i < params["mapped"] else np.shape(array)
        match_sizes(v.type, np.broadcast_to(0, shape), sizes, "an operand of map_rows")
    return sizes


_map_rows = MapRows("map_rows")


def _mapped(
    graph: Graph, mapped: int, operands: Sequence[Variable], stacked: bool = True
) -> tuple[Variable, ...]:
    stack = hooks.stack_rows(graph, mapped) if stacked else None
    size = None if stack is None else row_bytes(graph)
    op = _map_rows.op(graph=graph, mapped=mapped, stack=stack, row_bytes=size)
    results = apply(op, tuple(operands))
    return results if isinstance(results, tuple) else (results,)


def row_bytes(graph: Graph) -> Size:
    """What the intermediate results of a graph take, as far as the sizes of its inputs say."""
    known = {a for v in graph.inputs for s in v.type.shape if isinstance(s, Dim)
             for a in s.atoms() if s.is_atom and s.terms[0][0][0] == a}  # fmt: skip
    total: Any = 0
    for node in graph.nodes:
        for t in node.types:
            size = t.size
            if isinstance(size, int) or size.atoms() <= known:
                total = total + size * t.dtype.itemsize
    return total.with_origin(None) if isinstance(total, Dim) else int(total)


def map_rows(
    output: Variable,
    rows: Mapping[Variable, Variable],
    fixed: Mapping[Variable, Variable] | None = None,
) -> Variable:
    """`output` for each row: keys of `rows` stand for one row of their values, stacked on axis 0.

    What `output` depends on otherwise is computed once, outside: only the part that depends on
    the keys of `rows` becomes the inner graph. `fixed` substitutes other variables.
    """
    body, operands = enclose([output], rows, fixed)
    return _mapped(body, len(rows), operands)[0]


def by_rows(
    node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
) -> tuple[Variable, ...]:
    """The outputs of a node for stacks of operands, computed for one row after the other."""
    places = sorted(range(len(operands)), key=lambda i: not batched[i])
    own = [Variable(v.type.with_shape(v.type.shape[1:]) if b else v.type)
           for v, b in zip(operands, batched, strict=True)]  # fmt: skip
    inside = tuple([marked(v, like) for v, like in zip(own, operands, strict=True)])
    graph = Graph([own[i] for i in places], rebuild(node, inside).outputs)
    return _mapped(graph, sum(batched), [operands[i] for i in places], stacked=False)
