"""Graph surgery for users: ``ga.graph.ancestors / inputs / find / replace / path / toposort``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, GraphError, ShapeError, UseError
from graphad.ir import walk
from graphad.ir.graph import copied, replace
from graphad.testing.graphs import assert_same_graph

X, Y = ga.scalar("x"), ga.scalar("y")
V = ga.vector("v", shape=(3,))
W = ga.shared(2.0, name="w")


def names(variables: Any) -> list[str | None]:
    return [v.name for v in variables]


def test_ancestors_come_operands_first() -> None:
    h = ga.exp(X) * W
    result = h + Y * 2.0
    found = ga.graph.ancestors([result, {"again": h}])
    assert len(found) == len(set(found)) and set(found) >= {X, Y, W, h, result}
    place = {v: i for i, v in enumerate(found)}
    for variable in found:
        if variable.owner is not None:
            assert all(place[operand] < place[variable] for operand in variable.owner.inputs)
    assert ga.graph.ancestors(X) == [X] and ga.graph.ancestors([]) == []


def test_inputs_in_order_of_use() -> None:
    assert names(ga.graph.inputs(Y * W + X * Y)) == ["y", "w", "x"]
    assert names(ga.graph.inputs([X, Y + 1.0])) == ["y", "x"]
    assert ga.graph.inputs(ga.constant(1.0) * 2.0) == []
    assert names(ga.graph.inputs(ga.Graph([X, Y], [X * 2.0]))) == ["x"]


def test_toposort() -> None:
    result = ga.exp(ga.sin(X)) + ga.sin(X)
    assert [str(n.op) for n in ga.graph.toposort(result)] == ["sin", "exp", "sin", "add"]


def test_find() -> None:
    h = ga.exp(X)
    h.name = "hidden"
    result = h * Y + W
    assert ga.graph.find(result, "hidden") is h and ga.graph.find([1 * X, result], "w") is W
    assert ga.graph.find(ga.function([X, Y], result).graph, "hidden").owner.op.name == "exp"
    with pytest.raises(
        GraphError, match=r"called 'z'\n  cause: names in this graph: hidden, w, x, y"
    ):
        ga.graph.find(result, "z")
    with pytest.raises(GraphError, match="2 variables are called 'x'"):
        ga.graph.find(X + ga.scalar("x"), "x")


def test_path() -> None:
    h = ga.exp(X)
    result = ga.sin(h * Y)
    assert ga.graph.path(X, result) == [X, h, result.owner.inputs[0], result]
    assert (
        ga.graph.path(X, X) == [X] and ga.graph.path(result, X) == [] and ga.graph.path(Y, h) == []
    )


# ---- replace ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "pairs", "expected"), [
    (X * X, {X: Y + 1}, lambda: (lambda z: z * z)(Y + 1)), (X - Y, {X: Y, Y: X}, lambda: Y - X),
    (ga.exp(X) + X, {X: W}, lambda: ga.exp(W) + W), (X * Y, {X: 3.0}, lambda: 3.0 * Y),
    (X * Y, {}, lambda: X * Y), (X, {X: Y}, lambda: Y),
    (V * X, {V: [1.0, 2.0, 3.0]}, lambda: np.arange(1.0, 4.0) * X),
])  # fmt: skip
def test_replace(given: Any, pairs: Any, expected: Any) -> None:
    before = ga.listing(given)
    assert_same_graph(ga.graph.replace(given, pairs), expected())
    assert ga.listing(given) == before


def test_replacing_an_intermediate() -> None:
    h = ga.exp(X)
    result = h * h + X
    assert_same_graph(ga.graph.replace(result, {h: Y}), Y * Y + X)
    assert_same_graph(ga.graph.replace(result, {h: ga.sin(h)}), (s := ga.sin(h)) * s + X)


def test_what_does_not_depend_on_a_key_is_shared() -> None:
    left, right = ga.exp(X), ga.sin(Y)
    changed = ga.graph.replace(left + right, {Y: X})
    assert changed.owner.inputs[0] is left and changed.owner.inputs[1] is not right


def test_containers_and_graphs_keep_their_form() -> None:
    found = ga.graph.replace({"a": [X * 2.0], "b": Y}, {X: Y})
    assert list(found) == ["a", "b"] and found["b"] is Y
    graph = ga.graph.replace(ga.Graph([X, Y], [X * Y]), {X: ga.exp(W)})
    assert isinstance(graph, ga.Graph) and names(graph.inputs) == ["y", "w"]
    assert_same_graph(graph, ga.Graph([Y, W], [ga.exp(W) * Y]))


def test_names_sites_scopes_and_origins_are_kept() -> None:
    with ga.scope("part"):
        h = ga.exp(X)
    h.name = "h"
    slope = ga.grad(h * 2.0, X)
    new_h, new_slope = ga.graph.replace([h, slope], {X: Y})
    assert new_h.name == "h" and new_h.owner.scope == "part" and new_h.site == h.site
    assert new_slope.owner.origin is slope.owner.origin is not None


@pytest.mark.parametrize(("pairs", "kind", "message"), [
    ({X: V}, GraphError, r"float64\[3\] cannot stand for float64\[\]"),
    ({V: X}, GraphError, "cannot stand"),
    ({V: np.zeros(4)}, GraphError, r"float64\[4\] cannot stand for float64\[3\]"),
    ({X: 1}, GraphError,
     r"int64\[\] cannot stand for float64\[\]\n  remedy: convert with .astype"),
    ({"x": Y}, UseError, "'x' is no Variable"), ({X: "a"}, DTypeError, "str 'a'"),
])  # fmt: skip
def test_replace_refuses(pairs: Any, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        ga.graph.replace(V * X, pairs)


def test_sizes_that_no_longer_fit_are_told() -> None:
    u = ga.vector("u")
    with pytest.raises(ShapeError, match="do not fit"):
        ga.graph.replace(u + V, {u: np.zeros(2)})
    assert ga.graph.replace(ga.exp(u), {u: V}).type == V.type


@pytest.mark.parametrize("function", [ga.graph.ancestors, ga.graph.inputs, ga.graph.toposort])
def test_what_is_no_variable_is_refused(function: Any) -> None:
    for wrong in (1.0, [X, 1.0], "x", np.zeros(2), None):
        with pytest.raises(UseError, match="is no Variable"):
            function(wrong)


def test_a_copy_on_other_inputs_keeps_what_is_known_of_nodes() -> None:
    x, y = ga.matrix("x", shape=(3, 3)), ga.vector("y", shape=(3,))
    q, r = ga.linalg.qr(x)
    chosen = ga.where(y > 0, ga.log(y), y)
    total = ga.sum(q @ r @ chosen) + ga.sum(ga.constant([1.0, 2.0]) * 2)
    total.name = "total"
    outputs = [total, ga.grad(total, y), chosen, y]
    a, b = ga.matrix("a", shape=(3, 3)), ga.vector("b", shape=(3,))
    order = walk.toposort(outputs, frozenset([x, y]))
    made = [f(outputs, {x: a, y: b}, order) for f in (copied, replace)]
    graphs = [ga.Graph([a, b], found) for found in made]
    assert graphs[0] == graphs[1]
    for one, other in zip(graphs[0].nodes, graphs[1].nodes, strict=True):
        for name in ("op", "hazard", "types", "site", "scope", "origin"):
            assert getattr(one, name) == getattr(other, name), name
        assert one.tracing is None
    assert made[0][0].name == "total"
    assert made[0][3] is b
    assert not {v for node in graphs[0].nodes for v in node.inputs} & {x, y}
    wide = ga.vector("b", shape=("n",))
    target = ga.exp(y)
    (found,) = copied([target], {y: wide}, walk.toposort([target]))
    assert found.type == wide.type  # of another type: computed again
