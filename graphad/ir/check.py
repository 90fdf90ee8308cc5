"""Is a graph legal? Run between the stages of the compiler in tests and in debug mode."""

from __future__ import annotations

from graphad.errors import GraphError
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.variable import Variable


def check(graph: Graph, stage: str = "") -> Graph:
    """`graph` itself, if it follows the grammar of the IR; GraphError names the first fault.

    Checked: every node comes after its operands, its op is declared, its output types are what
    the op's type rule makes of its inputs, and every leaf is an input or a constant.
    """
    prefix = f"after {stage}: " if stage else ""
    ready = set(graph.inputs)
    for node in graph.nodes:
        for operand in node.inputs:
            if operand.owner is not None and operand not in ready:
                raise GraphError(f"{prefix}{node} uses a value that is not computed before it")
        if node.op.name not in OPS.families:
            raise GraphError(f"{prefix}the op of {node} is not in the op table")
        if node.op.family.memoise:
            promised = tuple(node.op.infer(tuple([v.type for v in node.inputs])))
            if promised != node.types:
                raise GraphError(
                    f"{prefix}{node} has types {node.types}, its rule says {promised}"
                )
        for index, output in enumerate(node.outputs):
            if output.index != index or output.owner is not node:
                raise GraphError(f"{prefix}output {index} of {node} does not point back to it")
            ready.add(output)
    Graph(graph.inputs, graph.outputs)
    return graph


def same_type(old: Variable, new: Variable) -> bool:
    """May `new` stand for `old`? Types are interned, so this is one comparison."""
    return old.type is new.type
