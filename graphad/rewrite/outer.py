"""Products of a column and a row: every element is one product, which loops fuse with others.

    (m, 1) @ (1, n)  → (m, 1) * (1, n)      also of stacks of them

Done once for a whole graph, after chains of products were put into their cheapest order: for that
they must be recognised as products of matrices. Only the sign of a zero may differ.
"""

from __future__ import annotations

from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.pattern import is_outer
from graphad.rewrite.replacing import New, replace_nodes


def improve(graph: Graph) -> Graph:
    """The graph with elementwise products instead.

    >>> import graphad as ga
    >>> x, y = ga.matrix("x", shape=("m", 1)), ga.matrix("y", shape=(1, "n"))
    >>> [n.op.name for n in improve(ga.Graph([x, y], [ga.exp(x @ y)])).nodes]
    ['multiply', 'exp']
    """
    new: New = {}
    return replace_nodes(graph, lambda node: _product(node, new), new)


def _product(node: Apply, new: New) -> Variable | None:
    strong = node.op.params.get("strong", ())
    if not is_outer(node) or len(strong) > 1:
        return None
    a, b = [new.get(v, v) for v in node.inputs]
    made: Variable
    if not strong:
        made = OPS["multiply"](a, b)
    else:  # a zero of the one beats what is not finite in the other
        made = OPS["strong_multiply"](*((a, b) if strong == (0,) else (b, a)))
    return made
