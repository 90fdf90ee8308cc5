"""Graphs as networkx graphs: attributes, order, reachability, and the way back."""

import copy
import pickle
import re
import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphad.derivatives.reverse import grad
from graphad.errors import GraphError, MissingLibraryError, UseError
from graphad.ir import walk
from graphad.ir.context import scope
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph
from graphad.ir.make import constant, matrix, scalar, shared, vector
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Shared, Variable
from graphad.viz import from_networkx, to_networkx


def small() -> Graph:
    x, w = vector("x", shape=("n",)), shared(2.0, name="w")
    with scope("s"):
        y = x * w - constant([1.0], name="one")
    y.name = "y"
    return Graph([x, w], [y.sum(), y])


# ---- what is stored -------------------------------------------------------------------------


def test_attributes() -> None:
    graph = small()
    made = to_networkx(graph)
    assert type(made) is nx.MultiDiGraph
    leaves = [tuple(made.nodes[n][key] for key in ("kind", "name", "label")) for n in range(3)]
    assert leaves == [
        ("input", "x", "x"), ("shared", "w", "w"), ("constant", "one", "one [1.0]"),
    ]  # fmt: skip
    assert made.nodes[0]["type"] is graph.inputs[0].type
    assert made.nodes[1]["cell"] is graph.inputs[1].cell
    assert made.nodes[2]["value"].tolist() == [1.0]
    node, subtract = graph.nodes[1], made.nodes[4]
    assert {key: subtract[key] for key in ("kind", "op", "types", "names", "scope", "site")} == {
        "kind": "apply", "op": node.op, "types": node.types, "names": ("y",), "scope": "s",
        "site": node.site,
    }  # fmt: skip
    assert subtract["label"] == "subtract" and subtract["backward"] is False
    assert made.graph == {"inputs": [0, 1], "outputs": [(5, 0), (4, 0)]}


def test_edges_carry_position_output_and_type(split_pair: Any) -> None:
    first, second = split_pair(vector("x", shape=(3,)))
    made = to_networkx(second - first)
    edges = [(u, v, k, d["position"], d["output"], str(d["type"]))
             for u, v, k, d in made.edges(keys=True, data=True)]  # fmt: skip
    assert edges == [
        (0, 1, 0, 0, 0, "float64[3]"),
        (1, 2, 0, 0, 1, "int64[3]"),
        (1, 2, 1, 1, 0, "float64[3]"),
    ]


def test_backward_nodes_know_their_forward_node() -> None:
    x = scalar("x")
    y = OPS["sin"](x)
    both = to_networkx([y, grad(y, x)])
    backward = {d["label"]: d for _, d in both.nodes(data=True) if d.get("backward")}
    assert both.nodes[backward["cos"]["origin"]]["label"] == "sin"
    alone = to_networkx(grad(y, x))
    (cos,) = [d for _, d in alone.nodes(data=True) if d["label"] == "cos"]
    assert cos["origin"] is None and cos["foreign_origin"][0].name == "sin" and cos["backward"]


def test_forward_node_that_is_numbered_after_its_derivative() -> None:
    x = scalar("x")
    y = OPS["sin"](x)
    made = to_networkx(Graph([x], [grad(y, x), y]))
    number = {label: n for n, label in made.nodes(data="label")}
    assert number["cos"] < number["sin"] == made.nodes[number["cos"]]["origin"]
    back = {node.op.name: node for node in from_networkx(made).nodes}
    assert back["cos"].origin is back["sin"]


# ---- order and reachability -----------------------------------------------------------------


def check_agreement(graph: Graph) -> None:
    """networkx and graphad.ir.walk say the same about order, operands and dependence."""
    made = to_networkx(graph)
    first = sum(kind != "apply" for _, kind in made.nodes(data="kind"))
    number: dict[Apply, int] = {node: first + i for i, node in enumerate(graph.nodes)}
    assert list(made) == list(range(first + len(number)))
    assert nx.is_directed_acyclic_graph(made)
    assert all(u < v for u, v in made.edges())
    assert made.number_of_edges() == sum(len(node.inputs) for node in graph.nodes)
    stop = frozenset(graph.inputs)
    for node, n in number.items():
        expected = {number[m] for m in walk.toposort(node.outputs, stop)} - {n}
        assert {m for m in nx.ancestors(made, n) if m >= first} == expected
    position = {n: i for i, n in enumerate(nx.lexicographical_topological_sort(made))}
    for node in graph.nodes:
        for variable in node.inputs:
            if variable.owner in number and variable not in stop:
                assert position[number[variable.owner]] < position[number[node]]
    for i, variable in enumerate(graph.inputs):
        expected = {
            number[v.owner]
            for v in walk.reached_from([variable], graph.nodes) - set(graph.inputs)
            if v.owner in number
        }
        assert set(nx.descendants(made, i)) == expected


def check_round_trip(graph: Graph) -> Graph:
    """from_networkx inverts to_networkx, also through copies and pickles."""
    made = to_networkx(graph)
    back = from_networkx(made)
    assert back == graph and back.content_hash == graph.content_hash
    for other in (made.copy(), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert from_networkx(other) == graph
    assert [v.name for v in back.inputs] == [v.name for v in graph.inputs]
    for new, old in zip(back.nodes, graph.nodes, strict=True):
        assert (new.scope, new.site, new.op) == (old.scope, old.site, old.op)
        assert (new.origin is None) == (old.origin is None)
        assert old.origin is None or new.origin.op == old.origin.op
    again = to_networkx(back)
    assert [d["label"] for _, d in again.nodes(data=True)] == [
        d["label"] for _, d in made.nodes(data=True)
    ]
    return back


def test_classifier(classifier: Any) -> None:
    check_agreement(classifier.graph)
    back = check_round_trip(classifier.graph)
    assert [v.cell for v in back.inputs[2:]] == [v.cell for v in classifier.parameters]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(5, 64)), np.arange(5)]
    arrays += [rng.normal(size=v.type.shape) for v in classifier.parameters]
    for a, b in zip(evaluate(back, arrays), evaluate(classifier.graph, arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_corner_cases(split_pair: Any) -> None:
    x = matrix("x", shape=("n", None))
    middle = OPS["exp"](x)
    first, second = split_pair(middle)
    nan = constant([np.nan, -0.0])
    graphs = [
        Graph([x], [x, x, x]), Graph([], [nan, constant(np.float32(1))]),
        Graph([x, scalar("unused")], [middle]), Graph([middle], [middle * 2.0]),
        Graph([x], [second, first, second]),
        Graph([x, first], [first * 2.0 + second]),
    ]  # fmt: skip
    for graph in graphs:
        check_agreement(graph)
        check_round_trip(graph)


def test_unnamed_output_of_a_node_that_nobody_holds() -> None:
    graph = Graph.of([OPS["sin"](OPS["exp"](scalar("x")))])
    check_round_trip(graph)


def test_shared_cells_stay_shared() -> None:
    graph = small()
    made = to_networkx(graph)
    assert from_networkx(made.copy()).inputs[1].cell is graph.inputs[1].cell
    twice = pickle.loads(pickle.dumps((made, made)))
    one, two = (from_networkx(g).inputs[1] for g in twice)
    assert isinstance(one, Shared) and one.cell is two.cell is not graph.inputs[1].cell


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of elementwise ops and sums, with shared values, constants and gradients."""
    values: list[Variable] = [vector("x", shape=("n",)), shared(0.5, name="w"), scalar("s")]
    leaves = list(values)
    for _ in range(draw(st.integers(1, 25))):
        pick = st.sampled_from(values)
        kind = draw(st.sampled_from(["add", "multiply", "subtract", "sin", "where", "constant"]))
        with scope(draw(st.sampled_from(["a", "b", "a/b"]))):
            if kind == "constant":
                values.append(constant(draw(st.sampled_from([0.0, -0.0, 1, 2.5, np.inf]))))
            elif kind == "sin":
                values.append(OPS["sin"](draw(pick)))
            elif kind == "where":
                values.append(OPS["where"](draw(pick) > 0, draw(pick), draw(pick)))
            else:
                values.append(OPS[kind](draw(pick), draw(pick)))
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4))
    if draw(st.booleans()):
        cost = OPS["sum"](values[-1]).astype("float64")
        outputs += grad(cost, leaves, disconnected="zero")
    fed = [v for v in walk.toposort(outputs) if draw(st.integers(0, 15)) == 0]
    cut = [*leaves, *[node.outputs[0] for node in fed]]
    return Graph(draw(st.permutations(cut)), outputs)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_random_graphs(graph: Graph) -> None:
    check_agreement(graph)
    check_round_trip(graph)


def test_deep_graph() -> None:
    y = x = scalar("x")
    for _ in range(20_000):
        y = OPS["sin"](y)
    graph = Graph([x], [y])
    made = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(made) and from_networkx(made) == graph


# ---- edited and broken graphs ---------------------------------------------------------------


def test_edited_graph() -> None:
    x = scalar("x")
    made = to_networkx(Graph([x], [OPS["sin"](x) + 1.0]))
    (n,) = [n for n, label in made.nodes(data="label") if label == "sin"]
    made.nodes[n]["op"] = OPS["exp"](x).owner.op
    assert from_networkx(made) == Graph([x], [OPS["exp"](x) + 1.0])


def edge(made: nx.MultiDiGraph, head: int, position: int) -> dict[str, Any]:
    return next(d for _, _, d in made.in_edges(head, data=True) if d["position"] == position)


# Node numbers of small(): x 0, w 1, one 2, multiply 3, subtract 4, sum 5.
BROKEN: dict[str, tuple[Any, str]] = {
    "cycle": (
        lambda g: g.add_edge(5, 3, 9, position=2, output=0), "cycle through or before node",
    ),
    "no kind": (lambda g: g.nodes[3].pop("kind"), "node 3 .* no attribute 'kind'"),
    "strange kind": (lambda g: g.nodes[0].update(kind="leaf"), "unknown kind 'leaf'"),
    "no op": (lambda g: g.nodes[3].pop("op"), "node 3 .* no attribute 'op'"),
    "no types": (lambda g: g.nodes[3].pop("types"), "no attribute 'types'"),
    "op of another kind": (lambda g: g.nodes[3].update(op="add"), "'add', not an Op"),
    "no type": (lambda g: g.nodes[0].pop("type"), "no attribute 'type'"),
    "type of another kind": (lambda g: g.nodes[0].update(type="float64"), "not a TensorType"),
    "no value": (lambda g: g.nodes[2].pop("value"), "no attribute 'value'"),
    "no cell": (lambda g: g.nodes[1].pop("cell"), "no attribute 'cell'"),
    "no position": (lambda g: edge(g, 4, 0).pop("position"), "3 → 4 has no attribute 'position'"),
    "no output": (lambda g: edge(g, 4, 0).pop("output"), "has no attribute 'output'"),
    "wrong output": (lambda g: edge(g, 4, 0).update(output=1), "output 1 of node 3"),
    "gap": (lambda g: edge(g, 4, 0).update(position=7), r"positions \[1, 7\]"),
    "position twice": (lambda g: edge(g, 4, 0).update(position=1), "two operands at position 1"),
    "edge into a leaf": (
        lambda g: g.add_edge(1, 0, 0, position=0, output=0), "edges into it",
    ),
    "operand missing": (lambda g: g.remove_edge(2, 4), "from_networkx"),
    "other types": (
        lambda g: g.nodes[3].update(types=g.nodes[5]["types"]), "its rule says",
    ),
    "no inputs": (lambda g: g.graph.pop("inputs"), r"graph\['inputs'\]"),
    "no outputs": (lambda g: g.graph.pop("outputs"), r"graph\['outputs'\]"),
    "outputs no pairs": (lambda g: g.graph.update(outputs=[4]), "list of pairs"),
    "no such output": (lambda g: g.graph.update(outputs=[(99, 0)]), "node 99"),
    "input left out": (lambda g: g.graph.update(inputs=[1]), "not among the inputs"),
    "node removed": (lambda g: g.remove_node(4), "node 4"),
    "no such origin": (lambda g: g.nodes[3].update(origin=99), "origin 99"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_graph(fault: str) -> None:
    damage, message = BROKEN[fault]
    made = to_networkx(small())
    damage(made)
    with pytest.raises(GraphError) as caught:
        from_networkx(made)
    assert re.search(message, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("value", [nx.DiGraph(), nx.MultiGraph(), "graph", None])
def test_other_things_are_refused(value: Any) -> None:
    with pytest.raises(UseError, match=r"no networkx\.MultiDiGraph"):
        from_networkx(value)


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingLibraryError, match=r"graphad\[viz\]"):
        to_networkx(scalar("x") * 2.0)
