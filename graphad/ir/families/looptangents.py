"""Derivatives of scans in forward mode: the tangents of the carries are carried beside them."""

from __future__ import annotations

from typing import Any

from graphad.ir.families.inner import PushForward, Received
from graphad.ir.families.loopflows import alike, build, settled
from graphad.ir.families.looprun import Layout, layout_of
from graphad.ir.families.movement import zeros_for
from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Variable


class Dual:
    """A scan that carries values and tangents.

    results   of that scan
    tangents  position of a result → position of its tangent among these; others have none
    values    with `whole` the same for the values themselves
    operands  position of an operand after the head → position among the operands of that scan
    """

    def __init__(self) -> None:
        self.results: tuple[Variable, ...] = ()
        self.tangents: dict[int, int] = {}
        self.values: dict[int, int] = {}
        self.operands: list[int] = []

    @property
    def node(self) -> Apply:
        """The scan."""
        owner = self.results[0].owner
        assert owner is not None
        return owner


def forward(node: Apply, tangents: Received, push_forward: PushForward) -> Received:
    """The results' tangents, by a scan that carries values and tangents."""
    made = dual(node, tangents, push_forward)
    return [made.results[made.tangents[i]] if i in made.tangents else None
            for i in range(len(node.types))]  # fmt: skip


def dual(node: Apply, tangents: Received, push_forward: PushForward, whole: bool = False) -> Dual:
    """See `Dual`; with `whole` the values of what is stacked are results as well."""
    graph, layout = node.op.params["graph"], layout_of(node.op.params)
    carries, rows = layout.carries, layout.rows
    inside: list[Variable | None] = [None] * len(graph.inputs)
    given = list(tangents[layout.first :])
    for i, (v, t) in enumerate(zip(graph.inputs, given, strict=True)):
        inside[i] = Variable(v.type) if t is not None else None
    made: Received = []
    for _ in range(carries + 1):
        starts = {v: d for v, d in zip(graph.inputs, inside, strict=True) if d is not None}
        made = push_forward(starts, graph.outputs)
        fresh = [i for i in range(carries) if made[i] is not None and inside[i] is None]
        for i in fresh:
            inside[i] = Variable(graph.inputs[i].type)
        if not fresh:
            break
    moving = [i for i in range(carries) if inside[i] is not None]
    stacked = [i for i in range(carries, carries + layout.outputs) if made[i] is not None]
    groups = (range(carries), range(carries, carries + rows), range(carries + rows, len(inside)))
    found = Dual()
    inputs: list[Variable] = []
    operands: list[Any] = list(node.inputs[: layout.first])
    for places in groups:
        found.operands += range(len(operands), len(operands) + len(places))
        moved = [(i, d) for i in places if (d := inside[i]) is not None]
        inputs += [*[graph.inputs[i] for i in places], *[d for _, d in moved]]
        outside = node.inputs[layout.first :]
        operands += [outside[i] for i in places]
        for i, _ in moved:
            t = given[i]
            operands.append(zeros_for(outside[i]) if t is None else alike(t, outside[i]))
    outputs: list[Any] = [*graph.outputs[:carries]]
    moved_on = [(graph.inputs[i], made[i]) for i in moving]
    outputs += [zeros_for(v) if t is None else t for v, t in moved_on]
    values = range(carries, carries + layout.outputs) if whole else range(0)
    outputs += [*[graph.outputs[i] for i in values], *[made[i] for i in stacked]]
    outputs += [graph.outputs[-1]] if layout.until else []
    divided = Layout(
        carries + len(moving), rows + sum([inside[i] is not None for i in groups[1]]),
        len(values) + len(stacked), layout.until, layout.backward, layout.strict, layout.count,
        layout.keep,
    )  # fmt: skip
    body = settled(Graph(inputs, outputs), divided.carries, operands[layout.first :])
    found.results = build(node.op.family, divided, body, operands)
    found.values = {i: i for i in range(carries)}
    found.values |= {i: divided.carries + place for place, i in enumerate(values)}
    found.tangents = {i: carries + place for place, i in enumerate(moving)}
    first = divided.carries + len(values)
    found.tangents |= {i: first + place for place, i in enumerate(stacked)}
    return found
