"""Gradients where a formula written down naively gives NaN, infinity, or the wrong convention."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import compiled, interpret
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf


@pytest.fixture(params=["interpreter", "compiled"])
def run(request: pytest.FixtureRequest) -> Runner:
    return {"interpreter": interpret, "compiled": compiled}[request.param]


def gradient(f: Callable[[Any], Any], run: Runner, at: Any, order: int = 1) -> np.ndarray:
    """The gradient of the sum of f (of the sum of the gradient, …), sizes unknown."""
    array = np.asarray(at, float)
    x = ga.tensor("x", (None,) * array.ndim)
    y = f(x)
    for _ in range(order):
        y = ga.grad(y.sum(), x, disconnected="zero")
    return np.asarray(run([x], [y])(array)[0])


# ---- the branch that was not taken -------------------------------------------------------------------

POINT = np.array([-1.0, 0.0, 4.0])
MASKS: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "sqrt": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0), [0, 0, 0.25]),
    "log": (lambda x: ga.where(x > 0, ga.log(x), 0.0), [0, 0, 0.25]),
    "reciprocal": (lambda x: ga.where(x != 0, 1 / x, 0.0), [-1, 0, -1 / 16]),
    "power": (lambda x: ga.where(x > 0, x**0.5, x), [1, 1, 0.25]),
    "power of a variable": (lambda x: ga.where(x > 0, x**x, x), [1, 1, 256 * (1 + np.log(4))]),
    "exp": (lambda x: ga.where(x < 1, ga.exp(x * 1000), 0.0), [0, 1000, 0]),
    "arcsin": (lambda x: ga.where(abs(x) < 1, ga.arcsin(x), 0.0), [0, 1, 0]),
    "arctanh": (lambda x: ga.where(abs(x) < 1, ga.arctanh(x), x), [1, 1, 1]),
    "nested": (lambda x: ga.where(x > 0, ga.sqrt(ga.where(x > 1, x - 1, 0.0)), 0.0),
        [0, 0, 0.5 / np.sqrt(3)]),
    "twice": (lambda x: ga.where(x > -2, ga.where(x > 0, ga.sqrt(x), 0.0), ga.log(x)), [0, 0, 0.25]),
    "then a sum": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0).sum(), [0, 0, 0.25]),
    "then a mean": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0).mean() * 3, [0, 0, 0.25]),
    "then a product": (lambda x: ga.where(x > 0, ga.sqrt(x), 1.0).prod(), [0, 0, 0.25]),
    "then a dot": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0) @ np.array([5.0, 6.0, 8.0]),
        [0, 0, 2]),
    "then a matrix": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0)[None] @ np.ones((3, 2)),
        [0, 0, 0.5]),
    "then a square": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0) ** 2, [0, 0, 1]),
    "then an index": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0)[1:], [0, 0, 0.25]),
    "then a gather": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0)[[2, 2, 0]], [0, 0, 0.5]),
    "then a maximum": (lambda x: ga.maximum(ga.where(x > 0, ga.sqrt(x), 0.0), -1.0), [0, 0, 0.25]),
    "an index as a mask": (lambda x: ga.sqrt(x)[2:], [0, 0, 0.25]),
    "a gather as a mask": (lambda x: ga.sqrt(x)[[2]], [0, 0, 0.25]),
    "a boolean index": (lambda x: ga.log(x)[x > 0], [0, 0, 0.25]),
    "after a sum": (lambda x: ga.where(x > 0, 1.0, 0.0) * 0 + ga.where(x > 0, ga.sqrt(
        ga.where(x > 0, x, 0.0).cumsum()), 0.0), [0, 0, 0.25]),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_a_branch_that_was_not_taken(name: str, run: Runner) -> None:
    f, expected = MASKS[name]
    np.testing.assert_allclose(gradient(f, run, POINT), expected, rtol=1e-12, atol=0)


def test_masks_in_the_second_order(run: Runner) -> None:
    def root(x: Any) -> Any:
        return ga.where(x > 0, ga.sqrt(x), 0.0)

    np.testing.assert_allclose(gradient(root, run, POINT, 2), [0, 0, -1 / 32], rtol=1e-12)
    np.testing.assert_allclose(gradient(root, run, POINT, 3), [0, 0, 3 / 256], rtol=1e-12)


def test_sinc(run: Runner) -> None:
    """sin(x)/x, and 1 at 0, in the usual spelling."""

    def sinc(x: Any) -> Any:
        return ga.where(x != 0, ga.sin(x) / x, 1.0)

    x = np.array([0.0, 1.0])
    slope = [0.0, np.cos(1.0) - np.sin(1.0)]
    np.testing.assert_allclose(gradient(sinc, run, x), slope, rtol=1e-13)
    assert np.isfinite(gradient(sinc, run, x, 2)).all()


DATA = np.array([2.0, NAN, INF])
DATA_MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda w, d: ga.where(d < 10, w * d, 0.0),
    "sum of products": lambda w, d: ga.where(d < 10, w * d, 0.0).sum(),
    "nested": lambda w, d: ga.where(d < 10, ga.exp(w * d) * d, 0.0) / 2 / np.exp(2.0),
    "division": lambda w, d: ga.where(d < 10, w / (1 / d), 0.0),
    "matrix": lambda w, d: ga.where(d < 10, (d * w)[None] * np.ones((1, 1)), 0.0),
    "outer first": lambda w, d: ga.where(d < 10, ga.outer(w, d).sum(axis=0), 0.0) / 3,
}


@pytest.mark.parametrize("name", DATA_MASKS)
def test_bad_data_under_a_mask(name: str, run: Runner) -> None:
    """NaN and infinity in data that a mask takes out reach no parameter."""
    w, d = ga.vector("w"), ga.vector("d")
    g = ga.grad(DATA_MASKS[name](w, d).sum(), w)
    (value,) = run([w, d], [g])(np.ones(3), DATA)
    assert np.isfinite(value).all(), value
    assert value[0] == pytest.approx(2.0 if name != "outer first" else 2 / 3)


def test_bad_rows_under_a_mask(run: Runner) -> None:
    """Rows of NaN in a matrix that is multiplied with the weights."""
    x, w = ga.matrix("x"), ga.vector("w")
    data = np.array([[1.0, 2.0], [NAN, INF], [3.0, NAN]])
    mask = np.array([True, False, False])
    y = ga.where(mask, x @ w, 0.0).sum()
    (value,) = run([x, w], [ga.grad(y, w)])(data, np.ones(2))
    assert value.tolist() == [1.0, 2.0]


HIGHER: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda w, d: ga.where(d < 10, (w * d) ** 3, 0.0),
    "layers": lambda w, d: ga.where(d < 10, ga.tanh(ga.outer(d, w)) @ w, 0.0) ** 2,
    "softmax": lambda w, d: ga.where(d < 10, ga.softmax(ga.outer(d, w)) @ w, 0.0),
    "norm": lambda w, d: ga.where(d < 10, ga.sqrt((ga.outer(d, w) ** 2).sum(axis=1)), 0.0) ** 3,
    "exp": lambda w, d: ga.where(d < 10, ga.exp(w * d), 0.0),
    "matrix": lambda w, d: ga.where(d < 10, ga.outer(d, np.ones(2)) @ ga.stack([w[0], w[1]]), 0.0) ** 3,
    "rows": lambda w, d: ga.where(d < 10, ga.stack([d, d], axis=1) @ w[:2], 0.0) ** 3,
    "dot": lambda w, d: (ga.where(d < 10, d * w, 0.0) @ ga.where(d < 10, d / w, 0.0)) ** 2,
    "quotient": lambda w, d: ga.where(d < 10, w**3 / (1 / d), 0.0),
    "power": lambda w, d: ga.where(d < 10, w**d, 0.0),
    "prod": lambda w, d: ga.where(d < 10, d * w, 1.0).prod() ** 2,
}  # fmt: skip


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", HIGHER)
def test_bad_data_under_a_mask_in_higher_orders(name: str, order: int, run: Runner) -> None:
    """As if the bad data were not there."""
    w, d, good = ga.vector("w"), ga.vector("d"), ga.vector("good")
    at, results = np.array([1.5, 0.5, 2.5]), []
    for data, values in ((d, DATA), (good, np.array([2.0, 20.0, 20.0]))):
        y = HIGHER[name](w, data)
        for _ in range(order):
            y = ga.grad(y.sum(), w)
        results.append(run([w, data], [y])(at, values)[0])
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_true_infinities_stay(run: Runner) -> None:
    """Strong zeros hide nothing where the derivative is infinite or NaN."""
    assert gradient(ga.sqrt, run, [0.0, 4.0]).tolist() == [INF, 0.25]
    assert gradient(ga.log, run, [0.0]).tolist() == [INF]
    assert gradient(lambda x: x**0.5, run, [0.0]).tolist() == [INF]
    assert gradient(ga.cbrt, run, [0.0]).tolist() == [INF]
    assert np.isnan(gradient(ga.sqrt, run, [-1.0])).all()
    assert np.isnan(gradient(ga.sin, run, [NAN])).all()
    assert np.isnan(gradient(lambda x: x * NAN, run, [1.0])).all()


# ---- powers and products ---------------------------------------------------------------------------------


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


ROWS = [[2.0, 3.0, 4.0], [0.0, 3.0, 4.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [5.0], [0.0], [0.0, 7.0]]


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


# ---- reductions --------------------------------------------------------------------------------------------


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
    assert gradient(lambda x: x.clip(0, 1), run, [-1, 0, 0.5, 1, 2.0]).tolist() == [0, 0.5, 1, 0.5, 0]
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
    by_x, by_y = run([x, y], ga.grad(ga.arctan2(x, y).sum(), [x, y]))(np.full(1, 3.0), np.full(1, 4.0))
    np.testing.assert_allclose([by_x[0], by_y[0]], [4 / 25, -3 / 25], rtol=1e-14)
