"""The engine: merging, one sweep, an end, bounded growth, linear work, an untouched original."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.check import check
from graphad.ir.evaluate import evaluate
from graphad.rewrite import engine
from graphad.rewrite.engine import CHAIN, GROWTH, rewrite, tables
from graphad.rewrite.passes import RULES, simplify
from graphad.rewrite.pattern import Row, Rule
from graphad.testing.graphs import assert_same_graph

X, Y = ga.scalar("x"), ga.scalar("y")
V = ga.vector("v", shape=("n",))


def ops(graph: ga.Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


# ---- merging ------------------------------------------------------------------------------------


def merged(*outputs: ga.Variable) -> tuple[ga.Graph, int]:
    """The graph after merging alone, without any rule."""
    graph, report = rewrite(ga.Graph([X, Y, V], outputs), {})
    return graph, report.merged


def test_equal_nodes_are_merged() -> None:
    graph, count = merged(ga.sin(X * Y) + ga.sin(X * Y))
    assert ops(graph) == ["multiply", "sin", "add"] and count == 2
    shared = ga.sin(X * Y)
    assert_same_graph(graph, ga.Graph([X, Y, V], [shared + shared]))


def test_operands_in_another_order_are_another_node() -> None:
    assert len(merged(X - Y, Y - X)[0]) == 2


@pytest.mark.parametrize(("first", "second"), [
    (0.0, -0.0), (1, True), (1, 1.0), (np.float32(1), np.float64(1)), (1, 1 + 0j), (0, False),
    ([1.0], 1.0), ([[1.0]], [1.0]), (np.int32(1), np.int64(1)), ([0.0, 1.0], [-0.0, 1.0]),
    (complex(0.0, 0.0), complex(0.0, -0.0)), (np.zeros(2000), -np.zeros(2000)),
])  # fmt: skip
def test_constants_that_differ_in_type_or_bits_stay_apart(first: Any, second: Any) -> None:
    graph, count = merged(ga.exp(ga.constant(first)), ga.exp(ga.constant(second)))
    assert len(graph) == 2 and count == 0
    for output, value in zip(evaluate(graph, [0.0, 0.0, [0.0]]), (first, second), strict=True):
        assert output.dtype == np.exp(np.asarray(value)).dtype


@pytest.mark.parametrize("value", [0.0, np.nan, 1, True, [1.0, 2.0], [[np.nan, -0.0]]])
def test_constants_with_equal_bits_are_one(value: Any) -> None:
    graph, count = merged(ga.exp(ga.constant(value)), ga.exp(ga.constant(value)))
    assert len(graph) == 1 and count == 1


@pytest.mark.parametrize(("make", "different"), [
    (lambda a: V[a:], (0, 1)), (lambda a: V.sum(keepdims=a), (True, False)),
    (lambda a: ga.round(V, a), (1, 2)), (lambda a: V.astype(a), ("float32", "float64")),
    (lambda a: ga.expand_dims(V, a), (0, 1)), (lambda a: ga.full((2,), a), (0.0, -0.0)),
    (lambda a: ga.flip(V[None], a), (0, 1)),
])  # fmt: skip
def test_parameters_tell_nodes_apart(make: Any, different: Sequence[Any]) -> None:
    a, b = different
    graph, _ = merged(make(a), make(b), make(a))
    assert graph.outputs[0] is graph.outputs[2] and graph.outputs[0] is not graph.outputs[1]


def test_merging_works_through_layers() -> None:
    first = second = X
    for _ in range(50):
        first, second = ga.sin(first) * Y, ga.sin(second) * Y
    graph, count = merged(first, second)
    assert len(graph) == 100 and count == 100 and graph.outputs[0] is graph.outputs[1]


def test_dead_code_goes() -> None:
    unused = ga.exp(X)
    graph, report = simplify(ga.Graph([X], [(X + unused * 0.0, X * 3.0)[1]]))
    assert ops(graph) == ["multiply"] and report.nodes_after == 1


# ---- rules that do not end ----------------------------------------------------------------------

LOOPS = {
    "a node inside its own replacement": ["sin(x) -> sin(x) * 1"],
    "back and forth": ["x + y -> y + x"],
    "two rules that undo each other": ["sin(x) -> cos(x)", "cos(x) -> sin(x)"],
    "a tree that doubles": ["sin(x) -> sin(x + 1) * sin(x + 2)"],
    "a tree that grows at its root": ["x * y -> exp(x * y) * exp(x + y)"],
    "a chain that grows": ["sin(x) -> sin(sin(x))"],
}


@pytest.mark.parametrize("arrows", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("length", [1, 10, 300])
def test_rules_that_loop_end(arrows: list[str], length: int) -> None:
    value = X
    for _ in range(length):
        value = ga.sin(value) + ga.sin(Y) * value
    graph = ga.Graph([X, Y], [value])
    rules = tuple(ga.rewrite.rule(arrow) for arrow in arrows)
    rewritten, report = simplify(graph, rules)
    check(rewritten)
    limit = GROWTH * len(graph) + 100
    assert report.built <= limit + 8 * CHAIN  # the last chain is finished
    assert report.nodes_after <= len(graph) + report.built
    assert 0 < sum(report.fired[rule.arrow] for rule in rules) <= report.built


def test_after_the_limit_the_graph_still_computes_the_same() -> None:
    """A rule that is true, tanh(x) = -tanh(-x), and never done."""
    value = X
    for _ in range(100):
        value = ga.tanh(value) * Y
    rules = (ga.rewrite.rule("tanh(x) -> tanh(negative(x)) * -1"),)
    f = ga.function([X, Y], value * 1.0, rules=rules)
    assert f.report.stopped and "stopped" in str(f.report)
    assert f(2.0, 3.0) == pytest.approx(value.eval({X: 2.0, Y: 3.0}), rel=1e-13)


def test_a_commutative_loop_changes_nothing_but_the_order() -> None:
    f = ga.function([X, Y], X + Y * Y, rules=[ga.rewrite.rule("x + y -> y + x")])
    assert f(1.0, 3.0) == 10.0 and len(f.graph) == 2 and not f.report.stopped


# ---- linear work --------------------------------------------------------------------------------


def applications(graph: ga.Graph) -> tuple[int, int]:
    """How often a rule was tried, and how many nodes rules built."""
    tried = 0

    def counted(rule: Rule | Row) -> Rule:
        def apply(node: Any, context: Any) -> Any:
            nonlocal tried
            tried += 1
            return rule.apply(node, context)

        return Rule(rule.arrow, rule.root, apply, rule.mark, rule.needs)

    _, report = rewrite(graph, tables([counted(rule) for rule in RULES], ("exact", "rounding")))
    return tried, report.built


def chain(length: int) -> ga.Graph:
    value = V
    for i in range(length):
        square = ga.negative(-(ga.tanh(value * 1.0) ** 2.0))
        value = square * 3.0 * float(i + 2) + ga.broadcast_to(X, V.shape)
    return ga.Graph([X, V], [value])


def gradient(length: int) -> ga.Graph:
    (output,) = chain(length).outputs
    return ga.Graph([X, V], ga.grad(ga.sum(output), [X, V]))


def ladder(length: int) -> ga.Graph:
    """Each value is used many times: the tree is exponential, the graph is not."""
    value = X
    for _ in range(length):
        value = (value + value) * (value * 1.0)
    return ga.Graph([X], [value])


@pytest.mark.parametrize("make", [chain, gradient, ladder])
def test_work_is_linear_in_nodes(make: Any) -> None:
    small, large = applications(make(20)), applications(make(200))
    sizes = [len(make(n)) for n in (20, 200)]
    for a, b in zip(small, large, strict=True):
        assert b / sizes[1] <= 1.1 * a / sizes[0] + 0.1


def test_one_sweep_looks_at_each_node_a_few_times() -> None:
    graph = gradient(100)
    assert applications(graph)[0] <= 12 * len(graph)


def test_sorting_is_local_to_what_a_rule_built(monkeypatch: pytest.MonkeyPatch) -> None:
    visited = 0
    original = engine.walk.toposort

    def counted(*arguments: Any) -> Any:
        nonlocal visited
        order = original(*arguments)
        visited += len(order)
        return order

    graph = chain(300)
    monkeypatch.setattr(engine.walk, "toposort", counted)
    _, report = simplify(graph)
    assert visited <= report.built + 2 * len(graph)


def test_a_set_of_barriers_is_not_copied() -> None:
    """The engine hands all settled variables to each walk over the few new nodes of a rule."""

    class Barrier(set[ga.Variable]):
        def __iter__(self) -> Any:
            raise AssertionError("copied")

    y = ga.exp(X)
    assert engine.walk.toposort([ga.sin(y)], Barrier({y}))[0].op.name == "sin"


# ---- what rewriting keeps -----------------------------------------------------------------------


def test_the_users_graph_is_left_as_it_is() -> None:
    hidden = ga.tanh(V * 1.0) + 0.0
    hidden.name = "hidden"
    cost = ga.sum(hidden * hidden)
    cost.name = "cost"
    slope = ga.grad(cost, V)
    graph = ga.Graph([V], [cost, slope, hidden])
    text, nodes, names = ga.listing(graph), graph.nodes, [v.name for v in graph.outputs]
    content = graph.content
    first = ga.function([V], [cost, slope, hidden])
    second = ga.function([V], [cost, slope, hidden])
    assert ga.listing(graph) == text and ga.Graph([V], graph.outputs).content == content
    assert ga.Graph([V], graph.outputs).nodes == nodes
    assert [v.name for v in graph.outputs] == names == ["cost", None, "hidden"]
    assert first.source == second.source and first.graph == second.graph


def test_names_of_intermediates_are_kept() -> None:
    hidden = ga.exp(X * 1.0)
    hidden.name = "hidden"
    f = ga.function([X], hidden + 1.0)
    assert ga.graph.find(f.graph, "hidden").owner.op.name == "exp" and "hidden" in f.source


def test_new_nodes_take_over_site_scope_and_origin() -> None:
    with ga.scope("layer1"), ga.scope("inner"):
        cost = (X * 3.0) ** 2.0
    site = cost.site
    f = ga.function([X], [cost, ga.grad(cost, X)])
    forward = [n for n in f.graph.nodes if n.origin is None]
    backward = [n for n in f.graph.nodes if n.origin is not None]
    assert [n.op.name for n in forward] == ["multiply", "square"] and backward
    for node in (*forward, *backward):
        assert node.scope == "layer1/inner"
        assert node.site is not None and (node.site.filename, node.site.line) == site


def test_unknown_sizes_stay_the_same_sizes() -> None:
    """A slice with a bound known only at run time has a size of its own, which rewriting keeps."""
    start = ga.scalar("start", dtype="int64")
    part = (V * 1.0)[start:]
    graph, report = simplify(ga.Graph([V, start], [part + part * 2.0]))
    assert report.fired == {"x * 1 -> x": 1}
    assert ops(graph) == ["getitem", "multiply", "add"]
    assert graph.nodes[0].inputs[0] is V and graph.outputs[0].type.shape == part.type.shape


def test_debug_checks_the_graph_between_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(node: Any, context: Any) -> Any:
        node.inputs[0].owner.types = (V.type,)  # breaks the grammar behind the engine's back
        return None

    rule = Rule("exp(x) -> broken", "exp", wrong)
    with pytest.raises(ga.errors.GraphError, match="after rewrite"):
        ga.function([X], ga.exp(ga.sin(X)), rules=[rule], debug=True)


# ---- the report ---------------------------------------------------------------------------------


def test_the_report_counts() -> None:
    _, report = simplify(
        ga.Graph([X, Y], [ga.negative(-X) * 1.0 + ga.sin(Y * 2.0) * ga.sin(Y * 2.0)])
    )
    assert report.fired == {"negative(negative(x)) -> x": 1, "x * 1 -> x": 1}
    assert (report.merged, report.nodes_before, report.nodes_after) == (2, 9, 4)
    text = str(report)
    assert "9 → 4 nodes" in text and "1 × x * 1 -> x" in text and "2 merged" in text


def test_what_does_not_keep_the_type_is_rejected_and_counted() -> None:
    rule = ga.rewrite.rule("x * y -> y")
    v = ga.vector("v", shape=(3,))
    f = ga.function([X, v], v * X, rules=[rule])
    np.testing.assert_array_equal(f(2.0, [1.0, 2.0, 3.0]), [2.0, 4.0, 6.0])
    assert f.report.rejected == {"x * y -> y": 1} and "x * y -> y" not in f.report.fired
