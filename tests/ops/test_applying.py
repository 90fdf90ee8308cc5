"""vectorize, apply_along_axis and apply_over_axes on functions of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import ShapeError, UseError
from graphad.testing import check_grads, compiled, interpret

X, Y = np.array([[0.3], [1.2]]), np.array([0.5, 0.7, 0.9])


def operations(y: Any) -> set[str]:
    return {node.op.name for node in ga.Graph.of([y]).nodes}


def test_elementwise_functions_leave_no_loop() -> None:
    f = ga.vectorize(lambda a, b: np.sin(a) * b + 1.0)
    x, y = ga.matrix("x"), ga.vector("y")
    z = f(x, y)
    assert "map_rows" not in operations(z)
    for run in (interpret, compiled):
        np.testing.assert_allclose(run([x, y], [z])(X, Y)[0], np.sin(X) * Y + 1.0, rtol=1e-15)
    check_grads(f, [X, Y])
    check_grads(f, [X, Y], sizes="unknown")


def test_other_functions_run_for_each_element() -> None:
    """A scalar becomes an array inside of the function."""
    f = ga.vectorize(lambda a, b: np.sum(np.arange(3.0) * a) ** 2 * b)
    z = f(ga.constant(X), Y)
    assert "map_rows" in operations(z)
    np.testing.assert_allclose(z.eval(), (3 * X) ** 2 * Y, rtol=1e-14)
    check_grads(f, [X, Y])
    check_grads(f, [X, Y], sizes="unknown")


def test_arguments_that_do_not_matter() -> None:
    x = ga.constant(X)
    assert ga.vectorize(lambda a: 5.0)(x).eval().tolist() == [[5.0], [5.0]]
    np.testing.assert_array_equal(ga.vectorize(lambda a, b: a)(x, Y).eval(), X + 0 * Y)
    assert ga.vectorize(lambda a: a + 1)(ga.scalar("s")).ndim == 0


def test_several_results_otypes_and_excluded() -> None:
    f = ga.vectorize(lambda a, p, b=1.0: (a * p[1], a + b), otypes=["float32", "float64"],
                     excluded={1})  # fmt: skip
    first, second = f(ga.constant(X), [2.0, 3.0], b=ga.constant(Y))
    assert first.dtype == np.float32 and second.dtype == np.float64
    np.testing.assert_allclose(first.eval(), np.broadcast_to(3 * X, (2, 3)), rtol=1e-6)
    np.testing.assert_allclose(second.eval(), X + Y)


def test_signatures() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1, 3)), rng.normal(size=(4, 3))
    f = ga.vectorize(lambda u, v: ga.dot(u, v), signature="(n),(n)->()")
    np.testing.assert_allclose(f(ga.constant(a), b).eval(), np.sum(a * b, axis=-1))
    g = ga.vectorize(lambda u, v: ga.outer(u, v), signature="(n),(m)->(n,m)")
    np.testing.assert_allclose(g(ga.constant(a), b).eval(), a[..., :, None] * b[..., None, :])
    check_grads(f, [a, b], sizes="unknown")
    with pytest.raises(ShapeError, match="1 arguments for the signature"):
        f(a)
    with pytest.raises(ShapeError, match="where 1 axes are needed"):
        f(a, 1.0)
    with pytest.raises(UseError, match=r'write "\(n\),\(\)->\(n\)"'):
        ga.vectorize(lambda u: u, signature="n->n")


def test_errors() -> None:
    with pytest.raises(UseError, match="no function"):
        ga.vectorize(3)
    with pytest.raises(ShapeError, match="return scalars, or give signature="):
        ga.vectorize(lambda a: ga.stack([a, a]))(ga.vector("x"))
    with pytest.raises(UseError):
        ga.apply_along_axis(3, 0, ga.vector("x"))
    with pytest.raises(ShapeError, match="as many axes, or one less"):
        ga.apply_over_axes(lambda a, axis: ga.sum(a), ga.matrix("x"), [0])


def test_functions_along_axes_get_more_arguments() -> None:
    x = ga.matrix("x")
    y = np.apply_along_axis(lambda row, p, q=0.0: row**p + q, 0, x, 2, q=1.0)
    for run in (interpret, compiled):
        np.testing.assert_allclose(run([x], [y])(X)[0], X**2 + 1)
    assert ga.apply_along_axis(ga.sum, 1, x).eval({x: np.zeros((0, 3))}).shape == (0,)
