"""Where a named size meets one without a name: in every call that one is the same, or 1.

NumPy finds out when they differ, unless the named one is 1, which NumPy would stretch. What a
derivative was taken of counts too, also where it is not computed: the derivative of ``sum(a + b)``
with respect to `a` has the size of `a` because `b` does not stretch it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from graphad.ir import walk
from graphad.ir.context import place_of
from graphad.ir.dims import Atom, Dim
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import OPS
from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Constant, Variable
from graphad.records import Record

Met = dict[tuple[Dim, Dim], Apply]


class Joined(Record):
    """A named size that some op joins with a size that has no name."""

    named: Dim
    other: Dim
    op: str
    where: str


def joined_sizes(graph: Graph, met: Met) -> tuple[Joined, ...]:
    """Pairs of which both sizes can be read from the inputs, to be compared at the entry."""
    if not met:
        return ()
    atoms = _atoms(graph)
    return tuple([
        Joined(named, other, str(node.op), place_of(node, node.site))
        for (named, other), node in met.items() if other.atoms() <= atoms
    ])  # fmt: skip


def with_checks(graph: Graph, met: Met) -> Graph:
    """The graph, which compares the sizes that are known only once something is computed.

    Such are the sizes of ``x[mask]`` and ``nonzero(x)``.
    """
    if not met:
        return graph
    atoms = _atoms(graph)
    checks: list[tuple[Any, ...]] = []
    for (named, other), node in met.items():
        if not other.atoms() <= atoms:
            place = _place(graph.inputs, named)
            here = next((found for v in node.inputs if (found := _place([v], other))), None)
            if place and here and _has_value(here[0], graph):
                sizes = [OPS["dim_size"](v, axis) for v, axis in (place, here)]
                checks.append((*sizes, str(named), str(node.op), place_of(node, node.site)))
    if not checks or not graph.outputs:
        return graph
    first, *others = graph.outputs
    return Graph(graph.inputs, [hooks.load("ops.agreement").agreeing(first, checks), *others])


def _has_value(variable: Variable, graph: Graph) -> bool:
    given = frozenset(graph.inputs)
    return all(v in given or isinstance(v, Constant) for v in walk.leaves([variable], given))


def _atoms(graph: Graph) -> set[Atom]:
    """The names and unknown sizes that are the size of an axis of an input."""
    sizes = [s for v in graph.inputs for s in v.type.shape if isinstance(s, Dim) and s.is_atom]
    return {s.terms[0][0][0] for s in sizes if s.atoms() == {s.terms[0][0][0]}}


def _place(variables: Sequence[Variable], size: Dim) -> tuple[Variable, int] | None:
    """The first (variable, axis) of that size."""
    return next(((v, v.type.shape.index(size)) for v in variables if size in v.type.shape), None)


def met_sizes(graph: Graph) -> Met:
    """Pairs (named, other size) that some node joins, with the first such node."""
    found: Met = {}
    if not any([size.name is not None for v in graph.inputs for size in _dims(v.type.shape)]):
        return found
    for node in _with_origins(graph):
        for sizes in [s for shapes in node.op.family.joins(node) for s in _aligned(shapes)]:
            names = [d for d in sizes if d.name is not None]
            for named, other in itertools.product(names, sizes):
                if other.name is None:
                    found.setdefault((named, other), node)
    return found


def _with_origins(graph: Graph) -> Collection[Apply]:
    """The nodes of the graph, and those that its derivatives were taken of."""
    nodes = dict.fromkeys(graph.nodes)
    origins = dict.fromkeys([n.origin for n in nodes if n.origin is not None])
    taken = [out for node in origins if node not in nodes for out in node.outputs]
    return nodes | dict.fromkeys(walk.toposort(taken, {*graph.inputs}))


def _aligned(shapes: Sequence[Shape]) -> Iterator[set[Dim]]:
    """For each axis, counted from the last, the sizes that are not integers, if there are two."""
    for sizes in itertools.zip_longest(*[shape[::-1] for shape in shapes]):
        dims = set(_dims(sizes))
        if len(dims) > 1:
            yield dims


def _dims(sizes: Sequence[Any]) -> list[Dim]:
    return [size for size in sizes if isinstance(size, Dim)]
