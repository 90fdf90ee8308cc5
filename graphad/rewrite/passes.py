"""The ordered list of rules that the compiler applies, and which marks it allows."""

from __future__ import annotations

from graphad.ir.graph import Graph
from graphad.rewrite.algebra import ALGEBRA
from graphad.rewrite.engine import Report, rewrite, tables
from graphad.rewrite.fold import FOLD
from graphad.rewrite.pattern import Rule
from graphad.rewrite.shapes import SHAPES
from graphad.rewrite.stable import STABLE

RULES: list[Rule] = [*SHAPES, *ALGEBRA, *STABLE, *FOLD]
DEFAULT_MARKS = ("exact", "rounding", "stabilising")
_default = tables(RULES, DEFAULT_MARKS)


def simplify(graph: Graph, extra: tuple[Rule, ...] = ()) -> tuple[Graph, Report]:
    """`graph` after all default rules and the user's own (`extra`, whatever their mark)."""
    if not extra:
        return rewrite(graph, _default)
    chosen = [*[r for r in RULES if r.mark in DEFAULT_MARKS], *extra]
    return rewrite(graph, tables(chosen, ("unsafe", *DEFAULT_MARKS)))
