"""Graph surgery for users: ``ga.graph.ancestors / inputs / find / replace / toposort``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphad import tree
from graphad.errors import GraphError, UseError
from graphad.ir import graph as _graph
from graphad.ir import walk
from graphad.ir.variable import Apply, Variable, as_variable

__all__ = ["ancestors", "find", "inputs", "path", "replace", "toposort"]


def _outputs(container: Any) -> list[Variable]:
    found = (
        container.outputs if isinstance(container, _graph.Graph) else tree.flatten(container)[0]
    )
    for leaf in found:
        if not isinstance(leaf, Variable):
            raise UseError(f"{leaf!r} is no Variable", remedy="pass variables of a graph")
    return list(found)


def ancestors(outputs: Any) -> list[Variable]:
    """All variables on which `outputs` (a Variable, a container, a Graph) depend, themselves too.

    Operands come before results.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> [v.name for v in ancestors(x * 2) if v.name]
    ['x']
    """
    return walk.variables(_outputs(outputs))


def inputs(outputs: Any) -> list[Variable]:
    """The inputs and shared variables on which `outputs` depend, in order of use.

    >>> import graphad as ga
    >>> x, y = ga.scalar("x"), ga.scalar("y")
    >>> [v.name for v in inputs(x * y)]
    ['x', 'y']
    """
    return walk.inputs(_outputs(outputs))


def toposort(outputs: Any) -> list[Apply]:
    """The nodes of the graph of `outputs`, each after those whose results it uses.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> [str(node.op) for node in toposort(ga.exp(ga.sin(x)))]
    ['sin', 'exp']
    """
    return walk.toposort(_outputs(outputs))


def find(outputs: Any, name: str) -> Variable:
    """The one variable called `name` among the ancestors of `outputs`.

    Raises GraphError if there is none (with the names that exist) or more than one.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> h = ga.exp(x)
    >>> h.name = "h"
    >>> find(h + 1, "h") is h
    True
    """
    everything = walk.variables(_outputs(outputs))
    found = [v for v in everything if v.name == name]
    if len(found) == 1:
        return found[0]
    known = sorted({v.name for v in everything if v.name})
    if found:
        raise GraphError(
            f"{len(found)} variables are called {name!r}", remedy="give them different names"
        )
    raise GraphError(
        f"no variable is called {name!r}",
        cause=f"names in this graph: {', '.join(known[:20]) or 'none'}",
        remedy="name a variable with v.name = '…' while building",
    )


def replace(outputs: Any, replacements: Mapping[Variable, Any]) -> Any:
    """`outputs`, in their container, with each key of `replacements` replaced by its value.

    Types must agree; what does not depend on a key is shared with the old graph, which stays.

    >>> import graphad as ga
    >>> x, y = ga.scalar("x"), ga.scalar("y")
    >>> float(replace(x * x, {x: y + 1}).eval({y: 2.0}))
    9.0
    """
    pairs = {}
    for old, new in replacements.items():
        if not isinstance(old, Variable):
            raise UseError(f"replace: {old!r} is no Variable", remedy="keys are variables")
        value = as_variable(new)
        sizes = zip(value.type.shape, old.type.shape, strict=False)
        clash = any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes)
        if value.dtype != old.dtype or value.ndim != old.ndim or clash:
            raise GraphError(
                f"replace: {value.type} cannot stand for {old.type}",
                remedy="convert with .astype or .reshape first",
            )
        pairs[old] = value
    leaves = _outputs(outputs)
    changed = _graph.replace(leaves, pairs)
    if isinstance(outputs, _graph.Graph):
        kept = [v for v in outputs.inputs if v not in pairs]
        known = set(kept)
        return _graph.Graph(kept + [v for v in walk.inputs(changed) if v not in known], changed)
    return tree.flatten(outputs)[1].unflatten(changed)


def path(source: Variable, target: Variable) -> list[Variable]:
    """The variables on one way from `source` to `target`; [] if `target` does not depend on it.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> len(path(x, ga.exp(ga.sin(x))))
    3
    """
    return walk.path_between(source, target)
