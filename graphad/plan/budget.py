"""A plan within a memory budget: forward values are computed again where derivatives need them.

Reverse mode holds the values of the forward pass until the backward pass has read them. Here some
are dropped and computed again, just before they are read, from others that are kept. Operations
and results are the same; only time is traded for memory.

The forward pass is cut into segments, at places where few bytes cross (a cut of the graph by a
position in its order). Values that cross are kept; those within a segment are computed again, at
first only by ops that cost little (elementwise, reductions, movements), then by products as well.
The fewer the segments, the more is computed again; the plan with the least of it that stays
within the budget is taken. (Chen, Xu, Zhang, Guestrin: Training deep nets with sublinear memory
cost, 2016, for chains.) Another choice of values to keep comes from a minimum cut (`cut`): those
that take least memory together, wherever they lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.families.contraction import Contraction
from graphad.ir.families.einsum import PairProduct
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.indexing import GetItem
from graphad.ir.families.movement import Movement
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Variable, rebuild
from graphad.libraries import has_networkx
from graphad.plan.cost import evaluate, nbytes
from graphad.plan.cut import LARGEST, least_kept
from graphad.plan.plan import Plan, make_plan

CHEAP = (Elementwise, Reduction, Scan, Movement, GetItem)
PRODUCTS = (Contraction, PairProduct)
UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KB": 10**3,
         "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}  # fmt: skip


def parse_bytes(budget: int | str) -> int:
    """Bytes of an amount such as 1000, "200MB", "1.5 GiB"; raises UseError for what is none.

    >>> parse_bytes("200MB"), parse_bytes("1.5 KiB"), parse_bytes(1000)
    (200000000, 1536, 1000)
    """
    if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0:
        return budget
    if isinstance(budget, str):
        number = budget.rstrip("BKMGkib ")
        unit = budget[len(number) :].strip()
        try:
            amount = float(number) * UNITS[unit]
        except (ValueError, KeyError):
            amount = 0.0
        if 0 < amount < float("inf"):
            return int(amount)
    raise UseError(
        f"memory_budget={budget!r} is no amount of memory",
        remedy='write for example memory_budget="200MB", or a number of bytes',
    )


def plan_within(
    graph: Graph, budget: int, sizes: Mapping[str, int], donated: frozenset[int] = frozenset()
) -> Plan:
    """The plan of a graph whose peak at the given sizes is at most `budget` bytes.

    Raises UseError where no plan that was tried stays within it, and for sizes that are missing.
    """
    plain = make_plan(graph, None, donated)
    _check_sizes(graph, sizes)
    least = plain.peak_bytes(**sizes)
    if least <= budget:
        return plain
    forward = _Forward(graph, sizes)
    for families in (CHEAP, CHEAP + PRODUCTS):
        for kept in forward.choices(families):
            plan = forward.plan(families, kept, donated)
            peak = plan.peak_bytes(**sizes)
            if peak <= budget:
                return plan
            least = min(least, peak)
    raise UseError(
        f"memory_budget: {budget:,} bytes are not enough",
        cause=f"the plan that needs least takes {least:,} bytes at the given sizes",
        remedy="allow so much, or split the computation; ga.checkpoint and smaller batches help",
    )


def _check_sizes(graph: Graph, sizes: Mapping[str, int]) -> None:
    """Raise UseError unless all sizes are given that arrays depend on."""
    shapes = [v.type.shape for n in graph.nodes for v in n.outputs]
    dims = {d for shape in shapes for d in shape if isinstance(d, Dim)}
    atoms = {a for d in dims for a in d.atoms()}
    needed = sorted({a[1] if a[0] == "name" else "unknown" for a in atoms} - set(sizes))
    if needed:
        told = ", ".join(f'"{name}": …' for name in needed)
        raise UseError(
            f"memory_budget: memory depends on {', '.join(needed)}",
            remedy=f"say for which sizes to plan: sizes={{{told}}}; sizes without a name are "
            '"unknown"',
        )


def _counts(nodes: int) -> Iterator[int]:
    """Numbers of segments that are tried, from many (little is computed again) to one."""
    count = max(nodes // 2, 1)
    while count > 1:
        yield count
        count = min(count - 1, count * 2 // 3)
    yield 1


class _Forward:
    """The forward pass of a graph: what derivatives read of it, and how many bytes cross."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int]) -> None:
        self.graph = graph
        self.nodes = [n for n in graph.nodes if n.origin is None]
        self.position = {v: i for i, n in enumerate(self.nodes) for v in n.outputs}
        self.bytes = {v: evaluate(nbytes(v.type), sizes) for v in self.position}
        backward = [n for n in graph.nodes if n.origin is not None]
        self.read = dict.fromkeys(v for n in backward for v in n.inputs if v in self.position)
        self.results = set(graph.outputs)
        leaves = [v for n in self.nodes for v in n.inputs if v not in self.position]
        self.always = {*self.results, *leaves}  # kept, whatever is chosen
        self.last = {v: i for i, n in enumerate(self.nodes) for v in n.inputs if v in self.bytes}

    def choices(self, families: tuple[type, ...]) -> Iterator[set[Variable]]:
        """Sets of values to keep, from those with which little is computed again: what crosses
        between many segments, to few; and of each the smaller set of which that can be made."""
        for count in _counts(len(self.nodes)):
            borders = self._borders(count)
            crossing = self._crossing(borders)
            yield crossing
            if len(self.nodes) <= LARGEST and has_networkx():
                smaller = self._cut(borders, families)
                if smaller != crossing:
                    yield smaller

    def _cut(self, borders: Sequence[int], families: tuple[type, ...]) -> set[Variable]:
        """What is kept of each segment: the least memory of which what crosses the border after
        it can be made."""
        kept: set[Variable] = set()
        for start, end in zip((0, *borders), borders, strict=False):
            nodes = self.nodes[start:end]
            here = {v: self.bytes[v] for n in nodes for v in n.outputs}
            later = [v for v in here if self.last.get(v, -1) >= end]
            kept |= least_kept(nodes, here, later, self.always,
                               lambda node: _may_repeat(node, families))  # fmt: skip
        return kept

    def plan(
        self, families: tuple[type, ...], kept: set[Variable],
        donated: frozenset[int] = frozenset(),
    ) -> Plan:  # fmt: skip
        """The plan that keeps these values, with ops of these families computed again."""
        kept = kept | self.results
        again = [v for v in self.read if v not in kept and _may_repeat(v.owner, families)]
        graph, order = _repeated(self.graph, set(again), kept, families)
        return make_plan(graph, order, donated)

    def _crossing(self, borders: Sequence[int]) -> set[Variable]:
        """The values that cross between segments: read at a later place than the border."""
        return {v for v, end in self.last.items()
                if any(self.position[v] < b <= end for b in borders)}  # fmt: skip

    def _borders(self, count: int) -> list[int]:
        """Positions that divide what derivatives read into equal parts, moved to where least
        crosses nearby."""
        crossing = [0] * (len(self.nodes) + 2)
        for v, end in self.last.items():
            crossing[self.position[v] + 1] += self.bytes[v]
            crossing[end + 1] -= self.bytes[v]
        for i in range(1, len(crossing)):
            crossing[i] += crossing[i - 1]
        weights = [0] * len(self.nodes)
        for v in self.read:
            weights[self.position[v]] += self.bytes[v]
        total, share = sum(weights), 0
        found: list[int] = []
        reach = max(len(self.nodes) // (4 * count), 0)
        for i, weight in enumerate(weights):
            share += weight
            if share * count >= total * (len(found) + 1) and len(found) < count - 1:
                near = range(max(i + 1 - reach, 1), min(i + 1 + reach, len(self.nodes)) + 1)
                found.append(min(near, key=lambda b: (crossing[b], abs(b - i - 1))))
        return found


def _may_repeat(node: Apply | None, families: tuple[type, ...]) -> bool:
    return node is not None and len(node.types) == 1 and node.op.family.foldable and (
        isinstance(node.op.family, families))  # fmt: skip


def _repeated(
    graph: Graph, again: set[Variable], kept: set[Variable], families: tuple[type, ...]
) -> tuple[Graph, list[Apply]]:
    """The graph in which derivatives read copies of the values in `again`, and the order of its
    nodes: copies are made when they are first read."""
    copies: dict[Variable, Variable] = {}
    new: dict[Variable, Variable] = {}
    order: list[Apply] = []

    def copied(variable: Variable) -> Variable:
        """A copy of a value, from what is kept; what it is made of comes before it in `order`."""
        stack = [variable]
        while stack:
            top = stack[-1]
            owner = top.owner
            if top in copies or owner is None:
                stack.pop()
                continue
            needed = [v for v in owner.inputs if v not in copies and _is_lost(v)]
            if needed:
                stack += needed
                continue
            made = rebuild(owner, tuple([copies.get(v, v) for v in owner.inputs]))
            order.append(made)
            copies[top] = made.output(0)
            stack.pop()
        return copies[variable]

    def _is_lost(v: Variable) -> bool:
        return v in again or (
            v.owner is not None and v not in kept and v.owner.origin is None
            and v not in read and _may_repeat(v.owner, families)
        )  # fmt: skip

    read = {v for n in graph.nodes if n.origin is not None for v in n.inputs}
    for node in graph.nodes:
        if node.origin is not None:
            inputs = [copied(v) if v in again else new.get(v, v) for v in node.inputs]
            if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                changed = rebuild(node, tuple(inputs))
                new.update(zip(node.outputs, changed.outputs, strict=True))
                node = changed
        order.append(node)
    outputs = [new.get(v, v) for v in graph.outputs]
    return Graph(graph.inputs, outputs), order


__all__: Sequence[Any] = ["parse_bytes", "plan_within"]
