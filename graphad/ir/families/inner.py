"""Ops that hold inner graphs: what runs them, differentiates them, batches them, is passed in.

`checkpoint` applies an inner graph to its operands, and keeps only these for its derivatives.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from graphad.ir import walk
from graphad.ir.dims import Dim
from graphad.ir.evaluate import evaluate
from graphad.ir.families.common import Declared
from graphad.ir.graph import Graph, replace
from graphad.ir.streams import STATE, handed
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Constant, Variable, apply, rebuild

PullBack = Callable[[Mapping[Variable, Variable], Sequence[Variable], Any], dict[Variable, Any]]
PushForward = Callable[[Mapping[Variable, Variable], Sequence[Variable]], Sequence[Any]]
Batch = Callable[[Sequence[Variable], Mapping[Variable, Variable]], list[Variable]]
Run = Callable[[Sequence[Any]], Sequence[Any]]
Received = Sequence[Variable | None]


# ---- what crosses the border of an inner graph -------------------------------------------------
class Mark(Declared):
    """The operand itself, with a hazard that it has where it comes from (parameter `hazard`)."""

    is_elementwise = is_view = passes = True

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(types)

    def flops(self, node: Apply) -> Size:
        return 0

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return arrays[0]

    def vjp(self, node: Apply, cotangents: Received, wanted: Sequence[bool]) -> Received:
        return list(cotangents)

    def jvp(self, node: Apply, tangents: Received) -> Received:
        return list(tangents)


_mark = Mark("marked")
_mark.hazard_in = lambda params: params["hazard"]
argument = Mark("argument")  # the operand as a variable of its own: what a function is called with


def hazard_of(variable: Variable | None) -> int:
    """RISKY, MASKED: what may be in the values of a variable."""
    return variable.owner.hazard if variable is not None and variable.owner is not None else 0


def marked(variable: Variable, like: Variable | None) -> Variable:
    """`variable`, which stands for `like` in an inner graph, with the hazards of `like`."""
    hazard = hazard_of(like) if variable.type.is_float else 0
    found: Variable = _mark(variable, hazard=hazard) if hazard else variable
    return found


def stand_in(variable: Variable) -> Variable:
    """An input in the place of a variable, for a part of a graph that becomes a graph itself; it
    knows its value if the variable does."""
    if variable.tracing is not None:
        found: Variable = variable.tracing.stand_in(variable)
        return found
    return Variable(variable.type, name=variable.name)


def enclose(
    outputs: Sequence[Variable],
    inputs: Mapping[Variable, Variable],
    fixed: Mapping[Variable, Variable] | None = None,
    inside: Iterable[Variable] = (),
) -> tuple[Graph, list[Variable]]:
    """(what depends on `inputs`, as a graph; the operands for its inputs).

    Values of `inputs` are the operands for them. What `outputs` depend on otherwise is computed
    outside, once, and becomes a further input; `fixed` substitutes variables in that part.
    What depends on variables in `inside`, effects of a body, stays in the graph as well.
    """
    fixed = dict(fixed or {})
    order = walk.toposort(outputs, {*inputs, *fixed})
    varying = walk.reached_from({*inputs, *inside}, order)
    captured: dict[Variable, None] = {}
    for node in order:
        if any([v in varying for v in node.outputs]):
            for v in node.inputs:
                if v not in varying and not isinstance(v, Constant):
                    captured.setdefault(v)
    for v in outputs:
        if v not in varying and not isinstance(v, Constant):
            captured.setdefault(v)
    outside = replace(list(captured), fixed)
    operands = [*inputs.values(), *outside]
    own = [Variable(v.type, name=v.name) for v in (*inputs, *captured)]
    pairs = zip((*inputs, *captured), own, operands, strict=True)
    stand_ins = {v: marked(new, operand) for v, new, operand in pairs}
    return Graph(own, replace(outputs, stand_ins)), operands


def seeded(outputs: Iterable[Variable], given: Iterable[Variable | None]) -> tuple[dict, list]:
    """(output → its seed, the pairs (seed, value)): cotangents as inputs of an inner graph."""
    starts: dict[Variable, Variable] = {}
    pairs: list[tuple[Variable, Variable]] = []
    for output, value in zip(outputs, given, strict=True):
        if value is not None:
            seed = Variable(output.type)
            start = marked(seed, value)
            starts[output] = starts[output] + start if output in starts else start
            pairs.append((seed, value))
    return starts, pairs


def flops_of(graph: Graph) -> Size:
    """The operations of all nodes."""
    total: Size = 0
    for node in graph.nodes:
        total += node.op.family.flops(node)
    return total


# ---- the family --------------------------------------------------------------------------------
class InnerFamily(Declared):
    """An op whose parameter `graph` is an inner Graph. Abstract."""

    foldable = False
    is_inner = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.hazard_in = self._hazard

    def _hazard(self, params: Mapping[str, Any]) -> int:
        hazard = 0
        for graph in self.graphs(params):
            for output in graph.outputs:
                hazard |= hazard_of(output)
        return hazard

    def graphs(self, params: Mapping[str, Any]) -> tuple[Graph, ...]:
        """The inner graphs, each of which gets a function that runs it."""
        return (params["graph"],)

    def titles(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """What the inner graphs are called in pictures and listings."""
        count = len(self.graphs(params))
        return ("body",) if count == 1 else tuple([f"graph {i}" for i in range(count)])

    @abstractmethod
    def run_with(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, *runs: Run
    ) -> Any:
        """The outputs, computed by calling ``run(arrays of the inner inputs)``, for each graph."""

    @abstractmethod
    def vjp_with(
        self,
        node: Apply,
        cotangents: Received,
        wanted: Sequence[bool],
        pull_back: PullBack,
        push_forward: PushForward,
    ) -> Received:
        """The vector-Jacobian product, with `pull_back` to differentiate the inner graph (or, of
        an op that is itself a derivative, `push_forward`)."""

    def jvp_with(
        self, node: Apply, tangents: Received, push_forward: PushForward, pull_back: PullBack
    ) -> Received | None:
        """The outputs' tangents; None as a whole: derive them from the vjp."""
        return None

    def batch_with(
        self,
        node: Apply,
        operands: Sequence[Variable],
        batched: Sequence[bool],
        batch: Batch,
    ) -> Sequence[Variable] | None:
        """The outputs for stacks of operands, with `batch` for the inner graph; see
        `Family.batch`. ``batch(outputs, {input: stack or the same for each row})``."""
        return None

    def pared(self, node: Apply, read: Collection[Variable]) -> tuple[Apply, Sequence[Variable]]:
        """A node that may leave out results that are not in `read`, and the results that it has in
        terms of those of the given one."""
        return node, node.outputs

    def flops(self, node: Apply) -> Size:
        total: Size = 0
        for graph in self.graphs(node.op.params):
            total += flops_of(graph)
        return total * self.rounds(node)

    def rounds(self, node: Apply) -> Size:
        """How often the inner graphs run."""
        return 1

    def operands_before(self, params: Mapping[str, Any]) -> int | None:
        """How many operands stand before those that are the inputs of the inner graphs, whose
        outputs are the first results; None: the correspondence is another one."""
        return 0

    def hands_on(self, params: Mapping[str, Any]) -> Mapping[int, int]:
        graph, before = self.graphs(params)[0], self.operands_before(params)
        if before is None or not any([v.type is STATE for v in graph.outputs]):
            return {}
        return {i: before + given for i, given in handed(graph.inputs, graph.outputs).items()}

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return self.run_with(arrays, params, xp, *[_runs(g, xp) for g in self.graphs(params)])

    def label(self, params: Mapping[str, Any]) -> str:
        return f"{self.name}({len(params['graph'])} nodes)"


def _runs(graph: Graph, xp: Any) -> Run:
    """By the interpreter; results share no memory with the values given."""
    return lambda values: [xp.array(result) for result in evaluate(graph, values)]


# ---- recomputing -------------------------------------------------------------------------------
class Checkpoint(InnerFamily):
    """The inner graph applied to the operands. Its derivatives are the same op again, with a graph
    that computes what they need anew: only operands are kept between the two."""

    memoise = False  # sizes known only at run time differ between two applications

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        graph: Graph = params["graph"]
        if any([t is not v.type for t, v in zip(types, graph.inputs, strict=True)]):
            new = {v: Variable(t) for v, t in zip(graph.inputs, types, strict=True)}
            made = [v.type for v in replace(graph.outputs, new)]
        else:
            made = [v.type for v in graph.outputs]
        known = {a for t in types for s in t.shape if isinstance(s, Dim) for a in s.atoms()}
        return tuple([t.with_shape([seen_outside(s, known) for s in t.shape]) for t in made])

    def run_with(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, *runs: Run
    ) -> Any:
        results = tuple(runs[0](arrays))
        return results if len(results) != 1 else results[0]

    def batch_with(
        self,
        node: Apply,
        operands: Sequence[Variable],
        batched: Sequence[bool],
        batch: Batch,
    ) -> Sequence[Variable]:
        graph: Graph = node.op.params["graph"]
        inside = [Variable(v.type, name=own.name) if b else own
                  for v, own, b in zip(operands, graph.inputs, batched, strict=True)]  # fmt: skip
        made = batch(graph.outputs, dict(zip(graph.inputs, inside, strict=True)))
        return recomputed(Graph(inside, made), operands)

    def vjp_with(
        self,
        node: Apply,
        cotangents: Received,
        wanted: Sequence[bool],
        pull_back: PullBack,
        push_forward: PushForward,
    ) -> Received:
        graph = node.op.params["graph"]
        starts, pairs = seeded(graph.outputs, cotangents)
        targets = [v for v, w in zip(graph.inputs, wanted, strict=True) if w]
        found = pull_back(starts, targets, ())
        asked = [found.get(v) for v in graph.inputs]
        return self._again(node, pairs, asked)

    def jvp_with(
        self, node: Apply, tangents: Received, push_forward: PushForward, pull_back: PullBack
    ) -> Received:
        graph = node.op.params["graph"]
        starts, pairs = seeded(graph.inputs, tangents)
        return self._again(node, pairs, push_forward(starts, graph.outputs))

    def _again(self, node: Apply, pairs: Sequence[tuple], asked: Received) -> Received:
        """`asked`, variables of the inner graph and of the seeds in `pairs`, as one more op."""
        made = silent([v for v in asked if v is not None])
        if not made:
            return [None] * len(asked)
        operands = [*zip(node.op.params["graph"].inputs, node.inputs, strict=True), *pairs]
        used = set(walk.leaves(made, {v for v, _ in operands}))
        operands = [pair for pair in operands if pair[0] in used]
        body = Graph([v for v, _ in operands], made)
        results = recomputed(body, [value for _, value in operands])
        rest = iter(results)
        return [None if v is None else next(rest) for v in asked]


def silent(outputs: Sequence[Variable]) -> list[Variable]:
    """`outputs` of a graph that is computed again, without the effects that are not to happen
    again: an assertion may, printing may not."""
    new: dict[Variable, Variable] = {}
    for node in walk.toposort(outputs):
        operands = tuple([new.get(v, v) for v in node.inputs])
        if node.op.family.is_effect and not node.op.family.is_check:
            new[node.output(0)] = operands[0]
        elif any([a is not b for a, b in zip(operands, node.inputs, strict=True)]):
            new.update(zip(node.outputs, rebuild(node, operands).outputs, strict=True))
    return [new.get(v, v) for v in outputs]


def acts(graph: Graph) -> bool:
    """Does it, or a graph in it, do what must not happen twice, such as printing?"""
    graphs = [graph]
    while graphs:
        for node in graphs.pop().nodes:
            family = node.op.family
            if family.is_effect and not family.is_check:
                return True
            if family.is_inner:
                graphs += family.graphs(node.op.params)  # type: ignore[attr-defined]
    return False


def seen_outside(size: Size, known: set) -> Size:
    """A size as it is seen outside: one that only the inner graph knows is just some size."""
    if isinstance(size, int) or all([a in known or a[0] == "name" for a in size.atoms()]):
        return size
    return Dim.anonymous()


_checkpoint = Checkpoint("checkpoint")


def recomputed(graph: Graph, operands: Sequence[Variable]) -> tuple[Variable, ...]:
    """The outputs of `graph` on `operands`, as the results of one `checkpoint` op."""
    results = apply(_checkpoint.op(graph=graph), tuple(operands))
    return results if isinstance(results, tuple) else (results,)
