"""Derivatives at kinks, poles and ties of all families, first and second, each written out.

Where a function has a kink the convention is: 0 at the tip of |x| and of norms, equal shares where
elements tie in an extremum or are clipped, the element that NumPy's order puts there in a sort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from points import gradient_list as gradient

import graphad as ga
from graphad.testing import interpret
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf
PI = np.pi


def p_norm(p: float) -> Callable[[Any], Any]:
    return lambda x: ga.linalg.vector_norm(x, ord=p)


WEIGHTS = np.array([1.0, 2.0, 3.0])
# name -> (function, point, gradient of its sum, gradient of the sum of that)
POINTS: dict[str, tuple[Callable[[Any], Any], Any, list[Any], list[Any]]] = {
    "sinc": (ga.sinc, [0.0], [0.0], [-PI**2 / 3]),
    "norm": (ga.linalg.norm, [0.0, 0.0], [0, 0], [0, 0]),
    "norm of rows": (lambda x: ga.linalg.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]],
        [[0, 0], [0.6, 0.8]], [[0, 0], [0.032, -0.024]]),
    "Frobenius norm": (lambda x: ga.linalg.norm(x, "fro"), [[0.0, 0.0], [0.0, 0.0]],
        [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "1-norm": (p_norm(1), [0.0, -2.0], [0, -1], [0, 0]),
    "3-norm": (p_norm(3), [0.0, 0.0], [0, 0], [0, 0]),
    "1.5-norm": (p_norm(1.5), [0.0, 0.0], [0, 0], [0, 0]),
    "inf-norm": (p_norm(INF), [2.0, -2.0, 1.0], [0.5, -0.5, 0], [0, 0, 0]),
    "inf-norm at 0": (p_norm(INF), [0.0, 0.0], [0, 0], [0, 0]),
    "prod, a zero": (ga.prod, [0.0, 3.0, 4.0], [12, 0, 0], [7, 4, 3]),
    "prod, two zeros": (ga.prod, [0.0, 0.0, 4.0], [0, 0, 0], [4, 4, 0]),
    "cumprod, two zeros": (ga.cumprod, [0.0, 3.0, 0.0, 4.0], [4, 0, 0, 0], [16, 1, 15, 0]),
    "nanprod, a zero": (ga.nanprod, [0.0, NAN, 4.0], [4, 0, 0], [1, 0, 1]),
    "std": (ga.std, [2.0, 2.0], [0, 0], [0, 0]),
    "std of one": (ga.std, [2.0], [0], [0]),
    "nanstd": (ga.nanstd, [2.0, NAN, 2.0], [0, 0, 0], [0, 0, 0]),
    "var": (ga.var, [2.0, 2.0], [0, 0], [0, 0]),
    "sqrt": (ga.sqrt, [0.0], [INF], [-INF]),
    "x ** 0.5": (lambda x: x**0.5, [0.0], [INF], [-INF]),
    "x ** 1.5": (lambda x: x**1.5, [0.0], [0], [INF]),
    "x ** 2.5": (lambda x: x**2.5, [0.0], [0], [0]),
    "x ** 2": (lambda x: x**2, [0.0], [0], [2]),
    "x ** 1": (lambda x: x**1, [0.0], [1], [0]),
    "x ** 0": (lambda x: x**0, [0.0], [0], [0]),
    "0 ** x": (lambda x: 0.0**x, [0.0, 1.0, 2.5], [0, 0, 0], [0, 0, 0]),
    "abs": (ga.abs, [-1.0, 0.0, -0.0, 1.0], [-1, 0, 0, 1], [0, 0, 0, 0]),
    "fabs": (ga.fabs, [0.0], [0], [0]),
    "relu": (ga.relu, [-1.0, 0.0, 1.0], [0, 0, 1], [0, 0, 0]),
    "sign": (ga.sign, [0.0], [0], [0]),
    "floor": (ga.floor, [0.0, 0.5], [0, 0], [0, 0]),
    "remainder": (lambda x: x % 1.0, [0.0, 0.5], [1, 1], [0, 0]),
    "max": (ga.max, [1.0, 3.0, 3.0], [0, 0.5, 0.5], [0, 0, 0]),
    "min": (ga.min, [1.0, 1.0, 2.0], [0.5, 0.5, 0], [0, 0, 0]),
    "nanmax": (ga.nanmax, [NAN, 1.0, 1.0], [0, 0.5, 0.5], [0, 0, 0]),
    "ptp": (ga.ptp, [1.0, 1.0], [0, 0], [0, 0]),
    "maximum": (lambda x: ga.maximum(x, 0.0), [0.0], [0.5], [0]),
    "clip": (lambda x: ga.clip(x, 0.0, 1.0), [0.0, 0.5, 1.0, 2.0], [0.5, 1, 0.5, 0], [0] * 4),
    "sort": (lambda x: ga.sort(x) * WEIGHTS, [2.0, 1.0, 2.0], [2, 1, 3], [0, 0, 0]),
    "median of 3": (ga.median, [2.0, 2.0, 2.0], [0, 1, 0], [0, 0, 0]),
    "median of 4": (ga.median, [1.0, 3.0, 3.0, 5.0], [0, 0.5, 0.5, 0], [0, 0, 0, 0]),
    "quantile": (lambda x: ga.quantile(x, 0.5), [1.0, 1.0, 1.0], [0, 1, 0], [0, 0, 0]),
    "logsumexp": (ga.logsumexp, [-INF, -INF], [0, 0], [0, 0]),
    "logsumexp, one": (ga.logsumexp, [-INF, 5.0], [0, 1], [0, 0]),
    "logaddexp": (lambda x: ga.logaddexp(x, x[::-1]), [-INF, -INF], [0, 0], [0, 0]),
    "logaddexp, one": (lambda x: ga.logaddexp(x, -INF), [-INF, 0.0], [0, 1], [0, 0]),
    "logaddexp2": (lambda x: ga.logaddexp2(x, x[::-1]), [-INF, -INF], [0, 0], [0, 0]),
    "softmax": (lambda x: ga.softmax(x)[0], [-INF, 0.0], [0, 0], [0, 0]),
    "log_softmax": (lambda x: ga.log_softmax(x)[1], [-INF, 0.0], [0, 0], [0, 0]),
    "xlogy": (lambda x: ga.special.xlogy(x, 2.0), [0.0], [np.log(2.0)], [0]),
    "xlogy of 0": (lambda x: ga.special.xlogy(0.0, x), [0.0], [0], [0]),
    "entr": (ga.special.entr, [0.0], [INF], [-INF]),
    "log1p": (ga.log1p, [-1.0], [INF], [-INF]),
    "arcsin": (ga.arcsin, [1.0, -1.0], [INF, INF], [INF, -INF]),
    "nanmean of NaN": (ga.nanmean, [NAN, NAN], [0, 0], [0, 0]),
    "nansum": (ga.nansum, [NAN, 1.0], [0, 1], [0, 0]),
    "cummax": (ga.cummax, [1.0, 1.0, 0.0, 2.0], [1, 2, 0, 1], [0, 0, 0, 0]),
    "eigenvalues of 1": (ga.linalg.eigvalsh, [[1.0, 0.0], [0.0, 1.0]],
        [[1, 0], [0, 1]], [[0, 0], [0, 0]]),
    "eigenvectors of 1": (lambda x: ga.linalg.eigh(x)[1], [[1.0, 0.0], [0.0, 1.0]],
        [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "spectral norm of 1": (lambda x: ga.linalg.norm(x, 2), [[1.0, 0.0], [0.0, 1.0]],
        [[0.5, 0], [0, 0.5]], [[0, 0], [0, 0]]),
}  # fmt: skip


@pytest.mark.parametrize("name", POINTS)
def test_point(name: str, run: Runner) -> None:
    f, at, first, second = POINTS[name]
    np.testing.assert_allclose(gradient(f, run, at, 1), first, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(gradient(f, run, at, 2), second, rtol=1e-12, atol=1e-14)


def test_a_singular_determinant(run: Runner) -> None:
    found = gradient(ga.linalg.det, run, [[1.0, 1.0], [1.0, 1.0]], 1)
    np.testing.assert_allclose(found, [[1, -1], [-1, 1]], rtol=1e-13)
    assert gradient(ga.linalg.det, run, [[0.0, 0.0], [0.0, 0.0]], 1) == [[0, 0], [0, 0]]


def test_singular_values_of_rank_one(run: Runner) -> None:
    """The largest one is smooth; the nuclear norm has a subgradient, an orthogonal matrix."""
    ones = [[1.0, 1.0], [1.0, 1.0]]
    found = gradient(lambda x: ga.linalg.svdvals(x)[0], run, ones, 1)
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.5, 0.5]], rtol=1e-13)
    whole = np.array(gradient(lambda x: ga.linalg.norm(x, "nuc"), run, ones, 1))
    np.testing.assert_allclose(whole @ whole.T, np.eye(2), atol=1e-13)
    assert gradient(ga.linalg.svdvals, run, [[0.0, 0.0], [0.0, 0.0]], 1) == [[0, 0], [0, 0]]
    vectors = gradient(lambda x: ga.linalg.svd(x, full_matrices=False)[0] ** 2, run, ones, 1)
    assert np.isfinite(vectors).all()


def test_the_hessian_of_a_constant_row() -> None:
    """std, norm: all derivatives are 0 where the value is, in all directions."""
    x = ga.vector("x", shape=(3,))
    for f, at in ((ga.std, [2.0, 2.0, 2.0]), (ga.linalg.norm, [0.0, 0.0, 0.0])):
        (value,) = interpret([x], [ga.hessian(f(x), x)])(np.array(at))
        assert not value.any()


def test_nan_is_not_hidden(run: Runner) -> None:
    for f in (ga.std, ga.linalg.norm, ga.sqrt, ga.sinc, ga.logsumexp):
        assert np.isnan(gradient(f, run, [NAN, 1.0], 1)[0]), f.__name__
