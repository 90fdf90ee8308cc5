"""Draws under vmap and vectorize_graph: every row has numbers of its own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga

DRAWS: dict[str, Callable[[Any, Any], Any]] = {
    "normal": lambda r, x: r.normal(x, 1.0),
    "sized": lambda r, x: r.normal(x, 1.0, size=3),
    "gamma": lambda r, x: r.gamma(1 + x * x, 2.0, size=(2, 3)),
    "poisson": lambda r, x: r.poisson(1e6 + x),
    "dirichlet": lambda r, x: r.dirichlet(ga.stack([1 + x * x, 2.0, 3.0])),
    "choice": lambda r, x: x + r.choice(1000),
    "permutation": lambda r, x: r.permutation(ga.stack([x, x + 1, x + 2, x + 3, x + 4])),
    "two": lambda r, x: r.normal(x) + r.random(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_rows_differ_and_calls_differ(name: str) -> None:
    rng = ga.random.default_rng(0)
    xs = ga.vector("xs")
    f = ga.function([xs], ga.vmap(lambda x: DRAWS[name](rng, x))(xs))
    a = np.zeros(20)
    first, second = f(a), f(a)
    assert len({row.tobytes() for row in [*first, *second]}) > 25
    f.reset_rng(0)
    np.testing.assert_array_equal(f(a), first)
    assert f(np.zeros(0)).shape == (0, *first.shape[1:])


def test_rows_follow_the_law() -> None:
    rng, xs = ga.random.default_rng(0), ga.vector("xs")
    f = ga.function([xs], ga.vmap(lambda x: rng.normal(x, 1.0))(xs))
    found = f(np.repeat([0.0, 5.0], 2000))
    assert abs(found[:2000].mean()) < 0.1 and abs(found[2000:].mean() - 5) < 0.1
    assert abs(found.reshape(2, -1).std(axis=1) - 1).max() < 0.1


def test_what_follows_is_drawn_after_all_rows() -> None:
    rng, xs = ga.random.default_rng(0), ga.vector("xs")
    y = ga.vmap(lambda x: x + rng.random())(xs)
    f = ga.function([xs], [y, rng.random()])
    rows, last = f(np.zeros(5))
    assert len({*rows, last}) == 6


def test_gradients_by_row() -> None:
    rng, xs = ga.random.default_rng(0), ga.vector("xs")
    y = ga.vmap(lambda x: rng.normal(0.0, x))(xs)
    f = ga.function([xs], [y, ga.grad(y.sum(), xs)])
    for _ in range(2):
        value, slope = f(np.array([1.0, 2.0, 3.0]))
        np.testing.assert_allclose(value, slope * [1.0, 2.0, 3.0])
    inner = ga.vmap(lambda x: ga.grad(rng.normal(0.0, x) ** 2, x))(xs)
    g = ga.function([xs], inner)
    first = g(np.array([1.0, 1.0]))
    assert first[0] != first[1] and not np.array_equal(first, g(np.array([1.0, 1.0])))


def test_arrays_at_once() -> None:
    """vmap of arrays computes at once, and advances the generator."""
    rng = ga.random.default_rng(0)
    f = ga.vmap(lambda x: x + rng.random())
    assert len({*f(np.zeros(3)), *f(np.zeros(3))}) == 6


@pytest.mark.parametrize("name", ["normal", "sized", "gamma", "poisson", "dirichlet"])
def test_graphs_that_are_there_already(name: str) -> None:
    rng, x, xs = ga.random.default_rng(0), ga.scalar("x"), ga.vector("xs")
    y = DRAWS[name](rng, x)
    many = ga.vectorize_graph(y, {x: xs})
    assert many.type.shape[1:] == y.type.shape
    f = ga.function([xs], many)
    first, second = f(np.zeros(20)), f(np.zeros(20))
    assert len({row.tobytes() for row in [*first, *second]}) > 10
    if name == "normal":
        theirs = np.random.default_rng(0)
        np.testing.assert_array_equal(first, theirs.normal(np.zeros(20)))


def test_loops_of_rows() -> None:
    rng, xs = ga.random.default_rng(0), ga.vector("xs")

    def walk(x: Any) -> Any:
        return ga.scan(lambda c, _: (c + rng.normal(), c), x, length=4)[1]

    f = ga.function([xs], ga.vmap(walk)(xs))
    first = f(np.zeros(6))
    assert first.shape == (6, 4) and len(np.unique(first[:, 1:])) == 18
    assert not np.array_equal(f(np.zeros(6)), first)


def test_effects_by_row() -> None:
    seen: list[float] = []
    xs = ga.vector("xs")
    y = ga.vmap(lambda x: ga.callback(lambda v: seen.append(float(v)), x) * 2)(xs)
    assert ga.function([xs], y)(np.arange(3.0)).tolist() == [0.0, 2.0, 4.0]
    assert seen == [0.0, 1.0, 2.0]


def test_assertions_of_all_rows() -> None:
    xs, limit = ga.matrix("xs"), ga.scalar("limit")
    y = ga.vmap(lambda x: ga.assert_(x.sum() < limit, "small", value=x * 2))(xs)
    f = ga.function([xs, limit], y)
    assert not [step for step in f.plan.steps if step.node.op.name == "map_rows"]
    assert f(np.ones((3, 2)), 3.0).tolist() == [[2.0, 2.0]] * 3
    with pytest.raises(AssertionError, match="small") as caught:
        f(np.array([[1.0, 1.0], [4.0, 1.0]]), 3.0)
    assert "1 of 2 elements are false, the first at [1]" in caught.value.cause
    assert "limit is 3.0" in caught.value.cause
