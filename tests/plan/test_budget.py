"""Memory budgets: the peak is kept, the results are the same bits, the more is computed again."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import UseError
from graphad.ir.check import check
from graphad.plan.budget import parse_bytes, plan_within


def chain(depth: int) -> tuple[list[Any], list[Any], list[Any]]:
    """A recurrence on a long vector: inputs, outputs, arguments."""
    x = ga.vector("x", shape=("n",))
    y = x
    for _ in range(depth):
        y = ga.sin(y) * x + ga.tanh(y)
    rng = np.random.default_rng(0)
    return [x], [y.sum(), ga.grad(y.sum(), x)], [rng.normal(size=1000)]


def network(depth: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Layers with products of matrices, and the gradients of all weights."""
    x = ga.matrix("x", shape=("n", 8))
    weights = [ga.matrix(f"w{i}", shape=(8, 8)) for i in range(depth)]
    h = x
    for w in weights:
        h = ga.tanh(h @ w) * 0.5 + ga.sigmoid(h)
    loss = (h**2).mean()
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(1000, 8)), *[rng.normal(size=(8, 8)) for _ in weights]]
    return [x, *weights], [loss, ga.grad(loss, weights)], arrays


def scores() -> tuple[list[Any], list[Any], list[Any]]:
    """Values that derivatives read are also results; reductions and views between."""
    x = ga.matrix("x", shape=("n", 8))
    p = ga.softmax(ga.sin(x) * x, axis=1)
    y = ga.exp(p.T) * ga.cos(x.T)
    loss = (y * y).sum() + ga.log(p).mean()
    arrays = [np.random.default_rng(0).normal(size=(1000, 8))]
    return [x], [loss, p, ga.grad(loss, x)], arrays


CASES: dict[str, Callable[[], Any]] = {
    "chain": lambda: chain(40), "network": lambda: network(12), "scores": scores,
}  # fmt: skip


def function(inputs: Any, outputs: Any, **options: Any) -> ga.Function:
    return ga.function(inputs, outputs, backend="numpy", debug=True, **options)


def bits(results: Any) -> list[bytes]:
    return [np.asarray(r).tobytes() for r in ga.tree.flatten(results)[0]]


@pytest.mark.parametrize(
    ("name", "share"), [("chain", 0.7), ("chain", 0.3), ("network", 0.7), ("scores", 0.8)]
)
def test_the_peak_is_kept_and_results_are_the_same(name: str, share: float) -> None:
    inputs, outputs, arrays = CASES[name]()
    plain = function(inputs, outputs)
    budget = int(plain.plan.peak_bytes(n=1000) * share)
    tight = function(inputs, outputs, memory_budget=budget, sizes={"n": 1000})
    assert tight.plan.peak_bytes(n=1000) <= budget
    assert len(tight.plan.steps) > len(plain.plan.steps)
    check(tight.graph, "budget")
    assert bits(tight(*arrays)) == bits(plain(*arrays))
    assert bits(pickle.loads(pickle.dumps(tight))(*arrays)) == bits(plain(*arrays))


def test_long_chains_need_little() -> None:
    inputs, outputs, _ = chain(100)
    graph = function(inputs, outputs).graph
    plain = function(inputs, outputs).plan
    tight = plan_within(graph, plain.peak_bytes(n=1000) // 6, {"n": 1000})
    assert len(tight.steps) < 1.5 * len(plain.steps)


def test_a_larger_budget_computes_less_again() -> None:
    inputs, outputs, _ = chain(40)
    graph = function(inputs, outputs).graph
    peak = function(inputs, outputs).plan.peak_bytes(n=1000)
    steps = [len(plan_within(graph, int(peak * s), {"n": 1000}).steps) for s in (1, 0.8, 0.5, 0.3)]
    assert steps == sorted(steps)
    assert steps[0] == len(graph.nodes)


def test_measured() -> None:
    """What NumPy allocates is what the plan says."""
    inputs, outputs, _ = chain(30)
    a = np.random.default_rng(0).normal(size=20_000)
    plain = function(inputs, outputs).plan.peak_bytes(n=a.size)
    tight = function(inputs, outputs, memory_budget=plain // 3, sizes={"n": a.size})
    tight(a)
    tracemalloc.start()
    try:
        tight(a)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= plain // 3 + 2 * a.nbytes  # what a step allocates besides its result


def test_the_plan_of_a_pickle_has_the_same_order() -> None:
    inputs, outputs, _ = chain(20)
    peak = function(inputs, outputs).plan.peak_bytes(n=1000)
    f = function(inputs, outputs, memory_budget=peak // 2, sizes={"n": 1000})
    again = pickle.loads(pickle.dumps(f))
    assert again.plan.peak_bytes(n=1000) == f.plan.peak_bytes(n=1000)
    assert str(again.plan) == str(f.plan)


def test_a_budget_that_cannot_be_kept() -> None:
    inputs, outputs, _ = chain(5)
    with pytest.raises(UseError, match="the plan that needs least takes"):
        function(inputs, outputs, memory_budget=100, sizes={"n": 1000})


def test_sizes_are_asked_for() -> None:
    inputs, outputs, _ = chain(5)
    with pytest.raises(UseError, match=r'sizes=\{"n": …\}'):
        function(inputs, outputs, memory_budget="1MB")
    x = ga.vector("x")
    with pytest.raises(UseError, match="unknown"):
        function([x], ga.exp(x), memory_budget="1MB")
    f = function([x], ga.exp(x), memory_budget="1MB", sizes={"unknown": 10})
    np.testing.assert_array_equal(f(np.zeros(3)), np.ones(3))


@pytest.mark.parametrize("budget", [0, -5, True, "", "MB", "3 parsecs", "1e400 B", "nan B", 2.5])
def test_amounts_that_are_none(budget: Any) -> None:
    with pytest.raises(UseError, match="memory_budget"):
        parse_bytes(budget)


def test_other_backends_are_refused() -> None:
    x = ga.vector("x", shape=(3,))
    for backend in ("llvm", "interpreter"):
        with pytest.raises(UseError, match="backend"):
            ga.function([x], x * x, backend=backend, memory_budget="1MB")
