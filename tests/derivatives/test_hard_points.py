"""Gradients at kinks, zeros and extremes, where a naive formula gives NaN."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from points import gradient

import graphad as ga
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf


# ---- powers and products --------------------------------------------------------------------


def test_powers_at_zero(run: Runner) -> None:
    zero = np.zeros(1)
    for exponent, slope, curve in [(0, 0, 0), (1, 1, 0), (2, 0, 2), (3, 0, 0), (2.0, 0, 2)]:
        assert gradient(lambda x, n=exponent: x**n, run, zero).tolist() == [slope]
        assert gradient(lambda x, n=exponent: x**n, run, zero, 2).tolist() == [curve]
    x, y = ga.vector("x"), ga.vector("y")
    by_x, by_y = run([x, y], ga.grad((x**y).sum(), [x, y]))(np.zeros(4), np.array([0, 1, 2, 3.0]))
    assert by_x.tolist() == [0, 1, 0, 0] and by_y.tolist() == [0, 0, 0, 0]
    assert gradient(lambda x: x**2, run, [-3.0]).tolist() == [-6.0]
    assert gradient(lambda x: x**3.0, run, [-2.0], 2).tolist() == [-12.0]


def product_derivatives(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of Πx, and gradient of the sum of that gradient, by leaving elements out."""
    n = len(row)
    first = np.array([np.prod(np.delete(row, i)) for i in range(n)])
    second = np.zeros(n)
    for i, j in combinations(range(n), 2):
        rest = np.prod(np.delete(row, [i, j]))
        second[[i, j]] += rest
    return first, second


ROWS = [
    [2.0, 3.0, 4.0],
    [0.0, 3.0, 4.0],
    [2.0, 0.0, 0.0],
    [0.0, 0.0, 0.0],
    [5.0],
    [0.0],
    [0.0, 7.0],
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_prod_with_zeros(row: list[float], run: Runner) -> None:
    first, second = product_derivatives(np.array(row))
    assert gradient(lambda x: x.prod(), run, row).tolist() == first.tolist()
    assert gradient(lambda x: x.prod(), run, row, 2).tolist() == second.tolist()


def test_prod_along_axes(run: Runner) -> None:
    array = np.array([[[0.0, 2.0], [3.0, 0.0]], [[0.0, 0.0], [1.0, 5.0]]])
    for axis in (0, 1, (0, 2), None):
        found = gradient(lambda x, a=axis: x.prod(axis=a), run, array)
        h = 0.5  # Πx is linear in each element: differences are exact
        for place in np.ndindex(array.shape):
            step = np.zeros_like(array)
            step[place] = h
            change = (array + step).prod(axis=axis) - (array - step).prod(axis=axis)
            assert found[place] == np.sum(change) / (2 * h)


# ---- reductions -----------------------------------------------------------------------------


def test_std_of_a_constant(run: Runner) -> None:
    assert gradient(lambda x: x.std(), run, [2.0, 2.0, 2.0]).tolist() == [0, 0, 0]
    assert gradient(lambda x: x.std(), run, [2.0]).tolist() == [0]
    rows = np.array([[1.0, 1.0], [0.0, 2.0]])
    assert gradient(lambda x: x.std(axis=1), run, rows).tolist() == [[0, 0], [-0.5, 0.5]]
    assert gradient(lambda x: x.var(), run, [2.0, 2.0]).tolist() == [0, 0]


def test_norm_at_zero(run: Runner) -> None:
    """√Σx² has no derivative at 0; the mask gives the subgradient 0."""

    def norm(x: Any) -> Any:
        square = (x * x).sum()
        return ga.where(square > 0, ga.sqrt(square), 0.0)

    assert gradient(norm, run, [0.0, 0.0]).tolist() == [0, 0]
    np.testing.assert_allclose(gradient(norm, run, [3.0, 4.0]), [0.6, 0.8], rtol=1e-15)
    assert gradient(lambda x: abs(x), run, [-2.0, 0.0, 3.0]).tolist() == [-1, 0, 1]


def test_ties_share(run: Runner) -> None:
    assert gradient(lambda x: x.max(), run, [1.0, 3.0, 3.0]).tolist() == [0, 0.5, 0.5]
    assert gradient(lambda x: x.min(), run, [1.0, 1.0, 1.0, 1.0]).tolist() == [0.25] * 4
    rows = np.array([[1.0, 1.0], [0.0, 2.0]])
    assert gradient(lambda x: x.max(axis=1), run, rows).tolist() == [[0.5, 0.5], [0, 1]]
    assert gradient(lambda x: x.max(axis=(0, 1)), run, rows).tolist() == [[0, 0], [0, 1]]
    assert gradient(lambda x: ga.maximum(x, 1.0), run, [0.0, 1.0, 2.0]).tolist() == [0, 0.5, 1]
    assert gradient(lambda x: ga.minimum(1.0, x), run, [0.0, 1.0, 2.0]).tolist() == [1, 0.5, 0]
    assert gradient(lambda x: ga.maximum(x, x), run, [0.0]).tolist() == [1]
    assert gradient(lambda x: x.clip(0, 1), run, [-1, 0, 0.5, 1, 2.0]).tolist() == [
        0,
        0.5,
        1,
        0.5,
        0,
    ]
    assert gradient(lambda x: x.clip(min=0), run, [-1.0, 0.0, 1.0]).tolist() == [0, 0.5, 1]
    assert gradient(lambda x: x.clip(max=0), run, [-1.0, 0.0, 1.0]).tolist() == [1, 0.5, 0]
    assert gradient(ga.relu, run, [-1.0, 0.0, 1.0]).tolist() == [0, 0, 1]


def test_logsumexp_at_the_extremes(run: Runner) -> None:
    assert gradient(ga.logsumexp, run, [-INF, -INF]).tolist() == [0, 0]
    assert gradient(ga.logsumexp, run, [-INF, 5.0]).tolist() == [0, 1]
    for far in (1e3, -1e4):  # exp(x - logsumexp(x)): the relative error is about |x|·ε
        found = gradient(ga.logsumexp, run, [far, far, -INF])
        np.testing.assert_allclose(found, [0.5, 0.5, 0], rtol=abs(far) * 2e-16, atol=0)
    rows = np.array([[-INF, -INF], [0.0, -INF]])
    found = gradient(lambda x: ga.logsumexp(x, axis=1), run, rows)
    assert found.tolist() == [[0, 0], [1, 0]]
    assert np.isfinite(gradient(ga.logsumexp, run, [-INF, 5.0], 2)).all()


def test_activations_at_the_extremes(run: Runner) -> None:
    far = [-1000.0, 1000.0]
    assert gradient(ga.sigmoid, run, far).tolist() == [0, 0]
    assert gradient(ga.softplus, run, far).tolist() == [0, 1]
    assert gradient(ga.tanh, run, far).tolist() == [0, 0]
    assert gradient(lambda x: ga.logaddexp(x, 0.0), run, far).tolist() == [0, 1]
    assert gradient(lambda x: ga.softmax(x)[0], run, far).tolist() == [0, 0]
    assert gradient(lambda x: ga.log_softmax(x)[1], run, far).tolist() == [0, 0]
    assert gradient(lambda x: ga.log_softmax(x)[0], run, far).tolist() == [1, -1]
    x = ga.matrix("x")
    loss = ga.cross_entropy(x, np.array([0, 1])).sum()
    (value,) = run([x], [ga.grad(loss, x)])(np.array([far, far]))
    assert value.tolist() == [[-1, 1], [0, 0]]


def test_hypot_and_arctan2_at_zero(run: Runner) -> None:
    """No derivative exists at the origin; next to it the value is right."""
    x, y = ga.vector("x"), ga.vector("y")
    tiny = 1e-200
    by_x, by_y = run([x, y], ga.grad(ga.hypot(x, y).sum(), [x, y]))(np.full(1, tiny), np.zeros(1))
    assert (by_x[0], by_y[0]) == (1.0, 0.0)
    by_x, by_y = run([x, y], ga.grad(ga.arctan2(x, y).sum(), [x, y]))(
        np.full(1, 3.0), np.full(1, 4.0)
    )
    np.testing.assert_allclose([by_x[0], by_y[0]], [4 / 25, -3 / 25], rtol=1e-14)
