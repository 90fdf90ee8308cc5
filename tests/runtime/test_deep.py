"""Long chains at the default recursion limit: built, differentiated, compiled, pickled, run."""

from __future__ import annotations

import gc
import math
import pickle
import sys
import time
import tracemalloc
import weakref

import numpy as np
import pytest

import graphad as ga
from graphad.compiler import compile_graph
from graphad.ir import walk

LENGTHS = [10_000, pytest.param(100_000, marks=pytest.mark.full)]


@pytest.fixture(autouse=True)
def _default_recursion_limit() -> None:
    assert sys.getrecursionlimit() <= 1000, "the tests run at the default limit"


def chain(x: ga.Variable, length: int) -> ga.Variable:
    """y ← sin(y)·0.9 + 0.1·y …: nothing for rewriting to take away."""
    y = x
    for _ in range(length // 4):
        y = ga.sin(y) * 0.9 + x
    return y


def by_hand(x: float, length: int) -> tuple[float, float]:
    """Value and derivative of the chain."""
    y, slope = x, 1.0
    for _ in range(length // 4):
        y, slope = math.sin(y) * 0.9 + x, math.cos(y) * slope * 0.9 + 1.0
    return y, slope


@pytest.mark.parametrize("length", LENGTHS)
def test_a_deep_chain_of_scalars(length: int) -> None:
    started = time.process_time()
    x = ga.scalar("x")
    y = chain(x, length)
    f = ga.function([x], [y, ga.grad(y, x)], name="deep")
    value, slope = by_hand(0.3, length)
    for function in (f, pickle.loads(pickle.dumps(f))):
        found = function(0.3)
        assert found[0] == pytest.approx(value, rel=1e-12)
        assert found[1] == pytest.approx(slope, rel=1e-9)
    assert f.report.nodes_after <= 2.5 * length
    assert time.process_time() - started < 60 * length / 50_000


@pytest.mark.parametrize("length", LENGTHS)
def test_a_deep_chain_of_arrays(length: int) -> None:
    x = ga.vector("x", shape=("n",))
    y = chain(x, length)
    f = ga.function([x], ga.grad(ga.sum(y), x))
    value, slope = by_hand(0.3, length)
    np.testing.assert_allclose(f([0.3, 0.3]), [slope, slope], rtol=1e-9)
    np.testing.assert_allclose(y.eval({x: [0.3]}), [value], rtol=1e-12)
    assert f.plan.peak_bytes(n=10) <= 8 * 10 * (length // 2 + 10)


@pytest.mark.parametrize("length", LENGTHS)
def test_everything_that_walks_a_deep_graph(length: int) -> None:
    x = ga.scalar("x")
    y = chain(x, length)
    y.name = "y"
    graph = ga.Graph([x], [y])
    again = pickle.loads(pickle.dumps(graph))
    assert again == graph and again.content_hash == graph.content_hash
    assert len(ga.listing(graph).splitlines()) == len(graph) + 2
    assert len(ga.graph.ancestors(y)) > len(graph) and ga.graph.find(y, "y") is y
    assert len(ga.graph.path(x, y)) >= 2 and len(walk.toposort([y])) == len(graph)
    replaced = ga.graph.replace(y, {x: ga.scalar("z") * 2.0})
    assert replaced.eval({ga.graph.inputs(replaced)[0]: 0.15}) == pytest.approx(
        by_hand(0.3, length)[0]
    )
    assert pickle.loads(pickle.dumps(y)).name == "y"


@pytest.mark.parametrize("length", LENGTHS)
def test_a_dropped_chain_is_freed_at_once(length: int) -> None:
    """Without the garbage collector: there are no reference cycles, in graphs or in functions."""
    x = ga.scalar("x")
    gc.collect()
    gc.disable()
    try:
        y = chain(x, length)
        f = ga.function([x], [y, ga.grad(y, x)], backend="numpy")
        f(0.1)
        seen = [weakref.ref(v) for v in (y, y.owner, f.graph.outputs[0], f._compiled.program)]
        del y, f
        assert [ref() for ref in seen] == [None] * 4
    finally:
        gc.enable()


def test_time_grows_with_length_not_faster() -> None:
    """Steps of the compiler are linear: ten times the nodes take about ten times as long."""

    def seconds(length: int) -> float:
        x = ga.vector("x")
        graph = ga.Graph([x], [chain(x, length)])
        started = time.process_time()
        compile_graph(graph)
        return time.process_time() - started

    seconds(1000)
    small = min(seconds(2000) for _ in range(3))
    assert seconds(20_000) < 40 * small


def test_memory_of_a_node() -> None:
    x = ga.scalar("x")
    tracemalloc.start()
    y = chain(x, 20_000)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert y is not None and used < 700 * 15_000


def test_a_wide_graph() -> None:
    """One node with thousands of uses, thousands of inputs, thousands of outputs."""
    inputs = [ga.scalar(f"x{i}") for i in range(2000)]
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x * inputs[0]
    slopes = ga.grad(total, inputs)
    f = ga.function([inputs], slopes)
    found = f([float(i) for i in range(2000)])
    assert found[0] == 1.0 + sum(range(1, 2000)) and found[1:] == [0.0] * 1999
