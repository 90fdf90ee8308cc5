"""Products of matrices whose result only one loop nest reads become part of it.

    matmul(a, b); kernel[i, j](c, d)  →  kernel[i, j](a @ b, d)

A scale, an added matrix or a row of biases, an activation, a mask, sums of all that: what a group
does with a product is done with each piece of it while that lies in the cache, in the order that
the graph states. Decided after fusion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from graphad.ir.graph import Graph
from graphad.ir.types import Size
from graphad.ir.variable import Apply, Variable
from graphad.plan.group import Group, Operand

ROWS, COLUMNS = 192, 128  # of a product that are one piece of work
SHORTEST = 16  # columns; of fewer a loop for each row costs more than it saves
SHALLOW = 64  # terms of a sum; of up to so many, memory counts more than arithmetic, and pieces
WIDE, LOW = 1024, 24  # are wide: of so many columns and rows, or fewer and up to ROWS
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


def needs_rows(group: Group) -> bool:
    """Must a piece of the product hold whole rows?"""
    kinds = [result.kind for result in group.results]
    return bool(group.row_reductions) or "row" in kinds or "row total" in kinds


def _product(group: Group, steps: set[Apply], reads: Counter[Variable]) -> Apply | None:
    """The product that becomes part of a group; of several the last one."""
    if any([operand.windows for operand in group.operands]):
        return None
    if isinstance(group.frame[-1], int) and group.frame[-1] < SHORTEST:
        return None
    if needs_rows(group) and group.inner != len(group.frame) - 1:  # rows of several axes
        return None
    columns = [result.axes for result in group.results if result.kind == "column"]
    if len(group.frame) > 2 and any([0 not in axes for axes in columns]):
        return None  # every matrix of a stack would have sums of its own
    for operand in reversed(group.operands):
        node = operand.variable.owner
        if node in steps and _suits(group, operand, reads):
            return node
    return None


def _suits(group: Group, operand: Operand, reads: Counter[Variable]) -> bool:
    variable = operand.variable
    assert variable.owner is not None
    if not is_plain_product(variable.owner) or reads[variable] > 1:
        return False
    if operand.axes != tuple(range(len(group.frame))):  # it does not cover all that is computed
        return False
    if sum([o.variable is variable for o in group.operands]) > 1:
        return False
    a, b = [v.type.shape for v in variable.owner.inputs]
    if len(a) == len(b) == 3 and a[0] != b[0]:
        return False
    return not needs_rows(group) or _at_most(b[-1], COLUMNS) or (
        _at_most(b[-1], WIDE) and _at_most(a[-1], SHALLOW))  # fmt: skip


def _at_most(size: Size, most: int) -> bool:
    """May a size be as small as that?"""
    return not isinstance(size, int) or size <= most
