"""Graphs with some of their nodes replaced, in one walk from the inputs to the outputs."""

from __future__ import annotations

from collections.abc import Callable

from graphad.ir.context import in_place_of
from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Variable, rebuild

New = dict[Variable, Variable]  # what stands for variables of the old graph


def replace_nodes(
    graph: Graph, replacement: Callable[[Apply], Variable | None], new: New
) -> Graph:
    """The graph in which `replacement(node)`, if it is one of the same type, stands for the node.

    `new` fills with what stands for the variables so far, so that a replacement can be made of
    that; what it builds has the node's place in the user's code.
    """
    for node in graph.nodes:
        with in_place_of(node):
            made = replacement(node)
        if made is not None and made.type == node.types[0]:
            made.name = made.name or node.output(0).name
            new[node.output(0)] = made
        else:
            follow(node, new)
    return Graph(graph.inputs, [new.get(v, v) for v in graph.outputs]) if new else graph


def follow(node: Apply, new: New) -> None:
    """The node once more, if operands of it were replaced."""
    operands = tuple([new.get(v, v) for v in node.inputs])
    same = all([a is b for a, b in zip(operands, node.inputs, strict=True)])
    if same or any([v in new for v in node.outputs]):
        return
    changed = rebuild(node, operands)
    for old, variable in zip(node.outputs, changed.outputs, strict=True):
        variable.name = old.name
        new[old] = variable
