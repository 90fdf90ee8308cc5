"""The interpreter: evaluates a graph node by node, slow and obvious.

It is the reference against which every other way of running a graph is tested, and it checks
that each op computes what its type rule promised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import NEVER_STRETCHED, InternalError, ShapeError
from graphad.ir.dims import Atom
from graphad.ir.graph import Graph
from graphad.ir.op import Op
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Variable, describe


def evaluate(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    """The values of the graph's outputs for the values of its inputs, in order.

    `arrays` must have the dtypes and ranks of `graph.inputs`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> evaluate(Graph([x], [x.sum()]), [np.arange(4.0)])
    [array(6.)]
    """
    values: dict[Variable, Any] = {
        variable: np.asarray(array) for variable, array in zip(graph.inputs, arrays, strict=True)
    }
    sizes: dict[Atom, int] = {}
    for variable, value in values.items():
        match_sizes(variable.type, value, sizes, describe(variable))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            operands = [value_of(variable, values) for variable in node.inputs]
            for output, result in zip(
                node.outputs, run(node.op, node.types, operands), strict=True
            ):
                values.setdefault(output, check_result(node, output.type, result, sizes))
    return [value_of(variable, values) for variable in graph.outputs]


def value_of(variable: Variable, values: Mapping[Variable, Any]) -> Any:
    """The value of a computed variable or a constant."""
    found = values.get(variable)
    if found is None and isinstance(variable, Constant):
        return variable.value
    return values[variable] if found is None else found


def run(op: Op, types: Sequence[TensorType], operands: Sequence[Any]) -> list[np.ndarray]:
    """The outputs of one op as arrays."""
    result = op.evaluate(np, operands)
    return [np.asarray(r) for r in (result if len(types) != 1 else (result,))]


def check_result(
    node: Apply, type: TensorType, array: np.ndarray, sizes: dict[Atom, int]
) -> np.ndarray:
    """`array`, if it is what the type rule of the node promised, with `sizes` for its dims."""
    fits = array.dtype == type.dtype and array.ndim == type.ndim
    fits = fits and all(
        not isinstance(size, int) or size == given
        for size, given in zip(type.shape, array.shape, strict=True)
    )
    if not fits:
        raise InternalError(
            f"{node.op} computed {array.dtype}[{array.shape}], its type rule said {type}",
            where=str(node.site),
        )
    match_sizes(type, array, sizes, f"the result of {node.op}", str(node.site))
    return array


def match_sizes(
    type: TensorType, array: np.ndarray, sizes: dict[Atom, int], what: str, where: str = ""
) -> None:
    """ShapeError unless the array has the sizes that its dims have in this call.

    `sizes` gets an entry for each dim that is met for the first time.
    """
    for axis, (size, given) in enumerate(zip(type.shape, array.shape, strict=True)):
        if isinstance(size, int):
            continue
        if size.is_atom and size.atoms() == {size.terms[0][0][0]}:
            sizes.setdefault(size.terms[0][0][0], given)
        if size.atoms() <= sizes.keys() and size.evaluate(sizes) != given:
            raise ShapeError(
                f"axis {axis} of {what} has size {given}, but {size} is {size.evaluate(sizes)}",
                cause=NEVER_STRETCHED,
                remedy="give arrays whose sizes agree, or declare the size as None",
                where=where,
            )
