"""Bodies of loops with plain products for those in which a zero counts as zero.

``g * p`` with zeros of g kept takes three calls of NumPy instead of one. The two differ where g is
0 and p infinite or NaN, and there the plain product is NaN. If nothing on the way to the results
can lose a NaN, results without one are right; otherwise the loop runs again as it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.ir.families.contraction import Contraction
from graphad.ir.graph import Graph
from graphad.ir.op import OPS, Op
from graphad.ir.variable import Variable, apply, rebuild

# ops of which a NaN among the operands is one in the result, unless it is not read at all
HANDED_ON = frozenset((
    "add", "subtract", "multiply", "divide", "negative", "square", "marked", "matmul", "sum",
    "reshape", "transpose", "swapaxes", "expand_dims", "squeeze", "broadcast_to", "sum_to_shape",
    "getitem", "unslice", "concatenate", "stack", "sin", "cos", "exp", "tanh", "sqrt",
))  # fmt: skip


def keeps_zeros(op: Op) -> bool:
    """Is this a product in which zeros count against infinities and NaN?"""
    return op.name in ("strong_multiply", "masked_multiply") or (
        isinstance(op.family, Contraction) and bool(op.params.get("strong"))
    )


def _plain(op: Op) -> Op:
    if isinstance(op.family, Contraction):
        found: Op = op.family.plain
        return found
    product: Any = OPS.families["multiply"]
    made: Op = product.op()
    return made


def plain_body(graph: Graph) -> Graph | None:
    """The graph with plain products; None where there are none to replace, where a NaN could be
    lost, or where the graph must not run twice."""
    new: dict[Variable, Variable] = {}
    doubtful: set[Variable] = set()
    for node in graph.nodes:
        op = node.op
        if not op.family.foldable:
            return None
        operands = tuple([new.get(v, v) for v in node.inputs])
        strong = keeps_zeros(op)
        read = doubtful.intersection(node.inputs)
        chosen = op.name == "where" and node.inputs[0] not in read  # what is not, nobody reads
        if read and not strong and not chosen and op.name not in HANDED_ON:
            return None
        if strong:
            made: Any = apply(_plain(op), operands)
            if made.type is not node.types[0]:
                return None
            new[node.output(0)] = made
        elif any([a is not b for a, b in zip(operands, node.inputs, strict=True)]):
            new.update(zip(node.outputs, rebuild(node, operands).outputs, strict=True))
        if strong or read:
            doubtful.update(node.outputs)
    if not doubtful:
        return None
    return Graph(graph.inputs, [new.get(v, v) for v in graph.outputs])


def has_nan(results: Sequence[Any]) -> bool:
    """Is there a NaN among them? (Sums make one of opposite infinities: then it is yes, too.)"""
    return any([bool(np.isnan(np.sum(r))) for r in results if np.asarray(r).dtype.kind in "fc"])
