"""Long graphs: nothing recurses, nothing is kept alive, work grows in proportion."""

from __future__ import annotations

import gc
import pickle
import sys
import time
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

import graphad as ga
from graphad.ir import walk
from graphad.ir.graph import Graph, replace
from graphad.testing import interpret

LONG = 100_000


def chain(x: ga.Variable, length: int) -> ga.Variable:
    """length nodes in a row; nearly the identity, so that values stay finite."""
    for i in range(length // 2):
        x = ga.tanh(x) if i % 2 else ga.sin(x)
        x = x + 0.5
    return x


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_python_s_recursion_limit_is_the_default() -> None:
    assert sys.getrecursionlimit() <= 1000 + 200  # pytest adds nothing that would help us


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_graph_is_freed_at_once() -> None:
    x = ga.vector("x", shape=(3,))
    y = chain(x, LONG)
    middle = y
    for _ in range(LONG // 2):
        middle = middle.owner.inputs[0]
    watched = [weakref.ref(middle), weakref.ref(middle.owner), weakref.ref(y)]
    graph = Graph([x], [y])
    assert len(graph) == LONG
    del y, middle, graph
    assert [watch() for watch in watched] == [None, None, None]


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_gradient_is_freed_at_once() -> None:
    x = ga.scalar("x")
    y = chain(x, 20_000)
    g = ga.grad(y, x)
    node = g.owner
    watched = [weakref.ref(node), weakref.ref(node.origin), weakref.ref(y.owner)]
    assert len(walk.toposort([g])) > 20_000
    del y, g, node
    assert [watch() for watch in watched] == [None, None, None]


def test_a_long_chain_is_walked_pickled_and_changed() -> None:
    x, z = ga.vector("x", shape=(3,)), ga.vector("z", shape=(3,))
    y = chain(x, LONG)
    graph = Graph([x], [y])
    assert len(graph.nodes) == LONG and walk.leaves([y])[0] is x
    assert len(walk.path_between(x, y)) == LONG + 1
    copy = pickle.loads(pickle.dumps(graph))
    assert copy == graph and copy.content_hash == graph.content_hash
    assert len(walk.toposort([pickle.loads(pickle.dumps(y))])) == LONG
    (changed,) = replace([y], {x: z})
    assert Graph([z], [changed]) == graph
    assert ga.listing(graph).count("\n") == LONG + 1


def test_a_long_chain_is_differentiated_and_computed() -> None:
    x = ga.scalar("x")
    y = x
    for _ in range(LONG // 3):
        y = y + ga.sin(y) * 1e-5
    value, slope = interpret([x], [y, ga.grad(y, x)])(0.3)
    expected, derivative = 0.3, 1.0
    for _ in range(LONG // 3):
        derivative *= 1 + np.cos(expected) * 1e-5
        expected += np.sin(expected) * 1e-5
    np.testing.assert_allclose([value, slope], [expected, derivative], rtol=1e-9)
    (forward,) = interpret([x], [ga.jvp(y, x, ga.constant(1.0))])(0.3)
    np.testing.assert_allclose(forward, derivative, rtol=1e-9)


def test_a_wide_graph() -> None:
    """One variable with many uses: its cotangents add up."""
    x = ga.scalar("x")
    total = ga.constant(0.0)
    for i in range(10_000):
        total = total + x * float(i)
    assert interpret([x], [ga.grad(total, x)])(1.0)[0] == 10_000 * 9_999 / 2


@pytest.mark.full
def test_a_million_nodes(record_property: pytest.RecordProperty) -> None:
    x = ga.vector("x")
    start = time.perf_counter()
    y = chain(x, 1_000_000)
    built = time.perf_counter()
    order = walk.toposort([y])
    walked = time.perf_counter()
    assert len(order) == 1_000_000 and order[-1] is y.owner
    g = ga.grad(y.sum(), x)
    derived = time.perf_counter()
    assert len(walk.toposort([g], stop={y})) <= 4_000_000
    micros = {"build": built - start, "walk": walked - built, "gradient": derived - walked}
    for name, seconds in micros.items():
        record_property(f"{name}, microseconds a node", round(seconds, 2))
        print(f"{name}: {seconds:.2f} microseconds a node")
