"""Einstein sums whose loops are short, written as products of elements and their sum.

    einsum("nij,nj->ni", a, b)  →  sum(a * b[:, None, :], axis=2)      for sizes of up to 8
    einsum("ni,nj->nij", a, b)  →  a[:, :, None] * b[:, None, :]       for any

Machine code computes that in one loop with what stands around it. NumPy would be slower so: only
programs with kernels are written this way.
"""

from __future__ import annotations

from graphad.ir.families.einsum import PairProduct
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.types import Size
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.replacing import New, replace_nodes

LONGEST = 8  # of the sums, and of what one operand alone has


def improve(graph: Graph) -> Graph:
    """The graph with elementwise products instead.

    >>> import graphad as ga
    >>> a, b = ga.tensor("a", shape=("n", 3, 3)), ga.tensor("b", shape=("n", 3))
    >>> graph = ga.Graph([a, b], [ga.einsum("nij,nj->ni", a, b)])
    >>> [n.op.name for n in improve(graph).nodes]
    ['expand_dims', 'multiply', 'sum']
    """
    if not any(isinstance(node.op.family, PairProduct) for node in graph.nodes):
        return graph
    new: New = {}
    return replace_nodes(graph, lambda node: _written(node, new), new)


def _written(node: Apply, new: New) -> Variable | None:
    if not isinstance(node.op.family, PairProduct):
        return None
    params, operands = node.op.params, [new.get(v, v) for v in node.inputs]
    left, right, out = params["left"], params["right"], params["out"]
    if any(v.dtype != node.types[0].dtype or v.dtype.char not in "fd" for v in operands):
        return None
    sizes: dict[str, Size] = {}
    for letters, v in zip((left, right), operands, strict=True):
        for letter, size in zip(letters, v.type.shape, strict=True):
            if len({*letters}) != len(letters):
                return None
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    summed = [c for c in dict.fromkeys(left + right) if c not in out]
    alone = [[c for c in a if c not in b] for a, b in ((left, right), (right, left))]
    if summed and not (_is_short(summed, sizes) and any(_is_short(one, sizes) for one in alone)):
        return None
    order = [*out, *summed]
    a, b = (_spread(v, names, order) for v, names in zip(operands, (left, right), strict=True))
    strong = params.get("strong", ())
    if not strong:
        made: Variable = OPS["multiply"](a, b)
    elif len(strong) == 2:
        made = OPS["masked_multiply"](a, b)
    else:  # a zero of the one beats what is not finite in the other
        made = OPS["strong_multiply"](*((a, b) if strong == (0,) else (b, a)))
    if summed:
        made = OPS["sum"](made, axis=tuple(range(len(out), len(order))))
    return made


def _is_short(letters: list[str], sizes: dict[str, Size]) -> bool:
    whole = 1
    for letter in letters:
        size = sizes[letter]
        if not isinstance(size, int):
            return False
        whole *= size
    return 1 <= whole <= LONGEST


def _spread(variable: Variable, letters: str, order: list[str]) -> Variable:
    """With its axes in this order, those that it has not of size 1."""
    mine = [c for c in order if c in letters]
    axes = tuple([letters.index(c) for c in mine])
    if axes != tuple(range(len(axes))):
        variable = OPS["transpose"](variable, axes)
    missing = tuple([i for i, c in enumerate(order) if c not in letters])
    return OPS["expand_dims"](variable, axis=missing) if missing else variable
