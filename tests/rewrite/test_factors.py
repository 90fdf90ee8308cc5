"""Numbers and signs gathered in products, scattered cotangents added before they are scattered."""

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.passes import simplify
from graphad.testing.graphs import assert_same_graph

X, Y = ga.vector("x", shape=(5,)), ga.vector("y", shape=(5,))


def simplified(output: ga.Variable) -> ga.Graph:
    return simplify(ga.Graph([X, Y], [output]))[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((X * Y) + -(X * 3.0), (X * Y) + X * -3.0),
        (-(2.0 * X) * Y, (X * -2.0) * Y),
        (-(X * 2.0) * 3.0 + Y, X * -6.0 + Y),
        (-X * 3.0 + Y, X * -3.0 + Y),
        (X * np.array([3.0]) + Y, X * 3.0 + Y),
        ((X * 2.0) * np.array([3.0]) + Y, X * 6.0 + Y),
        (-(X * Y), -(X * Y)),
        ((X * 1e-20) * 1e-20 + Y, (X * 1e-20) * 1e-20 + Y),
    ],
)
def test_numbers_are_gathered(given: ga.Variable, expected: ga.Variable) -> None:
    assert_same_graph(simplified(given), ga.Graph([X, Y], [expected]))


def test_the_product_of_two_numbers_stays_in_range() -> None:
    x = ga.vector("x", shape=(1,), dtype="float32")
    f = ga.function([x], (x * 1e25) * 1e25)
    assert f(np.array([1e-30], "float32")) == np.float32(1e-30) * np.float32(1e25) * np.float32(
        1e25
    )


def test_a_constant_that_broadcasts_keeps_its_shape() -> None:
    z = ga.scalar("z")
    f = ga.function([z], z * np.array([3.0]))
    assert f(2.0).shape == (1,)


def gradient_ops(cost: ga.Variable) -> list[str]:
    graph, _ = simplify(ga.Graph([X], [ga.grad(cost, X)]))
    return [node.op.name for node in graph.nodes]


def test_cotangents_of_equal_slices_are_added_before_they_are_scattered() -> None:
    cost = ga.sum(X[:-1] ** 3 + ga.sin(X[:-1]) * X[1:])
    assert gradient_ops(cost).count("unslice") == 2
    twice = ga.sum(X[1:] * ga.sin(X[:-1]) + ga.exp(X[:-1] * X[1:]))
    assert gradient_ops(twice).count("unslice") == 2


@pytest.mark.parametrize("seed", range(3))
def test_sums_of_scatters_have_the_same_value(seed: int) -> None:
    value = np.random.default_rng(seed).normal(size=5)
    rows = np.array([0, 2, 2])
    cost = ga.sum(X[:-1] * ga.sin(X[1:]) + X[:-1] ** 2) + ga.sum(X[rows] ** 2 * ga.exp(X[rows]))
    gradient = ga.grad(cost, X)
    np.testing.assert_allclose(
        ga.function([X], gradient)(value), gradient.eval({X: value}), rtol=1e-13
    )


def test_a_number_is_scattered_without_repeating_it() -> None:
    rows = np.array([0, 2, 2])
    cost = ga.sum(X[rows]) + ga.sum(X[1:]) + ga.sum(X[2] + X[:0])
    assert "broadcast_to" not in gradient_ops(cost)
    np.testing.assert_array_equal(
        ga.function([X], ga.grad(cost, X), unused="ignore")(np.ones(5)), [1.0, 1.0, 3.0, 1.0, 1.0]
    )
