"""What a user may ask to see: variables, containers of them, a Graph, a compiled function."""

from __future__ import annotations

from typing import Any

from graphad import tree
from graphad.errors import UseError
from graphad.ir.graph import Graph
from graphad.ir.variable import Variable


def graph_of(target: Any) -> Graph:
    """The graph of a Variable, of a nested container of Variables, of anything with `.graph`.

    Raises UseError for everything else.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> graph_of({"value": x * x, "double": 2 * x})
    <Graph: 1 inputs, 2 nodes, 2 outputs>
    """
    if isinstance(target, Graph):
        return target
    if isinstance(target, Variable):
        return Graph.of([target])
    inner = getattr(target, "graph", None)
    if isinstance(inner, Graph):
        return inner
    return Graph.of(_variables(target)[0])


def output_names(target: Any) -> list[str]:
    """One word for each output: its name, its place in the container, or ``output[i]``.

    A compiled function may say its own in an attribute `output_names`.
    """
    if isinstance(target, Variable):
        return [target.name or "output"]
    if isinstance(target, Graph) or isinstance(getattr(target, "graph", None), Graph):
        outputs = graph_of(target).outputs
        given = getattr(target, "output_names", None) or ()
        if len(given) == len(outputs):
            return [str(name) for name in given]
        alone = len(outputs) == 1
        return [v.name or ("output" if alone else f"output[{i}]") for i, v in enumerate(outputs)]
    variables, paths = _variables(target)
    return [v.name or _words(path) for v, path in zip(variables, paths, strict=True)]


def _variables(target: Any) -> tuple[list[Variable], list[str]]:
    """The leaves of a container and their places in it; all must be Variables."""
    leaves, structure = tree.flatten(target)
    paths = structure.paths("")
    for leaf, path in zip(leaves, paths, strict=True):
        if not isinstance(leaf, Variable):
            where = f"the entry {path} is" if path else "it is"
            raise UseError(
                f"no picture of {type(target).__name__}: {where} {type(leaf).__name__}",
                remedy="pass a Variable, a list, tuple or dict of Variables, a Graph, or a "
                "compiled function",
            )
    if not leaves:
        raise UseError(
            f"no picture of an empty {type(target).__name__}", remedy="pass at least one Variable"
        )
    return leaves, paths


def _words(path: str) -> str:
    """``['grads']['w']`` reads ``grads.w``; ``[0]`` reads ``output[0]``."""
    words = path.replace("']['", ".").replace("['", ".").replace("']", "").removeprefix(".")
    return f"output{words}" if words.startswith("[") else words
