"""Random draws inside of vmap: each row draws numbers of its own, all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga

X = np.random.default_rng(5).normal(size=(4, 3))


def numpy_rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_rows_draw_what_numpy_draws_for_all_of_them() -> None:
    rng, x = ga.random.default_rng(0), ga.matrix("x")
    y = ga.vmap(lambda v: v + rng.normal(size=3))(x)
    call = ga.function([x], [y, rng.normal(size=2)])  # what is drawn behind it goes on
    expected = numpy_rng()
    for _ in range(2):
        rows, later = call(X)
        np.testing.assert_array_equal(rows, X + expected.normal(size=(4, 3)))
        np.testing.assert_array_equal(later, expected.normal(size=2))


DRAWS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "parameters of each row": (lambda rng, v: rng.normal(v, 2.0), lambda n: n.normal(X, 2.0)),
    "a number": (lambda rng, v: rng.standard_normal() + v, lambda n: n.normal(size=(4, 1)) + X),
    "numbers as parameters": (lambda rng, v: rng.poisson(3.0) * v,
                              lambda n: n.poisson(3.0, size=(4, 1)) * X),
    "the same parameters": (lambda rng, v: rng.normal(X[0]) + v,
                            lambda n: n.normal(X[0], size=(4, 3)) + X),
    "parameters of fewer axes": (lambda rng, v: rng.uniform(v[0], v[0] + X**2),
                                 lambda n: n.uniform(X[:, :1, None], X[:, :1, None] + X**2)),
    "a size of the row": (lambda rng, v: rng.integers(0, 9, size=v.shape),
                          lambda n: n.integers(0, 9, size=(4, 3))),
    "rows of rows": (lambda rng, v: ga.vmap(lambda w: w * rng.exponential())(v),
                     lambda n: X * n.exponential(size=(4, 3))),
    "in order": (lambda rng, v: rng.normal() - rng.normal() * v,
                 lambda n: n.normal(size=(4, 1)) - n.normal(size=(4, 1)) * X),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_draws(name: str) -> None:
    ours, numpys = DRAWS[name]
    rng, x = ga.random.default_rng(0), ga.matrix("x")
    call = ga.function([x], ga.vmap(lambda v: ours(rng, v))(x))
    np.testing.assert_allclose(call(X), numpys(numpy_rng()), rtol=1e-15)


def test_gradients_see_the_same_numbers() -> None:
    """d/dv Σ (v·g)² with the numbers g that the row has drawn, inside of the map and outside."""
    rng, x = ga.random.default_rng(0), ga.matrix("x")
    noise = numpy_rng().gamma(2.0, size=(4, 3))

    def loss(v: Any) -> Any:
        return ((v * rng.gamma(2.0, size=3)) ** 2).sum()

    inside = ga.function([x], ga.vmap(lambda v: ga.grad(loss(v), v))(x))
    np.testing.assert_allclose(inside(X), 2 * X * noise**2)
    rng = ga.random.default_rng(0)
    outside = ga.function([x], ga.grad(ga.vmap(loss)(x).sum(), x))
    np.testing.assert_allclose(outside(X), 2 * X * noise**2)


def test_reparameterised_gradients_of_rows() -> None:
    rng, x = ga.random.default_rng(0), ga.matrix("x")
    slope = ga.vmap(lambda v: ga.grad(rng.gamma(ga.exp(v)).sum(), v))(x)
    again = ga.random.default_rng(0)
    y = again.gamma(ga.exp(x)).sum()
    found = ga.function([x], slope)(X)
    np.testing.assert_allclose(found, ga.function([x], ga.grad(y, x))(X), rtol=1e-12)


def test_a_loop_that_draws_has_a_stream_for_each_row() -> None:
    """Its derivative draws the same numbers again; what is drawn behind it goes on."""
    rng, x = ga.random.default_rng(0), ga.matrix("x")

    def walk(v: Any) -> Any:
        return ga.scan(lambda c, w: (c + w * rng.normal(), None), 0.0, v)[0]

    y = ga.vmap(walk)(x)
    call = ga.function([x], [y, ga.grad(y.sum(), x), rng.normal(), ga.jvp(y, x, x)])
    value, slope, later, moved = call(X)
    np.testing.assert_allclose(value, (slope * X).sum(axis=1))
    np.testing.assert_allclose(moved, value)
    assert len({*slope.ravel(), later}) == 13
    assert not np.allclose(call(X)[0], value)


def test_derivatives_of_vectors_draw_from_the_streams_of_the_rows() -> None:
    rng, x = ga.random.default_rng(0), ga.matrix("x")
    y = ga.vmap(lambda v: (rng.dirichlet(ga.exp(v)) ** 2).sum() + rng.normal())(x)
    slope = ga.grad(y.sum(), x)
    nodes = [n for n in ga.Graph.of([y, slope]).nodes if n.op.name.startswith("random.")]
    assert sorted([n.op.name for n in nodes]) == ["random.normal", "random.split"]
    call = ga.function([x], [y, slope])
    values, slopes = call(np.zeros((50, 3)))
    assert len(set(values)) == 50 and len(set(slopes.ravel())) == 150
