"""Scans and switches of stacks of rows: the body is batched, the loop stays one loop.

A carry is a stack if it starts as one, or if a step makes it one. Where rows end after different
numbers of steps, the loop runs until the last one ends, and the others stay as they were. Where
rows choose different branches, all are computed. Neither is done with what must not run more often
than it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.ir.families.inner import Batch, InnerFamily
from graphad.ir.families.loopflows import build, settled
from graphad.ir.families.looprun import layout_of
from graphad.ir.families.stacks import lifted, spread, stack_size
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Variable


def inputs_inside(graph: Graph, batched: Sequence[bool], size: Size) -> tuple[list[Variable], Any]:
    """Inputs of the body for stacks, and their number of rows as an entry of a ``.shape``."""
    inside = [
        Variable(TensorType(v.dtype, (size, *v.type.shape)), name=v.name) if b else v
        for v, b in zip(graph.inputs, batched, strict=True)
    ]
    rows = next((v.shape[0] for v, b in zip(inside, batched, strict=True) if b), None)
    return inside, rows


def as_stack(made: Variable, row: Variable, rows: Any) -> Variable:
    """What `batch` made of `row`, as a stack of exactly `rows`."""
    full = made if made.ndim > row.ndim else spread(made, rows)
    if full.type.shape[0] == rows and full.type.shape[1:] == row.type.shape:
        return full
    found: Variable = OPS["reshape"](full, (rows, *full.shape[1:]))
    return found


def scan_of_stacks(
    node: Apply, operands: Sequence[Variable], batched: Sequence[bool], batch: Batch
) -> list[Variable] | None:
    """The results of one scan for all rows; None where the rows may need different loops."""
    graph, layout = node.op.params["graph"], layout_of(node.op.params)
    if batched[0]:
        return None
    if layout.until and batched[1]:
        return _until_the_last(node, operands, batched, batch)
    size = stack_size(operands, batched)
    flags = list(batched[layout.first :])
    while True:
        inside, rows = inputs_inside(graph, flags, size)
        made = batch(graph.outputs, dict(zip(graph.inputs, inside, strict=True)))
        grown = [v.ndim > old.ndim for v, old in zip(made, graph.outputs, strict=True)]
        if layout.until and grown[-1]:
            return _until_the_last(node, operands, batched, batch)
        fresh = [i for i in range(layout.carries) if grown[i] and not flags[i]]
        if not fresh:
            break
        for i in fresh:
            flags[i] = True
    for i in range(layout.carries):
        if flags[i]:
            made[i] = as_stack(made[i], graph.outputs[i], rows)
    given: list[Variable] = list(operands[: layout.first])
    places = enumerate(operands[layout.first :])
    for i, v in places:
        if i < layout.carries and flags[i] and not batched[layout.first + i]:
            v = spread(v, size)
        is_row = layout.carries <= i < layout.carries + layout.rows
        given.append(OPS["swapaxes"](v, 0, 1) if is_row and flags[i] else v)
    body = settled(Graph(inside, made), layout.carries, given[layout.first :])
    results = list(build(node.op.family, layout, body, given))
    for i in range(layout.carries, layout.carries + layout.outputs):
        if grown[i]:
            results[i] = OPS["swapaxes"](results[i], 0, 1)
    return results


def _until_the_last(
    node: Apply, operands: Sequence[Variable], batched: Sequence[bool], batch: Batch
) -> list[Variable] | None:
    """The loop with two more carries: which rows go on, and how many steps each has done."""
    graph, layout = node.op.params["graph"], layout_of(node.op.params)
    if layout.outputs or not _is_plain(graph):
        return None
    size, count = stack_size(operands, batched), layout.carries
    length, start, *rest = operands
    flags = list(batched[layout.first :])
    inside, rows = inputs_inside(graph, [True] * count + flags[count:], size)
    made = batch(graph.outputs, dict(zip(graph.inputs, inside, strict=True)))
    active, steps = [Variable(TensorType(dtype, (size,))) for dtype in ("bool", "int64")]
    outputs = []
    for new, old, before in zip(made[:count], graph.outputs, inside, strict=False):
        moved = as_stack(new, old, rows)
        outputs.append(OPS["where"](lifted(active, old.ndim), moved, before))
    going = OPS["logical_and"](active, as_stack(made[-1], graph.outputs[-1], rows))
    outputs += [going, steps + active.astype("int64"), OPS["any"](going)]
    begin = start if batched[1] else spread(start, size)
    carries = [v if b else spread(v, size) for v, b in zip(rest[:count], flags, strict=False)]
    sequences = [OPS["swapaxes"](v, 0, 1) if b else v for v, b in zip(
        rest[count : count + layout.rows], flags[count:], strict=False)]  # fmt: skip
    zeros = OPS["zeros"]((size,), dtype="int64")
    given = [length, OPS["any"](begin), *carries, begin, zeros, *sequences]
    given += rest[count + layout.rows :]
    body = Graph([*inside[:count], active, steps, *inside[count:]], outputs)
    body = settled(body, count + 2, given[layout.first :])
    results = build(node.op.family, layout.changed(carries=count + 2), body, given)
    return [*results[:count], results[count + 1]]


def branches_of_stacks(
    node: Apply, operands: Sequence[Variable], batched: Sequence[bool], batch: Batch
) -> tuple[Graph, ...]:
    """The branches of a switch for stacks, where all rows choose the same one."""
    branches: tuple[Graph, ...] = node.op.params["branches"]
    size = stack_size(operands, batched)
    made: list[list[Variable]] = []
    inputs: list[list[Variable]] = []
    for graph in branches:
        own, _ = inputs_inside(graph, batched[1:], size)
        inputs.append(own)
        made.append(batch(graph.outputs, dict(zip(graph.inputs, own, strict=True))))
    for i, old in enumerate(branches[0].outputs):
        if any([found[i].ndim > old.ndim for found in made]):
            for found, own, graph in zip(made, inputs, branches, strict=True):
                rows = next(v.shape[0] for v, b in zip(own, batched[1:], strict=True) if b)
                found[i] = as_stack(found[i], graph.outputs[i], rows)
    return tuple([Graph(own, found) for own, found in zip(inputs, made, strict=True)])


def choice_of_stacks(
    node: Apply, operands: Sequence[Variable], batched: Sequence[bool], batch: Batch
) -> list[Variable] | None:
    """The results of a switch where each row chooses by a boolean: both are computed, and chosen
    from. None, so that each row runs its own branch, where a branch holds loops or Python."""
    branches: tuple[Graph, ...] = node.op.params["branches"]
    index, *rest = operands
    if index.dtype.kind != "b" or not all([_is_plain(graph) for graph in branches]):
        return None
    size = stack_size(operands, batched)
    other, taken = [batch(g.outputs, dict(zip(g.inputs, rest, strict=True))) for g in branches]
    results = []
    for first, second, old in zip(other, taken, branches[0].outputs, strict=True):
        sides = [as_stack(v, old, size) for v in (second, first)]
        results.append(OPS["where"](lifted(index, old.ndim), *sides))
    return results


def _is_plain(graph: Graph) -> bool:
    return all([
        n.op.family.foldable and not isinstance(n.op.family, InnerFamily) for n in graph.nodes
    ])  # fmt: skip
