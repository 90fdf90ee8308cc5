"""The least memory that carries what a stretch of the forward pass hands on: a minimum cut.

What is computed in a stretch and read after it is either kept, or computed again from values of
the stretch that are. Each value is an edge whose capacity is its size in bytes, with edges without
limit from the operands of an op to its result; what comes from before the stretch, or must not be
done again, is a source, what is read later a sink. The edges of a minimum cut are the values that
take the least memory together; of several such sets it is the one nearest to the end, from which
least is computed again. (Maximum flow: L. R. Ford and D. R. Fulkerson, 1956.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set

from graphad.ir.variable import Apply, Variable
from graphad.libraries import networkx

LARGEST = 3000  # values; the maximum flow of more takes longer than it is worth


def least_kept(
    nodes: Sequence[Apply],
    nbytes: Mapping[Variable, int],
    read: Collection[Variable],
    free: Set[Variable],
    may_repeat: Callable[[Apply], bool],
) -> set[Variable]:
    """The values of a stretch of `nodes` that are kept, so that `read` can be had from them.

    nbytes: of each value of the stretch. free: values that are kept anyway, and inputs that are
    always there. may_repeat: whether a node may be computed again. Raises MissingLibraryError
    without networkx.

    >>> import graphad as ga
    >>> x = ga.matrix("x", shape=(100, 100))
    >>> rows = ga.exp(x).sum(axis=1)
    >>> wide = ga.sqrt(rows)[:, None] * x
    >>> nodes = ga.Graph.of([wide]).nodes
    >>> sizes = {n.output(0): 8 * n.types[0].size for n in nodes}
    >>> kept = least_kept(nodes, sizes, [wide], {x}, lambda node: node.op.name != "exp")
    >>> [v.owner.op.name for v in kept]
    ['getitem']
    """
    flow = networkx().DiGraph()
    flow.add_nodes_from(["start", "end"])
    number = {v: i for i, v in enumerate(nbytes)}
    for node in nodes:
        for variable in node.outputs:
            place = number[variable]
            size = 0 if variable in free else nbytes[variable]
            flow.add_edge((place, "in"), (place, "out"), capacity=size)
            for operand in node.inputs if may_repeat(node) else ():
                if operand in number:
                    flow.add_edge((number[operand], "out"), (place, "in"))
                elif operand not in free:
                    flow.add_edge("start", (place, "in"))
            if not may_repeat(node):
                flow.add_edge("start", (place, "in"))  # no capacity: without limit
    for variable in read:
        flow.add_edge((number[variable], "out"), "end")
    _, (_, behind) = networkx().minimum_cut(flow, "start", "end")
    return {v for v, i in number.items() if (i, "out") in behind and (i, "in") not in behind}
