"""Products of matrices whose result only one loop nest reads become part of it.

    matmul(a, b); kernel[i, j](c, d)  →  kernel[i, j](a @ b, d)

A scale, an added matrix or a row of biases, an activation, a mask: all that a group of elementwise
nodes does with a product is done with each piece of it while that lies in the cache, in the order
that the graph states. The product is computed in the memory of a result. Decided after fusion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from graphad.ir.families.elementwise import Elementwise
from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Variable
from graphad.plan.group import Group, Operand

SHORTEST = 32  # columns; of fewer a loop for each row costs more than it saves
DTYPES = (np.dtype("float64"), np.dtype("float32"))


def fold_products(graph: Graph, units: Sequence[Apply | Group]) -> list[Apply | Group]:
    """The same units in order, products as parts of the groups that read them."""
    if not any([isinstance(unit, Apply) and is_plain_product(unit) for unit in units]):
        return list(units)
    reads = Counter([v for unit in units for v in unit.inputs])
    reads.update(graph.outputs)
    steps = {unit for unit in units if isinstance(unit, Apply)}
    made: list[Apply | Group] = []
    gone: set[Apply] = set()
    for unit in units:
        product = None if isinstance(unit, Apply) else _product(unit, steps, reads)
        if product is not None:
            gone.add(product)
            assert isinstance(unit, Group)
            unit = unit.with_product(product)
        made.append(unit)
    return [unit for unit in made if unit not in gone]


def is_plain_product(node: Apply) -> bool:
    """A product of matrices, or stacks of them, that machine code can compute."""
    if node.op.name != "matmul" or node.op.params:
        return False
    dtypes = {v.dtype for v in (*node.inputs, node.output(0))}
    ranks = [v.ndim for v in node.inputs]
    return len(dtypes) == 1 and dtypes <= {*DTYPES} and min(ranks) > 1 and max(ranks) < 4


def _product(group: Group, steps: set[Apply], reads: Counter[Variable]) -> Apply | None:
    """The product that becomes part of a group; of several the last one."""
    if not all([_is_elementwise(node) for node in group.nodes]):
        return None
    if any([operand.windows for operand in group.operands]):
        return None
    kinds = [(r.kind, r.axes) for r in group.results]
    if any([kind != ("element", tuple(range(len(group.frame)))) for kind in kinds]):
        return None
    if isinstance(group.frame[-1], int) and group.frame[-1] < SHORTEST:
        return None
    for operand in reversed(group.operands):
        node = operand.variable.owner
        if node in steps and _suits(group, operand, reads):
            return node
    return None


def _is_elementwise(node: Apply) -> bool:
    return isinstance(node.op.family, Elementwise) or node.op.family.is_view


def _suits(group: Group, operand: Operand, reads: Counter[Variable]) -> bool:
    variable = operand.variable
    assert variable.owner is not None
    if not is_plain_product(variable.owner) or reads[variable] > 1:
        return False
    if operand.axes != tuple(range(len(group.frame))):  # it does not cover all that is computed
        return False
    if sum([o.variable is variable for o in group.operands]) > 1:
        return False
    a, b = [v.type.shape[:-2] for v in variable.owner.inputs]
    if a and b and a != b:
        return False
    return any([r.variable.dtype == variable.dtype for r in group.results])
