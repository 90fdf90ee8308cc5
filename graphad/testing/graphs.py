"""Graph equality for tests of rewrites: what came out, with a readable difference."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from graphad.ir.graph import Graph
from graphad.ir.text import listing
from graphad.ir.variable import Variable

Graphlike = Graph | Variable | Sequence[Variable]


def assert_same_graph(found: Graphlike, expected: Graphlike) -> None:
    """Raise AssertionError with the differing lines unless two graphs are equal in structure.

    Variables stand for the graph of what they depend on, with its inputs in order of use. Names,
    scopes and file:line play no role; ops with parameters, types, constants, the order of operands
    and which results are shared do.

    >>> import graphad as ga
    >>> x, y = ga.scalar("x"), ga.scalar("y")
    >>> assert_same_graph(ga.exp(x) + 1.0, ga.exp(y) + 1.0)
    >>> assert_same_graph(x + 1.0, x + 2.0)
    Traceback (most recent call last):
        ...
    AssertionError: the graphs differ (- expected, + found):
      input  in0           float64[]
    - %0     add(in0, 2.0) float64[]
    + %0     add(in0, 1.0) float64[]
      output %0            float64[]
    """
    first, second = _graph(found), _graph(expected)
    if first == second:
        return
    lines = list(difflib.ndiff(_lines(second), _lines(first)))
    shown = [line.rstrip() for line in lines if not line.startswith("?")]
    if all(line.startswith(" ") for line in shown):
        shown.append("(the listings are equal: parameters, sizes or large constants differ)")
    raise AssertionError("\n".join(["the graphs differ (- expected, + found):", *shown]))


def _graph(given: Graphlike) -> Graph:
    if isinstance(given, Graph):
        return given
    return Graph.of([given] if isinstance(given, Variable) else given)


def _lines(graph: Graph) -> list[str]:
    """The listing without what equality does not see: names and places in the source."""
    return listing(graph, bare=True).splitlines()
