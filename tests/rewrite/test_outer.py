"""Products of a column and a row become elementwise products, which fuse."""

from __future__ import annotations

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.passes import simplify

COLUMN, ROW = ga.matrix("u", shape=("m", 1)), ga.matrix("v", shape=(1, "n"))
SQUARE, VECTOR = ga.matrix("a", shape=("n", "n")), ga.vector("w", shape=("n",))


def names(output: ga.Variable) -> list[str]:
    return [n.op.name for n in simplify(ga.Graph.of([output]))[0].nodes]


def test_every_element_is_one_product() -> None:
    assert names(ga.exp(COLUMN @ ROW)) == ["multiply", "exp"]
    stacks = ga.tensor("s", shape=(3, "m", 1))
    assert names(stacks @ ROW) == ["multiply"]
    assert "matmul" in names(SQUARE @ SQUARE)
    assert "matmul" in names(ga.tensor("r", shape=("m", 2)) @ ga.tensor("q", shape=(2, "n")))


def test_chains_are_put_in_order_before() -> None:
    """(u v) a w is u (v (a w)), and not a matrix of products times others."""
    found = names((COLUMN @ ROW) @ SQUARE @ VECTOR)
    assert found.count("matmul") >= 2 and "sum" not in found
    graph = simplify(ga.Graph.of([(COLUMN @ ROW) @ SQUARE @ VECTOR]))[0]
    assert all(n.types[0].ndim < 2 or 1 in n.types[0].shape for n in graph.nodes)


def test_places_are_those_of_the_product() -> None:
    graph = simplify(ga.Graph.of([ga.exp(COLUMN @ ROW)]))[0]
    assert all("test_outer.py" in str(n.site) for n in graph.nodes)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int8", "bool"])
@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_values(dtype: str, backend: str) -> None:
    rng = np.random.default_rng(0)
    u, v = ga.matrix("u", shape=("m", 1), dtype=dtype), ga.matrix("v", shape=(1, "n"), dtype=dtype)
    f = ga.function([u, v], u @ v, backend=backend)
    for m, n in [(3, 4), (1, 1), (0, 2), (2, 0)]:
        a = (rng.integers(-3, 4, size=(m, 1)) + 0.0).astype(dtype)
        b = rng.integers(-3, 4, size=(1, n)).astype(dtype)
        found = f(a, b)
        assert found.dtype == (a @ b).dtype
        np.testing.assert_array_equal(found, a @ b)


@pytest.mark.parametrize("backend", ["numpy", "interpreter"])
def test_zero_cotangents_beat_infinities(backend: str) -> None:
    """∂/∂u of where(c, u v, 0) stays 0 where the branch was not taken, v being infinite there."""
    u, v = ga.matrix("u", shape=(3, 1)), ga.matrix("v", shape=(1, 3))
    cost = ga.sum(ga.where(v < 5, u @ v, 0.0))
    f = ga.function([u, v], ga.grad(cost, [u, v]), backend=backend)
    to_u, to_v = f(np.ones((3, 1)), np.array([[1.0, np.inf, 2.0]]))
    np.testing.assert_array_equal(to_u, np.full((3, 1), 3.0))
    np.testing.assert_array_equal(to_v, [[3.0, 0.0, 3.0]])
    x, a = ga.vector("x", shape=(3,)), ga.matrix("a", shape=(3, 3))
    risky = ga.sum(ga.where(x > 0, (a @ ga.sqrt(x)), 0.0))
    g = ga.function([x, a], ga.grad(risky, [x, a]), backend=backend)
    found = g(np.array([1.0, 0.0, 4.0]), np.diag([1.0, 2.0, 3.0]))
    assert all(np.isfinite(part).all() for part in found)
