"""The ordered list of rules that the compiler applies, and which marks it allows."""

from __future__ import annotations

from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.variable import Apply
from graphad.rewrite.algebra import ALGEBRA
from graphad.rewrite.choices import CHOICES
from graphad.rewrite.engine import Report, rewrite, tables
from graphad.rewrite.fold import FOLD
from graphad.rewrite.pattern import Row, Rule, is_outer
from graphad.rewrite.places import PLACES
from graphad.rewrite.reductions import REDUCTIONS
from graphad.rewrite.shapes import SHAPES
from graphad.rewrite.slices import SLICES
from graphad.rewrite.stable import STABLE

SYSTEMS = frozenset({"solve", "inv"})  # ops for which there is more to know
REDUCING = frozenset({"sum", "prod", "max", "min", "any", "all", "logsumexp"})
SHORT = frozenset([(size,) for size in range(2, 9)])
RULES: list[Row | Rule] = [
    *SHAPES, *SLICES, *ALGEBRA, *CHOICES, *REDUCTIONS, *STABLE, *FOLD, *PLACES,
]  # fmt: skip
DEFAULT_MARKS = ("exact", "rounding", "stabilising")
_default = tables(RULES, DEFAULT_MARKS)


def simplify(
    graph: Graph, extra: tuple[Rule, ...] = (), body: bool = False, exact: bool = False
) -> tuple[Graph, Report]:
    """`graph` after all default rules, or with `exact` those that keep every bit, and the user's
    own (`extra`, whatever their mark).

    Loops are made smaller between two sweeps over the graph, their bodies by the same rules, with
    `body`: there products of columns and rows are kept, of which one product of all steps is made.
    """
    chosen = _default
    if extra or exact:
        allowed = ("exact",) if exact else DEFAULT_MARKS
        rules = [*[r for r in RULES if r.mark in allowed], *extra]
        chosen = tables(rules, ("unsafe", *DEFAULT_MARKS))
    first, report = rewrite(graph, chosen)
    if exact:  # what follows rounds in another way
        return first, report
    names = {node.op.name for node in first.nodes}
    if "matmul" in names and any([_is_chain(node) for node in first.nodes]):
        first = hooks.load("rewrite.chains").improve(first)
    if "matmul" in names and not body and any([is_outer(node) for node in first.nodes]):
        first = hooks.load("rewrite.outer").improve(first)
    if not names.isdisjoint(SYSTEMS):
        first = hooks.load("rewrite.systems").improve(first)
    if "scan" not in names:
        return _in_parts(first), report
    improved: Graph = hooks.load("rewrite.loops").improve(
        first, lambda inner: simplify(inner, extra, body=True)[0], extra
    )
    second, later = rewrite(improved, chosen)
    return _in_parts(second), report.followed_by(later)


def _is_chain(node: Apply) -> bool:
    """Is it a product of matrices, one of which is such a product itself?"""
    return node.op.name == "matmul" and any(
        [v.owner is not None and v.owner.op.name == "matmul" for v in node.inputs]
    )


def simplified_body(body: Graph, extra: tuple[Rule, ...] = (), exact: bool = False) -> Graph:
    """The body of a loop after all rules. Where it was made smaller with the graph around it, only
    products of columns and rows are left to be looked at."""
    done = body.small is not None and body.small[0] == extra
    if done and not exact and not any(is_outer(node) for node in body.nodes):
        return body
    return simplify(body, extra, exact=exact)[0]


def _in_parts(graph: Graph) -> Graph:
    """The graph in which no reduction is of short axes that operands are spread over, or over
    axes that lie apart."""
    reducing = [node for node in graph.nodes if node.op.name in REDUCING]
    if any([node.inputs[0].type.shape[-1:] in SHORT for node in reducing]):
        graph = hooks.load("rewrite.short").improve(graph)
        reducing = [node for node in graph.nodes if node.op.name in REDUCING]
    if any([len(node.op.params["axis"]) > 1 for node in reducing]):
        graph = hooks.load("rewrite.apart").improve(graph)
    return graph
