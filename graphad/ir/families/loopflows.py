"""Derivatives of scans in reverse mode, which are scans; `looptangents` has those in forward mode.

Cotangents are carried from the last step to the first. With c' = f(c, x, k) and y = g(c, x, k) at
each step,

    c̄, x̄, k̄  =  vjp of (f, g) at the step's own c, x, k, applied to c̄' and ȳ

where k̄ is summed over the steps. The part of that which does not depend on cotangents belongs to
the forward pass: a second forward scan stacks what the backward one reads of it, but for what a
few simple ops make of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphad.ir import walk
from graphad.ir.dims import Dim
from graphad.ir.families.inner import (
    Mark,
    PullBack,
    Received,
    hazard_of,
    seen_outside,
)
from graphad.ir.families.looprun import Layout, layout_of
from graphad.ir.families.movement import zeros_for
from graphad.ir.graph import Graph, replace
from graphad.ir.op import OPS, Op
from graphad.ir.variable import Apply, Constant, Variable, apply

SIMPLE = frozenset(("add", "subtract", "multiply", "negative", "square"))
FEW = 3  # simple ops that are done again rather than recorded
ROUNDS = 4  # in which hazards of carries settle: there are two kinds of them


# ---- building --------------------------------------------------------------------------------
def build(
    family: Any, layout: Layout, graph: Graph, operands: Sequence[Variable]
) -> tuple[Variable, ...]:
    """The results of one more scan."""
    results = apply(Op(family, {"graph": graph, **layout.params()}), tuple(operands))
    return results if isinstance(results, tuple) else (results,)


def alike(flow: Variable, like: Variable) -> Variable:
    """A cotangent or tangent with the type of what it belongs to, of which less may be known: that
    of a carry must not say more than what a step makes of it."""
    if flow.type is like.type:
        return flow
    found: Variable = OPS["sum_to_shape"](flow, like.shape)
    return found


def with_hazard(variable: Variable, hazard: int) -> Variable:
    """`variable` of a body, whose values may be what `hazard` says."""
    if not hazard or not variable.type.is_float:
        return variable
    family = OPS.families["marked"]
    assert isinstance(family, Mark)
    mark: Variable = family(variable, hazard=hazard)
    return mark


def settled(graph: Graph, carries: int, operands: Sequence[Variable]) -> Graph:
    """The body with hazards on its inputs: those of the operands, and what a step adds to them."""
    hazards = [hazard_of(v) for v in operands]
    outputs = graph.outputs
    for _ in range(ROUNDS):
        marks = {v: with_hazard(v, h) for v, h in zip(graph.inputs, hazards, strict=True)}
        outputs = tuple(replace(graph.outputs, {v: m for v, m in marks.items() if m is not v}))
        grown = [h | hazard_of(v) for h, v in zip(hazards, outputs[:carries], strict=False)]
        if grown == hazards[:carries]:
            break
        hazards[:carries] = grown
    return Graph(graph.inputs, outputs)


# ---- reverse mode ----------------------------------------------------------------------------
class Pull:
    """The vector-Jacobian product of one step: `seeds` of its results → cotangents `found`."""

    def __init__(
        self, node: Apply, cotangents: Received, wanted: Sequence[bool], pull_back: PullBack
    ) -> None:
        self.graph, self.layout = node.op.params["graph"], layout_of(node.op.params)
        graph, carries = self.graph, self.layout.carries
        want = list(wanted[self.layout.first :])
        self.targets = [
            v for i, v in enumerate(graph.inputs) if (want[i] or i < carries) and v.type.is_float
        ]
        hazards = {
            i: hazard_of(c) for i, c in enumerate(cotangents[: carries + self.layout.outputs])
            if c is not None
        }  # fmt: skip
        self.seeds: dict[int, Variable] = {}
        self.found: Mapping[Variable, Any] = {}
        for _ in range(carries + ROUNDS):
            self.seeds = {i: Variable(graph.outputs[i].type) for i in sorted(hazards)}
            starts: dict[Variable, Variable] = {}
            for i, seed in self.seeds.items():
                start, output = with_hazard(seed, hazards[i]), graph.outputs[i]
                starts[output] = starts[output] + start if output in starts else start
            self.found = pull_back(starts, self.targets, ())
            before = dict(hazards)
            for i, v in enumerate(graph.inputs[:carries]):
                arrived = self.found.get(v)
                if arrived is not None:
                    hazards[i] = hazards.get(i, 0) | hazard_of(arrived)
            if hazards == before:
                break
        self.hazards = hazards
        self.moving = [i for i in self.seeds if i < carries]
        self.summed = [v for v in graph.inputs[carries + self.layout.rows :]
                       if self.found.get(v) is not None]  # fmt: skip
        self.rows = [v for v in graph.inputs[carries : carries + self.layout.rows]
                     if self.found.get(v) is not None]  # fmt: skip
        self.totals = {v: Variable(v.type) for v in self.summed}

    def outputs(self) -> list[Variable]:
        """Cotangents of the carries, sums of those of captured values, cotangents of rows."""
        inputs = self.graph.inputs
        made = [(inputs[i], self.found.get(inputs[i])) for i in self.moving]
        moved = [zeros_for(v) if c is None else c for v, c in made]
        sums = [total + self.found[v] for v, total in self.totals.items()]
        return [*moved, *sums, *[self.found[v] for v in self.rows]]


def backward(
    node: Apply, cotangents: Received, wanted: Sequence[bool], pull_back: PullBack
) -> Received:
    """What the operands receive, by a scan from the last step to the first."""
    pull = Pull(node, cotangents, wanted, pull_back)
    graph, layout = pull.graph, pull.layout
    outputs = pull.outputs()
    kept = Kept(node, pull, outputs)
    recorded = kept.record()
    seeds, totals = [pull.seeds[i] for i in pull.moving], [*pull.totals.values()]
    stacked = [i for i in pull.seeds if i >= layout.carries]
    outside = dict(zip(graph.inputs, node.inputs[layout.first :], strict=True))
    given = {i: zeros_for(node.output(i)) if c is None else alike(c, node.output(i))
             for i in pull.seeds for c in [cotangents[i]]}  # fmt: skip
    operands = [
        recorded.steps, *[given[i] for i in pull.moving],
        *[zeros_for(outside[v]) for v in pull.summed],
        *recorded.rows.values(), *[given[i] for i in stacked], *recorded.fixed.values(),
    ]  # fmt: skip
    inputs = [*seeds, *totals, *recorded.rows, *[pull.seeds[i] for i in stacked], *recorded.fixed]
    rows = len(recorded.rows) + len(stacked)
    divided = Layout(
        carries=len(seeds) + len(totals), rows=rows, outputs=len(pull.rows),
        backward=not layout.backward, count=None if rows else kept.count(), keep=layout.keep,
    )  # fmt: skip
    body = Graph(inputs, recorded.outputs)
    results = build(node.op.family, divided, body, operands)
    arrived: dict[Variable, Variable] = {
        graph.inputs[i]: result for i, result in zip(pull.moving, results, strict=False)
    }
    arrived |= dict(zip(pull.summed, results[len(seeds) :], strict=False))
    for v, part in zip(pull.rows, results[divided.carries :], strict=True):
        arrived[v] = padded(part, outside[v], layout) if layout.until else part
    return [None] * layout.first + [arrived.get(v) for v in graph.inputs]


def _is_simple(node: Apply) -> bool:
    """An op of a few instructions for each element: sums, products, squares and cubes."""
    if node.op.name == "power":
        exponent = node.inputs[1]
        return isinstance(exponent, Constant) and not exponent.ndim and exponent.value in (2, 3)
    return node.op.name in SIMPLE


def padded(part: Variable, sequence: Variable, layout: Layout) -> Variable:
    """The cotangents of rows, with zeros for those that a loop did not come to."""
    left = sequence.shape[0] - part.shape[0]
    zeros = OPS["zeros"]((left, *sequence.shape[1:]), sequence.dtype)
    joined: Variable = OPS["concatenate"]([zeros, part] if layout.backward else [part, zeros])
    return joined


class Recorded:
    """What the backward scan reads: `rows` and `fixed` map variables of its body to operands."""

    def __init__(self) -> None:
        self.rows: dict[Variable, Variable] = {}
        self.fixed: dict[Variable, Variable] = {}
        self.outputs: list[Variable] = []
        self.steps: Any = None


class Kept:
    """Which values of the forward pass the backward one needs, and the scan that records them."""

    def __init__(self, node: Apply, pull: Pull, outputs: Sequence[Variable]) -> None:
        self.node, self.pull, self.outputs = node, pull, outputs
        self.graph, self.layout = pull.graph, pull.layout
        first, last = self.layout.carries, self.layout.carries + self.layout.rows
        self.carried = self.graph.inputs[:first]
        self.rows = self.graph.inputs[first:last]
        self.captured = self.graph.inputs[last:]
        seeds = {*pull.seeds.values(), *pull.totals.values()}
        order = walk.toposort(outputs, seeds)
        self.varying = walk.reached_from(seeds, order)
        self.stepwise = walk.reached_from({*self.carried, *self.rows}, order)
        self.known = {
            a for v in self.graph.inputs for s in v.type.shape if isinstance(s, Dim)
            for a in s.atoms()
        }  # fmt: skip
        self.places = self._places()
        self.border = self._border(order)

    def count(self) -> Any:
        """The number of steps, as a size in types."""
        if self.layout.count is not None:
            return self.layout.count
        return self.node.inputs[self.layout.first + self.layout.carries].type.shape[0]

    def _places(self) -> dict[Any, Variable]:
        """Sizes → what has that size outside, for those of carries and rows."""
        operands = self.node.inputs[self.layout.first :]
        found: dict[Any, Variable] = {}
        for i, (v, operand) in enumerate(zip(self.graph.inputs, operands, strict=True)):
            lead = int(self.layout.carries <= i < self.layout.carries + self.layout.rows)
            for axis, size in enumerate(v.type.shape):
                if isinstance(size, Dim) and size not in found:
                    found[size] = OPS["dim_size"](operand, axis + lead)
        return found

    def _border(self, order: Sequence[Apply]) -> dict[Variable, None]:
        """Variables that do not depend on cotangents, read by those that do."""
        border: dict[Variable, None] = {}
        stack = [v for v in self.outputs if v not in self.varying]
        for node in order:
            if any([v in self.varying for v in node.outputs]):
                stack += [v for v in node.inputs if v not in self.varying]
        seen: set[Variable] = set()
        while stack:
            v = stack.pop()
            if v in seen or isinstance(v, Constant):
                continue
            seen.add(v)
            if v in self.stepwise and v.owner is not None and not self._is_kept(v):
                stack += v.owner.inputs
            else:
                border[v] = None
        for v in [v for v in border if v.ndim and v in self.stepwise and v.owner is not None]:
            ends = self._made_of(v, border)
            if ends is not None:
                del border[v]
                border |= ends
        return border

    def _made_of(
        self, v: Variable, border: Mapping[Variable, None]
    ) -> dict[Variable, None] | None:
        """What is recorded anyway, or need not be, of which an array takes a few simple ops: to
        compute it again takes less than to write and read it. None: there is nothing like that."""
        known = {*self.captured, *(() if self.layout.until else self.rows)}
        ends: dict[Variable, None] = {}
        stack, seen = [v], 0
        while stack:
            u = stack.pop()
            if isinstance(u, Constant) or u in ends:
                continue
            if (u in border and u is not v) or u in known:
                ends[u] = None
                continue
            seen += 1
            if u.owner is None or not _is_simple(u.owner) or seen > FEW:
                return None
            stack += u.owner.inputs
        return ends

    def _is_kept(self, v: Variable) -> bool:
        """Is it worth recording? Not what is only another view of something that is recorded."""
        assert v.owner is not None
        if v.owner.op.name == "dim_size":
            source = v.owner.inputs[0].type.shape[v.owner.op.params["axis"]]
            return source in self.places or self._is_known(v.owner.inputs[0])
        op = v.owner.op
        if op.family.is_effect:  # it does not happen again in the backward loop
            return self._is_known(v)
        cheap = op.family.passes or op.family.views(op.params) or op.name == "broadcast_to"
        return not cheap and self._is_known(v)

    def _is_known(self, v: Variable) -> bool:
        shape = v.type.shape
        return all([isinstance(s, int) or seen_outside(s, self.known) is s for s in shape])

    def record(self) -> Recorded:
        """The scan that records, and the outputs of the backward body in terms of it."""
        node, layout, made = self.node, self.layout, Recorded()
        operands = dict(zip(self.graph.inputs, node.inputs[layout.first :], strict=True))
        rows, stacked, fixed = {*self.rows}, [], []
        for v in self.border:
            owner = v.owner
            if v in rows and not layout.until:
                made.rows[v] = operands[v]
            elif v not in self.stepwise:
                fixed.append(v)
            elif owner is not None and owner.op.name == "dim_size" and (
                place := self.places.get(owner.inputs[0].type.shape[owner.op.params["axis"]])
            ) is not None:  # fmt: skip
                made.fixed[v] = place
            else:
                stacked.append(v)
        made.fixed |= dict(zip(fixed, replace(fixed, operands), strict=True))
        made.steps = node.inputs[0]
        if stacked or layout.until:
            outputs = [*self.graph.outputs[: layout.carries], *stacked]
            outputs += [self.graph.outputs[-1]] if layout.until else []
            divided = Layout(
                layout.carries, layout.rows, len(stacked), layout.until, layout.backward,
                layout.strict, layout.count, layout.keep,
            )  # fmt: skip
            body = Graph(self.graph.inputs, outputs)
            results = build(node.op.family, divided, body, node.inputs)
            made.rows |= dict(zip(stacked, results[layout.carries :], strict=False))
            made.steps = results[-1] if layout.until else made.steps
        inside = {v: Variable(v.type, name=v.name) for v in (*made.rows, *made.fixed)}
        marks = {v: with_hazard(own, hazard_of(v)) for v, own in inside.items()}
        made.rows = {inside[v]: operand for v, operand in made.rows.items()}
        made.fixed = {inside[v]: operand for v, operand in made.fixed.items()}
        made.outputs = replace(self.outputs, marks)
        return made
