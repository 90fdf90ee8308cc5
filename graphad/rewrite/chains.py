"""Chains of matrix products in their cheapest order: ``(A @ B) @ v → A @ (B @ v)``.

A chain is a product of matrices whose partial products nobody else reads. The order is found by
dynamic programming over the sizes (T. H. Cormen et al., "Introduction to Algorithms", section
15.2). It rounds in another way. Sizes known only at run time count as `UNKNOWN`, and only where
the chain begins or ends with a vector, which makes the better order plain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.replacing import New, replace_nodes

UNKNOWN = 1000
LONGEST = 24  # factors of a chain that is looked at
GAIN = 0.8  # of the work; small gains are not worth other roundings


def improve(graph: Graph) -> Graph:
    """The graph with its chains in the cheapest order.

    >>> import graphad as ga
    >>> a, b, v = ga.matrix("a"), ga.matrix("b"), ga.vector("v")
    >>> [str(n.inputs[1].type) for n in improve(ga.Graph([a, b, v], [a @ b @ v])).nodes]
    ['float64[?]', 'float64[?]']
    """
    chains = _chains(graph)
    if not chains:
        return graph
    new: New = {}

    def replacement(node: Apply) -> Variable | None:
        return _product([new.get(v, v) for v in chains[node]]) if node in chains else None

    return replace_nodes(graph, replacement, new)


def _chains(graph: Graph) -> dict[Apply, list[Variable]]:
    """The factors of each chain that has a much cheaper order, by its last product."""
    readers = Counter([v for node in graph.nodes for v in node.inputs])
    readers.update(graph.outputs)
    inside: set[Variable] = set()
    found: dict[Apply, list[Variable]] = {}
    for node in reversed(graph.nodes):
        if not _is_plain(node) or node.output(0) in inside:
            continue
        factors, parts = _factors(node, readers)
        inside.update(parts)
        if 2 < len(factors) <= LONGEST and _may_reorder(factors):
            work = sum(_work(part.owner) for part in (*parts, node.output(0)))
            if _cheapest(factors)[0] < GAIN * work:
                found[node] = factors
    return found


def _is_plain(node: Apply | None) -> bool:
    return (
        node is not None and node.op.name == "matmul" and not node.op.params.get("strong")
        and all(0 < v.ndim <= 2 for v in node.inputs) and any(v.ndim == 2 for v in node.inputs)
    )  # fmt: skip


def _factors(node: Apply, readers: Counter[Variable]) -> tuple[list[Variable], list[Variable]]:
    """(factors from left to right, partial products between them)."""
    factors: list[Variable] = []
    parts: list[Variable] = []
    stack = [*reversed(node.inputs)]
    while stack:
        variable = stack.pop()
        if readers[variable] == 1 and _is_plain(variable.owner) and _continues(variable, node):
            parts.append(variable)
            stack += reversed(variable.owner.inputs)  # type: ignore[union-attr]
        else:
            factors.append(variable)
    return factors, parts


def _continues(part: Variable, node: Apply) -> bool:
    """Is a partial product one of matrices, or of a vector at the end of the chain where it is?"""
    first, second = part.owner.inputs  # type: ignore[union-attr]
    if part.ndim == 2:
        return True
    left = node.inputs[0].ndim == 1 and first.ndim == 1
    right = node.inputs[1].ndim == 1 and second.ndim == 1
    return left or right


def _may_reorder(factors: Sequence[Variable]) -> bool:
    if any(v.ndim == 1 for v in factors[1:-1]):
        return False
    known = all(isinstance(size, int) for v in factors for size in v.type.shape)
    return known or factors[0].ndim == 1 or factors[-1].ndim == 1


def _sizes(factors: Sequence[Variable]) -> list[int]:
    """m, k, …, n: how many rows each factor has, and how many columns the last one."""
    shapes = [[s if isinstance(s, int) else UNKNOWN for s in v.type.shape] for v in factors]
    rows = [shape[0] if len(shape) == 2 or i else 1 for i, shape in enumerate(shapes)]
    return [*rows, shapes[-1][1] if len(shapes[-1]) == 2 else 1]


def _work(node: Apply | None) -> float:
    assert node is not None
    sizes = _sizes(node.inputs)
    return float(sizes[0]) * sizes[1] * sizes[2]


def _cheapest(factors: Sequence[Variable]) -> tuple[float, dict[tuple[int, int], int]]:
    """(multiplications, after which factor each part of the chain is split)."""
    sizes, count = _sizes(factors), len(factors)
    best = {(i, i): 0.0 for i in range(count)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (best[i, k] + best[k + 1, j] + float(sizes[i]) * sizes[k + 1] * sizes[j + 1], -k)
                for k in range(i, j)
            ]
            best[i, j], negative = min(options)  # of equal ones from left to right, as written
            split[i, j] = -negative
    return best[0, count - 1], split


def _product(factors: Sequence[Variable]) -> Variable:
    split = _cheapest(factors)[1]
    made: dict[tuple[int, int], Variable] = {(i, i): v for i, v in enumerate(factors)}
    for i, j in sorted(_needed(split, len(factors)), key=lambda part: part[1] - part[0]):
        k = split[i, j]
        made[i, j] = OPS["matmul"](made[i, k], made[k + 1, j])
    return made[0, len(factors) - 1]


def _needed(split: dict[tuple[int, int], int], count: int) -> list[tuple[int, int]]:
    found, stack = [], [(0, count - 1)]
    while stack:
        i, j = stack.pop()
        if i < j:
            found.append((i, j))
            stack += [(i, split[i, j]), (split[i, j] + 1, j)]
    return found
