"""The chain rule on a picture: what each arrow into an op multiplies a derivative by.

For an arrow from operand x to the op that computes y this is ∂y/∂x, all other operands held. As
an expression it comes from the op's own rule; at a point it is a number, and boxes show values.

    element by element     ∂y/∂x of one element, in terms of operands and result
    everything else        how a cotangent g of y is carried back to x: ``g → outer(x, g)``
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphad.assemble import function
from graphad.derivatives.higher import elementwise_grad, jacobian
from graphad.derivatives.reverse import vjp
from graphad.errors import DisconnectedError, GraphadError, UseError
from graphad.ir.graph import Graph, replace
from graphad.ir.make import tensor
from graphad.ir.variable import Apply, Constant, Shared, Variable, apply, describe
from graphad.rewrite.passes import simplify
from graphad.viz.formula import formula
from graphad.viz.labels import number_text, visible

EXPRESSION = "expression"
FEW = 4  # elements that are written out
LARGEST = 10_000  # elements of a Jacobian that is worth computing for a label

Array = np.ndarray[Any, Any]


class Chain:
    """Labels for arrows and boxes of one graph.

    derivatives: "expression", or {input: value} for the values at a point; inputs by Variable or
    by name. Raises UseError for anything else, for a missing or an unknown input.
    """

    def __init__(self, graph: Graph, derivatives: Any) -> None:
        self.names = _names(graph)
        self.varying = _varying(graph)
        self.values: dict[Variable, Array] | None = None
        if isinstance(derivatives, Mapping):
            self.values = _values(graph, derivatives)
        elif derivatives != EXPRESSION:
            raise UseError(
                f"derivatives={derivatives!r}",
                remedy='choose derivatives="expression", or give the values of the inputs: '
                "derivatives={x: 2.0}",
            )

    def value(self, variable: Variable) -> str:
        """What a box says of a value: ``= 0.88``; empty for expressions and constants."""
        if self.values is None or isinstance(variable, Constant):
            return ""
        return f"= {_digits(self.values[variable])}"

    def edge(self, node: Apply, position: int) -> str:
        """``∂y/∂x = …`` or ``∂y/∂x : g → …`` for the operand at `position`; else empty."""
        operand = node.inputs[position]
        if operand not in self.varying or len(node.types) > 1 or node.types[0].dtype.kind != "f":
            return ""
        derive = self._expression if self.values is None else self._number
        try:
            found = derive(node, position)
        except DisconnectedError:
            found = "= 0"
        except GraphadError:
            found = "does not exist"
        return f"∂{self.names[node.output(0)]}/∂{self.names[operand]} {found}"

    def _expression(self, node: Apply, position: int) -> str:
        pointwise = node.op.family.is_elementwise
        shape = () if pointwise else None
        places = [_stand_in(v, shape) for v in node.inputs]
        result = apply(node.op, tuple(places))
        weight, known = _fresh(result, None), _fresh(result, None)
        names = {s: self.names.get(v, "c") for s, v in zip(places, node.inputs, strict=True)
                 if not isinstance(s, Constant)}  # fmt: skip
        names |= {known: self.names[node.output(0)], weight: "g"}
        if pointwise:
            slope = elementwise_grad(result, places[position])
        else:
            slope = vjp(result, places[position], weight, disconnected="raise")
        graph, _ = simplify(Graph(list(names), replace([slope], {result: known})))
        told = dict(zip(graph.inputs, names.values(), strict=True))
        return ("= " if pointwise else ": g → ") + formula(graph.outputs[0], told)

    def _number(self, node: Apply, position: int) -> str:
        pointwise = node.op.family.is_elementwise
        arrays = [self._array(v) for v in node.inputs]
        size = self._array(node.output(0)).shape
        count, by = math.prod(size), arrays[position].size
        if pointwise:
            arrays = [np.broadcast_to(a, size) for a in arrays]
        elif count * by > LARGEST:
            return f"is a matrix {count} × {by}"
        places = [_stand_in(v, a.shape) for v, a in zip(node.inputs, arrays, strict=True)]
        result = apply(node.op, tuple(places))
        derive = elementwise_grad if pointwise else jacobian
        slope = derive(result, places[position])
        fed = {p: a for p, a in zip(places, arrays, strict=True) if not isinstance(p, Constant)}
        run = function(list(fed), slope, unused="ignore", backend="interpreter")
        return f"= {_digits(np.asarray(run(*fed.values())))}"

    def _array(self, variable: Variable) -> Array:
        assert self.values is not None
        return variable.value if isinstance(variable, Constant) else self.values[variable]


def _stand_in(variable: Variable, shape: tuple[Any, ...] | None) -> Variable:
    """An input in the place of an operand; numbers stay, since rules may look at them."""
    if isinstance(variable, Constant) and not variable.ndim and not shape:
        return variable
    return _fresh(variable, shape)


def _fresh(variable: Variable, shape: tuple[Any, ...] | None) -> Variable:
    return tensor(dtype=variable.dtype, shape=variable.type.shape if shape is None else shape)


def _varying(graph: Graph) -> set[Variable]:
    """The floats that depend on an input through floats alone: not sizes, not comparisons."""
    found = {v for v in graph.inputs if v.dtype.kind == "f"}
    for node in graph.nodes:
        if any([v in found for v in node.inputs]):
            found.update([v for v in node.outputs if v.dtype.kind == "f"])
    return found


def _names(graph: Graph) -> dict[Variable, str]:
    """A name for everything that is computed or fed: its own, or x0, x1, … and v0, v1, …"""
    names = {v: visible(v.name or f"x{i}") for i, v in enumerate(graph.inputs)}
    count = 0
    for node in graph.nodes:
        for output in node.outputs:
            if output not in names:
                names[output] = visible(output.name or f"v{count}")
                count += not output.name
    return names


def _values(graph: Graph, given: Mapping[Any, Any]) -> dict[Variable, Array]:
    """The value of every variable of the graph at a point."""
    known: dict[str, Variable] = {v.name: v for v in graph.inputs if v.name}
    inputs = set(graph.inputs)
    point: dict[Variable, Any] = {}
    for key, value in given.items():
        variable = known.get(key) if isinstance(key, str) else key
        if not isinstance(variable, Variable) or variable not in inputs:
            raise UseError(
                f"derivatives: {describe(key) if isinstance(key, Variable) else repr(key)} is no "
                "input of this graph",
                remedy=f"give values for {', '.join(known) or 'its inputs'}",
            )
        point[variable] = value
    missing = [v for v in graph.inputs if v not in point and not isinstance(v, Shared)]
    if missing:
        raise UseError(
            f"derivatives: no value for {describe(missing[0])}",
            remedy=f"write derivatives={{{missing[0].name or 'x'}: value, …}}",
        )
    computed = [output for node in graph.nodes for output in node.outputs]
    wanted = list(dict.fromkeys([*graph.inputs, *computed]))
    run = function(list(point), wanted, unused="ignore", backend="interpreter")
    return dict(zip(wanted, map(np.asarray, run(*point.values())), strict=True))


def _digits(array: Array) -> str:
    """One number, up to four numbers, or the shape with the smallest and the largest."""
    if not array.ndim:
        return number_text(array[()])
    if array.size <= FEW:
        return _listed(array.tolist())
    low, high = number_text(array.min()), number_text(array.max())
    return f"{' × '.join(map(str, array.shape))} numbers, {low} … {high}"


def _listed(value: Any) -> str:
    """Up to four numbers in their brackets."""
    if isinstance(value, list):
        return f"[{', '.join(map(_listed, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
