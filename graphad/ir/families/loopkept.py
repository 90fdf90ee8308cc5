"""The gradient of a scan that keeps little of the forward pass, and computes the rest anew.

`Recomputing` runs a scan backwards in segments: a segment's own gradient, which records what it
needs of the segment alone, is computed from the carry at its first step. Where carries are kept is
the policy:

    "none"          the first only; every step from the start again
    k               every k-th, as "sqrt" with k = √n: memory n/k + k
    ("slots", s)    at most s at a time, put where they save most between segments of s steps:
                    treeverse, A. Griewank, "Achieving logarithmic growth of temporal and
                    spatial complexity in reverse automatic differentiation" (1992)
    ("bytes", b)    as many as fit

Its derivatives are gradients of the scan that carries tangents beside values, kept by the same
policy: second derivatives are symmetric. Where a body has rules of its own, for which that need
not hold, they are those of the same gradient written as scans.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.dims import Dim
from graphad.ir.families import loopflows, looptangents
from graphad.ir.families.inner import (
    InnerFamily,
    PullBack,
    PushForward,
    Received,
    Run,
    seeded,
    silent,
)
from graphad.ir.families.loopflows import alike, build
from graphad.ir.families.looprun import layout_of
from graphad.ir.families.movement import zeros_for
from graphad.ir.graph import Graph, replace
from graphad.ir.op import OPS, Op
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Variable, apply

Segment = tuple[int, int, Any]  # first step, the step after the last, the carry at the first


class Recomputing(InnerFamily):
    """Operands: those of the scan, then cotangents of carries and of stacked results, then, of a
    loop that ends by its own condition, the number of steps. Parameters:

    forward   a scan over some steps: its operands → the carries after them
    gradient  operands, cotangents → cotangents, for some steps
    scan      (body, layout) of the scan
    moving    which results have cotangents, in the order of these
    places    for each result the operand that receives it
    """

    memoise = False

    def graphs(self, params: Mapping[str, Any]) -> tuple[Graph, ...]:
        return params["forward"], params["gradient"]

    def titles(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        return "forward", "gradient"

    def operands_before(self, params: Mapping[str, Any]) -> int | None:
        return None

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([types[place] for place in params["places"]])

    def run_with(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, *runs: Run
    ) -> Any:
        results = _Backwards(arrays, params, *runs).results()
        return tuple(results) if len(results) != 1 else results[0]

    def rounds(self, node: Apply) -> Size:
        return 3

    def cuts_in(self, params: Mapping[str, Any], position: int) -> bool:
        return position < layout_of(params["scan"][1]).first

    def vjp_with(
        self,
        node: Apply,
        cotangents: Received,
        wanted: Sequence[bool],
        pull_back: PullBack,
        push_forward: PushForward,
    ) -> Received:
        """What is pulled back through a gradient is pushed forward through the scan: x̄ = Jᵀȳ with
        the cotangent c is the derivative of ȳᵀJc, by y it receives Jc."""
        if any_own_rules(node.op.params["scan"][0]):
            return self._of_scans(node, cotangents, wanted, pull_back)
        scan, moving = self._scan(node), node.op.params["moving"]
        count = len(scan.inputs)
        tangents: list[Variable | None] = [None] * count
        for place, c in zip(node.op.params["places"], cotangents, strict=True):
            tangents[place] = c
        made = looptangents.dual(scan, tangents, push_forward, whole=True)
        received: list[Variable | None] = [None] * len(node.inputs)
        flows = dict(zip(moving, node.inputs[count:], strict=False))
        parts = self._gradient(node, made, {}, flows, wanted, pull_back)
        received[: len(parts)] = parts
        for k, i in enumerate(moving):
            if i in made.tangents and wanted[count + k]:
                received[count + k] = made.results[made.tangents[i]]
        return received

    def jvp_with(
        self, node: Apply, tangents: Received, push_forward: PushForward, pull_back: PullBack
    ) -> Received | None:
        """The tangent of x̄ = Jᵀȳ along v and ẏ̄: the derivative of ȳᵀJv and of ẏ̄ᵀy by x."""
        params = node.op.params
        if any_own_rules(params["scan"][0]):
            return None
        scan = self._scan(node)
        count, moving = len(scan.inputs), params["moving"]
        ends = tangents[count : count + len(moving)]
        if all([t is None for t in tangents[:count]]):
            given = [zeros_for(v) if t is None else t
                     for t, v in zip(ends, node.inputs[count:], strict=False)]  # fmt: skip
            operands = (*node.inputs[:count], *given, *node.inputs[count + len(moving) :])
            results = apply(node.op, operands)
            return results if isinstance(results, tuple) else (results,)
        made = looptangents.dual(scan, tangents[:count], push_forward, whole=True)
        still = {i: t for i, t in zip(moving, ends, strict=True) if t is not None}
        flows = dict(zip(moving, node.inputs[count:], strict=False))
        wanted = [place in params["places"] for place in range(count)]
        parts = self._gradient(node, made, still, flows, wanted, pull_back)
        return [parts[place] for place in params["places"]]

    def _scan(self, node: Apply) -> Apply:
        """The scan whose gradient this is, once more."""
        body, stored = node.op.params["scan"]
        layout = layout_of(stored)
        operands = node.inputs[: len(body.inputs) + layout.first]
        scan = build(OPS.families["scan"], layout, body, operands)[0].owner
        assert scan is not None
        return scan

    def _gradient(
        self, node: Apply, made: looptangents.Dual, still: Mapping[int, Variable],
        flows: Mapping[int, Variable], wanted: Sequence[bool], pull_back: PullBack,
    ) -> list[Variable | None]:  # fmt: skip
        """What the operands of the scan receive through its dual: from cotangents `still` of its
        results, and `flows` of their tangents."""
        head = layout_of(node.op.params["scan"][1]).first
        whole = made.node
        given: list[Variable | None] = [None] * len(whole.types)
        for i, c in still.items():
            given[made.values[i]] = c
        for i, c in flows.items():
            if i in made.tangents:
                given[made.tangents[i]] = c
        asked = [False] * len(whole.inputs)
        for position, place in enumerate(made.operands):
            asked[place] = wanted[head + position]
        steps = node.inputs[-1] if whole.op.params["until"] else None
        received = backward(whole, given, asked, pull_back, steps)
        return [*[None] * head, *[received[place] for place in made.operands]]

    def _of_scans(
        self, node: Apply, cotangents: Received, wanted: Sequence[bool], pull_back: PullBack
    ) -> Received:
        """Through the same gradient written as scans."""
        layout, moving = layout_of(node.op.params["scan"][1]), node.op.params["moving"]
        inputs = [Variable(v.type, name=v.name) for v in node.inputs]
        body = node.op.params["scan"][0]
        count = len(body.inputs) + layout.first
        received = [None] * (layout.carries + layout.outputs + int(layout.until))
        for i, v in zip(moving, inputs[count:], strict=False):
            received[i] = v
        inner = build(OPS.families["scan"], layout, body, inputs[:count])[0].owner
        assert inner is not None
        needed = [i in node.op.params["places"] for i in range(count)]
        outputs = loopflows.backward(inner, received, needed, pull_back)
        made = [outputs[place] for place in node.op.params["places"]]
        starts, pairs = seeded(made, cotangents)
        targets = [v for v, w in zip(inputs, wanted, strict=True) if w]
        found = pull_back(starts, targets, ())
        asked = [found.get(v) for v in inputs]
        here = dict(zip(inputs, node.inputs, strict=True)) | dict(pairs)
        rest = iter(replace([v for v in asked if v is not None], here))
        return [None if v is None else next(rest) for v in asked]

    def label(self, params: Mapping[str, Any]) -> str:
        return f"scan backward(checkpoint={layout_of(params['scan'][1]).keep!r})"


RECOMPUTING = Recomputing("scan_recomputing")


def any_own_rules(graph: Graph) -> bool:
    """Are there ops in a body, or in graphs in it, whose vjp need not be their jvp, transposed?"""
    graphs = [graph]
    while graphs:
        for node in graphs.pop().nodes:
            if node.op.family.own_rules:
                return True
            if isinstance(node.op.family, InnerFamily):
                graphs += node.op.family.graphs(node.op.params)
    return False


def backward(
    node: Apply, cotangents: Received, wanted: Sequence[bool], pull_back: PullBack,
    steps_made: Variable | None = None,
) -> Received:  # fmt: skip
    """What the operands of a scan receive, by its policy; `steps_made` says how many there were
    of a loop that ends by its own condition, if that is known."""
    pull = loopflows.Pull(node, cotangents, wanted, pull_back)
    layout, count, steps = pull.layout, len(node.inputs), Dim.anonymous()
    rows = range(layout.first + layout.carries, layout.first + layout.carries + layout.rows)
    inputs = [_stand_in(v, steps if i in rows else None) for i, v in enumerate(node.inputs)]
    some = layout.changed(strict=False, count=None if rows and not layout.until else steps)
    graph = Graph(pull.graph.inputs, silent(pull.graph.outputs))  # effects have happened
    inner = build(node.op.family, some, graph, inputs)[0].owner
    assert inner is not None
    seeds = {i: _stand_in(node.output(i), steps if i >= layout.carries else None)
             for i in pull.seeds}  # fmt: skip
    given: list[Variable | None] = [None] * len(node.types)
    for i, v in seeds.items():
        given[i] = loopflows.with_hazard(v, pull.hazards[i])
    received = loopflows.backward(inner, given, wanted, pull_back)
    places = [i for i, v in enumerate(received) if v is not None]
    if not places:
        return [None] * count
    ends = [zeros_for(node.output(i)) if c is None else alike(c, node.output(i))
            for i in seeds for c in [cotangents[i]]]  # fmt: skip
    if layout.until and steps_made is None:
        steps_made = node.output(len(node.types) - 1)
    operands = [*node.inputs, *ends, *([steps_made] if steps_made is not None else [])]
    params = {
        "forward": Graph(inputs, inner.outputs[: layout.carries]),
        "gradient": Graph([*inputs, *seeds.values()], [received[i] for i in places]),  # type: ignore[misc]
        "scan": (graph, layout.params()), "moving": tuple(seeds), "places": tuple(places),
    }  # fmt: skip
    results = apply(Op(RECOMPUTING, params), tuple(operands))
    found = iter(results if isinstance(results, tuple) else (results,))
    return [next(found) if i in places else None for i in range(count)]


def _stand_in(like: Variable, steps: Dim | None) -> Variable:
    """An input like a variable, or like some rows of it."""
    kind = like.type if steps is None else like.type.with_shape((steps, *like.type.shape[1:]))
    return Variable(kind, name=like.name)


# ---- running -----------------------------------------------------------------------------------
class _Backwards:
    """One run: segments from the last to the first."""

    def __init__(
        self, arrays: Sequence[Any], params: Mapping[str, Any], forward: Run, gradient: Run
    ) -> None:
        body, stored = params["scan"]
        self.layout = layout = layout_of(stored)
        self.forward, self.gradient = forward, gradient
        count = len(body.inputs) + layout.first
        self.steps = int(arrays[-1 if layout.until else 0])
        self.head = list(arrays[1 : layout.first])
        self.start, self.sequences, self.captured = layout.divide(arrays[:count])
        ends = sum([i < layout.carries for i in params["moving"]])
        self.cotangents = list(arrays[count : count + ends])
        self.rows = list(arrays[count + ends : count + len(params["moving"])])
        self.kinds = [self._kind(place) for place in params["places"]]
        self.sums: list[Any] = [
            None if kind == "carry" else np.zeros_like(np.asarray(arrays[place]))
            for kind, place in zip(self.kinds, params["places"], strict=True)
        ]
        self.keep = layout.keep

    def _kind(self, place: int) -> str:
        rows = self.layout.first + self.layout.carries
        if place < rows:
            return "carry"
        return "row" if place < rows + self.layout.rows else "captured"

    def results(self) -> list[Any]:
        """The cotangents of the operands."""
        for segment in segments(self.keep, self.steps, self.start, self._advance):
            self._pull(*segment)
        moving = iter(self.cotangents)
        return [np.array(next(moving))[()] if kind == "carry" else total[()]
                for kind, total in zip(self.kinds, self.sums, strict=True)]  # fmt: skip

    def _part(self, sequence: Any, lo: int, hi: int) -> Any:
        """The rows of the steps lo … hi - 1."""
        if self.layout.backward:
            n = len(sequence)
            return sequence[n - hi : n - lo]
        return sequence[lo:hi]

    def _operands(self, state: Sequence[Any], lo: int, hi: int) -> list[Any]:
        parts = [self._part(s, lo, hi) for s in self.sequences]
        return [np.int64(hi - lo), *self.head, *state, *parts, *self.captured]

    def _advance(self, state: Sequence[Any], lo: int, hi: int) -> list[Any]:
        """The carry before step hi, from that before step lo."""
        return list(self.forward(self._operands(state, lo, hi))) if hi > lo else list(state)

    def _pull(self, lo: int, hi: int, state: Sequence[Any]) -> None:
        rows = [self._part(row, lo, hi) for row in self.rows]
        made = self.gradient([*self._operands(state, lo, hi), *self.cotangents, *rows])
        new = []
        for k, (kind, part) in enumerate(zip(self.kinds, made, strict=True)):
            if kind == "carry":
                new.append(part)
            elif kind == "row":
                self._part(self.sums[k], lo, hi)[...] = part
            else:
                self.sums[k] = self.sums[k] + part
        self.cotangents = new


Advance = Callable[[Any, int, int], Any]


def segments(keep: Any, steps: int, start: Any, advance: Advance) -> Iterator[Segment]:
    """The segments from the last to the first; `advance` computes carries between them."""
    size = sum([np.asarray(a).nbytes for a in start])
    if isinstance(keep, tuple) and keep[0] == "bytes":
        room = max(1, int(keep[1]) // max(1, size))
        root = math.isqrt(max(steps - 1, 0)) + 1
        keep = max(1, steps) if room >= steps else root if room >= 2 * root else ("slots", room)
    if keep == "none":
        keep = ("slots", 0)
    if keep == "sqrt":
        keep = math.isqrt(max(steps - 1, 0)) + 1
    if isinstance(keep, tuple):
        return _treeverse(int(keep[1]), steps, start, advance)
    return _every(int(keep), steps, start, advance)


def _every(k: int, steps: int, start: Any, advance: Advance) -> Iterator[Segment]:
    """Carries kept at every k-th step."""
    states = [start]
    for lo in range(0, steps - k, k):
        states.append(advance(states[-1], lo, lo + k))
    for place in range(-(-steps // k) - 1, -1, -1):
        yield place * k, min(steps, place * k + k), states[place]
        states[place] = None


def _treeverse(slots: int, steps: int, start: Any, advance: Advance) -> Iterator[Segment]:
    """At most `slots` carries kept besides the first, in segments of as many steps: the gradient
    of a segment records about as much as the slots hold."""
    unit = max(1, slots)
    stack: list[tuple[int, int, Any, int]] = [(0, steps, start, slots)]
    while stack:
        lo, hi, state, free = stack.pop()
        if hi <= lo:
            continue
        count = -(-(hi - lo) // unit)
        if count == 1:
            yield lo, hi, state
        elif not free:
            middle = lo + unit * (count - 1)
            yield middle, hi, advance(state, lo, middle)
            stack.append((lo, middle, state, 0))
        else:
            middle = lo + unit * _split(count, free)
            stack.append((lo, middle, state, free))
            stack.append((middle, hi, advance(state, lo, middle), free - 1))


def _split(length: int, slots: int) -> int:
    """Where to keep the next carry: C(s + r, s) steps need every step r times at most."""
    repeats = 1
    while math.comb(slots + repeats, slots) < length:
        repeats += 1
    return min(max(1, length - math.comb(slots - 1 + repeats, slots - 1)), length - 1)
