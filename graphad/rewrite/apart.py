"""Reductions over the last axes and, further out, others: no loop nest has them together.

    sum(x, (0, 2, 3)) → sum(sum(x, (2, 3)), 0)      where axis 1 stays; max and others too

Done once for a whole graph, after everything that recognises a reduction by its operand. Sums and
products are taken in another order; maxima are not another.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

from graphad.ir.families.reduction import Reduction
from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.replacing import New, replace_nodes

OF_PARTS = frozenset({"sum", "prod", "max", "min", "any", "all"})  # such of parts are of the whole


def improve(graph: Graph) -> Graph:
    """The graph with two reductions, one after the other, in the place of such a one.

    >>> import graphad as ga
    >>> x = ga.tensor("x", shape=("n", "c", 8, 8))
    >>> [n.op.params["axis"] for n in improve(ga.Graph([x], [x.max(axis=(0, 2, 3))])).nodes]
    [(2, 3), (0,)]
    """
    new: New = {}
    return replace_nodes(graph, lambda node: _in_two(node, new), new)


def _in_two(node: Apply, new: New) -> Variable | None:
    family, params = node.op.family, node.op.params
    if node.op.name not in OF_PARTS or not isinstance(family, Reduction):
        return None
    if len(node.inputs) != 1:
        return None
    x, keep = new.get(node.inputs[0], node.inputs[0]), params["keepdims"]
    tail = _last(x, params["axis"])
    if not tail:
        return None
    lost = () if keep else tail
    rest = tuple([a - sum(t < a for t in lost) for a in params["axis"] if a not in tail])
    inner = _again(family, x, params, tail)
    return _again(family, inner, params, rest)


def _again(family: Reduction, x: Variable, params: Any, axis: tuple[int, ...]) -> Variable:
    found: Variable = family(x, **{**params, "axis": axis})
    return found


def _last(x: Variable, axes: Collection[int]) -> tuple[int, ...]:
    """The last axes, if they are reduced and so are some further out, but not all between; axes
    of size 1 do not count."""
    live = [a for a, size in enumerate(x.type.shape) if size != 1]
    tail = list(itertools.takewhile(lambda a: a in axes, reversed(live)))
    others = [a for a in live[: len(live) - len(tail)] if a in axes]
    if not others or len(others) + len(tail) == len(live):
        return ()
    return tuple(sorted(tail))
