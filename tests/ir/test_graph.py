"""Graphs: walks, equality by structure, content hash, surgery, pickling."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import GraphError
from graphad.ir import walk
from graphad.ir.check import check
from graphad.ir.graph import Graph, replace
from graphad.testing import interpret


def model(names: str = "xw", constant: float = 2.0) -> Graph:
    x, w = ga.matrix(names[0], shape=("n", 3)), ga.vector(names[1], shape=(3,))
    y = ga.tanh(x @ w) * constant
    return Graph([x, w], [y.sum(), y])


# ---- walks ----------------------------------------------------------------------------------


def test_toposort_puts_operands_first() -> None:
    rng = np.random.default_rng(0)
    variables = [ga.scalar(f"x{i}") for i in range(3)]
    for _ in range(200):
        a, b = rng.integers(0, len(variables), 2)
        variables.append(variables[a] + variables[b])
    order = walk.toposort(variables[-5:])
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order)
    for node in order:
        for operand in node.inputs:
            assert operand.owner is None or place[operand.owner] < place[node]


def test_walks_of_a_diamond() -> None:
    x, k = ga.scalar("x"), ga.constant(3.0)
    a = ga.exp(x)
    b, c = a * k, a + x
    d = b - c
    ops = [node.op.name for node in walk.toposort([d])]
    assert ops == ["exp", "multiply", "add", "subtract"]
    assert all(v is w for v, w in zip(walk.leaves([d]), [x, k], strict=True))
    assert [v is x for v in walk.inputs([d])] == [True]
    assert [node.op.name for node in walk.toposort([d], stop={a})] == ops[1:]
    clients = walk.clients(walk.toposort([d]))
    assert [(node.op.name, i) for node, i in clients[a]] == [("multiply", 0), ("add", 0)]
    assert [(node.op.name, i) for node, i in clients[c]] == [("subtract", 1)]
    way = walk.path_between(x, d)
    assert way[0] is x and way[1] is a and way[-1] is d and len(way) == 4
    assert walk.path_between(k, a) == []
    assert {id(v) for v in walk.variables([d])} == {id(v) for v in (x, k, a, b, c, d)}


def test_inputs_may_be_intermediates() -> None:
    x = ga.scalar("x")
    a = ga.exp(x)
    graph = Graph([a], [a * 2.0 + a])
    assert [node.op.name for node in graph.nodes] == ["multiply", "add"]
    assert interpret([a], [a * 2.0])(5.0)[0] == 10.0
    both = Graph([x, a], [a + x])
    assert len(both) == 1


# ---- equality and hash ----------------------------------------------------------------------


def test_equal_by_structure() -> None:
    assert model() == model("ab") and hash(model()) == hash(model("ab"))
    assert model().content_hash == model("ab").content_hash
    with ga.scope("somewhere"):
        assert model() == model()


def different() -> dict[str, Graph]:
    """Graphs of which no two are equal."""
    x, y = ga.vector("x"), ga.vector("y")
    n, m = ga.vector("n", shape=("n",)), ga.vector("n", shape=("m",))
    f = ga.vector("f", dtype="float32")
    shared = ga.exp(x)
    pair = ga.vector("p"), ga.vector("q")
    same = ga.tensor("r", shape=pair[0].type.shape)
    return {
        "model": model(),
        "constant": model(constant=3.0),
        "constant dtype": model(constant=np.float32(2.0)),  # type: ignore[arg-type]
        "negative zero": Graph([x], [x * -0.0]),
        "zero": Graph([x], [x * 0.0]),
        "nan": Graph([x], [x * np.nan]),
        "integer power": Graph([x], [x**2]),
        "operands": Graph([x, y], [x - y]),
        "operands swapped": Graph([x, y], [y - x]),
        "inputs swapped and used": Graph([y, x], [y - x * 1.0]),
        "one input twice": Graph([x, y], [x - x]),
        "shared result": Graph([x], [shared * shared]),
        "two equal results": Graph([x], [ga.exp(x) * ga.exp(x)]),
        "outputs": Graph([x], [shared, shared]),
        "float32": Graph([f], [f - f]),
        "axis": Graph([x], [x.sum(axis=0)]),
        "keepdims": Graph([x], [x.sum(axis=0, keepdims=True)]),
        "named": Graph([n], [n + 1.0]),
        "another name": Graph([m], [m + 1.0]),
        "unknown": Graph([x], [x + 1.0]),
        "two unknown sizes": Graph(pair, [pair[0] + 1.0, pair[1] + 1.0]),
        "the same unknown size": Graph([pair[0], same], [pair[0] + 1.0, same + 1.0]),
    }


def test_different_structures_are_not_equal() -> None:
    graphs = different()
    for a, first in graphs.items():
        for b, second in graphs.items():
            assert (first == second) is (a == b), f"{a} and {b}"
            assert (first.content_hash == second.content_hash) is (a == b), f"{a} and {b}"
    assert model() != "model"


HASHES = """
import sys
sys.path.insert(0, {folder!r})
import test_graph
for name, graph in test_graph.different().items():
    print(name, graph.content_hash, sep=": ")
"""


def test_content_hash_is_the_same_in_every_process() -> None:
    program = HASHES.format(folder=str(Path(__file__).parent))
    answers = []
    for seed in ("1", "4321"):
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )  # fmt: skip
        answers.append(run.stdout)
    ours = "".join(f"{name}: {graph.content_hash}\n" for name, graph in different().items())
    assert answers[0] == answers[1] == ours


def test_unknown_sizes_are_numbered() -> None:
    def build() -> Graph:
        a, b = ga.vector("a"), ga.vector("b")
        return Graph([a, b], [ga.outer(a, b), a[1:]])

    assert build() == build() and build().content_hash == build().content_hash


def test_the_order_in_which_variables_were_made_plays_no_role() -> None:
    def build(order: str) -> Graph:
        made = {name: ga.vector(name) for name in order}
        a, b, c = (made[name] for name in "abc")
        return Graph([a, b, c], [a * b + c, ga.concatenate([c, a, b])])

    graphs = [build(order) for order in ("abc", "cab", "bca", "cba")]
    assert len({graph.content_hash for graph in graphs}) == 1
    assert all(graph == graphs[0] for graph in graphs)


# ---- what a graph knows ---------------------------------------------------------------------


def test_nodes_clients_and_size() -> None:
    graph = model()
    assert len(graph) == 4 and repr(graph) == "<Graph: 2 inputs, 4 nodes, 2 outputs>"
    x, w = graph.inputs
    assert [(n.op.name, i) for n, i in graph.clients[w]] == [("matmul", 1)]
    assert [(n.op.name, i) for n, i in graph.clients[x]] == [("matmul", 0)]


def test_graph_of_finds_the_inputs() -> None:
    x, y, w = ga.scalar("x"), ga.scalar("y"), ga.shared(1.0, name="w")
    graph = Graph.of([y * w + x])
    assert [v.name for v in graph.inputs] == ["y", "w", "x"]


def test_an_open_graph_is_refused() -> None:
    x, y = ga.scalar("x"), ga.scalar("y")
    with pytest.raises(GraphError) as caught:
        Graph([x], [x * y])
    for word in ("'y'", "multiply", "test_graph.py", "givens"):
        assert word in str(caught.value)
    with pytest.raises(GraphError, match="'x'"):
        Graph([ga.exp(x)], [x])


def test_check_accepts_what_was_built() -> None:
    graph = model()
    x, w = graph.inputs
    assert check(graph, "build") is graph
    check(Graph([x, w], [ga.grad(graph.outputs[0], w), ga.hessian(graph.outputs[0], w)]))


def test_check_refuses_what_breaks_the_grammar() -> None:
    x = ga.scalar("x")
    y = ga.exp(x)
    y.index = 1
    with pytest.raises(GraphError, match="after fold: output"):
        check(Graph([x], [y + 1.0]), "fold")


# ---- surgery --------------------------------------------------------------------------------


def test_replace() -> None:
    x, y = ga.scalar("x"), ga.scalar("y")
    a = ga.exp(x)
    b, c = a * 2.0, ga.sin(y)
    b.name = "b"
    new, same = replace([b + c, c], {x: y + 1.0})
    assert same is c
    assert new.owner.inputs[0].name == "b" and new.owner.inputs[1] is c
    assert interpret([y], [new])(0.5)[0] == np.exp(1.5) * 2 + np.sin(0.5)
    assert replace([b], {a: x})[0].eval({x: 3.0}) == 6.0
    assert replace([a], {a: c})[0] is c


def test_replace_takes_values_as_they_are() -> None:
    x = ga.scalar("x")
    (new,) = replace([x * 2.0], {x: x + 1.0})
    assert new.eval({x: 1.0}) == 4.0
    y = ga.scalar("y")
    first, second = replace([x - y, y], {x: y, y: x})
    assert first.eval({x: 1.0, y: 5.0}) == 4.0 and second is x


def test_replace_keeps_site_scope_and_origin() -> None:
    x, y = ga.scalar("x"), ga.scalar("y")
    with ga.scope("part"):
        z = ga.exp(x)
    g = ga.grad(z, x)
    new, new_gradient = replace([z, g * 1.0], {x: y})
    assert new.site == z.site and new.owner.scope == "part"
    origins = {node.op.name: node.origin for node in walk.toposort([new_gradient])}
    assert origins["exp"] is None


# ---- pickling -------------------------------------------------------------------------------


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("name", sorted(different()))
def test_graphs_are_pickled(name: str) -> None:
    graph = different()[name]
    copy = again(graph)
    assert copy == graph and copy.content_hash == graph.content_hash
    assert [v.name for v in copy.inputs] == [v.name for v in graph.inputs]


def test_pickling_keeps_names_sites_scopes_and_origins() -> None:
    x = ga.vector("x", shape=("n",))
    with ga.scope("part"):
        y = ga.exp(x)
    y.name = "y"
    g = ga.grad((y * y).sum(), x)
    for copy in (again(Graph([x], [g])), Graph.of([again(g)])):
        nodes = {node.op.name: node for node in copy.nodes}
        assert nodes["exp"].output(0).name == "y" and nodes["exp"].scope == "part"
        assert nodes["exp"].site == y.site
        derived = [node for node in copy.nodes if node.origin is not None]
        assert derived and all(node.origin.op.name for node in derived)
        assert copy == Graph([x], [g])


def test_sharing_survives_pickling_together() -> None:
    w = ga.shared(np.ones(2), name="w")
    first, second = again((w * 2.0, ga.exp(w)))
    a, b = first.owner.inputs[0], second.owner.inputs[0]
    assert a is b and isinstance(a, ga.Shared)
    a.value = [5.0, 6.0]
    assert b.value.tolist() == [5.0, 6.0] and w.value.tolist() == [1.0, 1.0]


def test_leaves_are_pickled() -> None:
    x = again(ga.matrix("x", shape=("n", 3), dtype="float32"))
    assert x.type is ga.TensorType("float32", ("n", 3)) and x.name == "x"
    c = again(ga.constant([1.0, np.nan], name="c"))
    assert c.name == "c" and np.isnan(c.value[1]) and not c.value.flags.writeable
