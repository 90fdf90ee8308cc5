"""Scans and differences at the hard points, and in the forms that the table cannot call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from points import gradient_list as gradient

import graphad as ga
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf


# ---- cumulative products ----------------------------------------------------------------------
def test_cumprod_with_zeros(run: Runner) -> None:
    # y = (a, ab, abc): ∂Σ = (1 + b + bc, a + ac, ab)
    assert gradient(ga.cumprod, run, [2, 0, 3]) == [1, 8, 0]
    assert gradient(ga.cumprod, run, [0, 0, 3]) == [1, 0, 0]
    assert gradient(ga.cumprod, run, [2, 5, 0]) == [6, 2, 10]
    assert gradient(ga.cumprod, run, [0, 0, 0]) == [1, 0, 0]
    # the sum of the gradient, 1 + b + bc + a + ac + ab, has ∂ = (1 + c + b, 1 + c + a, b + a)
    assert gradient(ga.cumprod, run, [2, 0, 3], 2) == [4, 6, 2]
    assert gradient(ga.cumprod, run, [0, 0, 0], 2) == [1, 1, 0]
    # and once more: ∂(2 + 2c + 2b + 2a) = (2, 2, 2)
    assert gradient(ga.cumprod, run, [0, 0, 0], 3) == [2, 2, 2]


def test_cumprod_of_few(run: Runner) -> None:
    assert gradient(ga.cumprod, run, []) == []
    assert gradient(ga.cumprod, run, [7]) == [1]


def test_cumprod_does_not_overflow_on_the_way(run: Runner) -> None:
    assert gradient(lambda x: ga.cumprod(x)[2], run, [1e-200, 1e-200, 1e300]) == [
        1e100, 1e100, 0.0]  # fmt: skip


def test_cumprod_not_used_leaves_no_trace(run: Runner) -> None:
    for bad in (NAN, INF, 0.0):
        assert gradient(lambda x: ga.cumprod(x)[1], run, [2, 3, bad]) == [3, 2, 0]
    assert gradient(lambda x: ga.where(x == x, ga.cumprod(x), 0), run, [2, 3, NAN]) == [4, 2, 0]


def test_cumprod_of_many(run: Runner) -> None:
    row = np.random.default_rng(0).uniform(0.9, 1.1, 1000)
    check_grads(ga.cumprod, row, order=1, rtol=1e-5, runner=run)
    flow = np.array(gradient(ga.cumprod, run, row))
    expected = [np.cumprod(np.where(np.arange(1000) == j, 1, row))[j:].sum() for j in range(1000)]
    np.testing.assert_allclose(flow, expected, rtol=1e-13)


def test_nan_is_skipped(run: Runner) -> None:
    assert gradient(ga.nancumsum, run, [1, NAN, 3]) == [3, 0, 1]
    assert gradient(ga.nancumprod, run, [2, NAN, 3]) == [5, 0, 2]
    assert gradient(ga.nancumprod, run, [NAN, NAN]) == [0, 0]


# ---- differences ------------------------------------------------------------------------------
COORDINATES = [np.array([0.0, 1.5, 3.0, 7.0, 8.0]), np.array([0, 2, 3, 7, 9])]


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("points", COORDINATES)
def test_gradient_at_coordinates(points: Any, edge_order: int, run: Runner) -> None:
    f = np.random.default_rng(0).normal(size=(5, 3))
    for dtype in ("float64", "float32", "int64", "complex128"):
        values = (4 * f).astype(dtype)
        y = ga.gradient(ga.constant(values), points, axis=0, edge_order=edge_order)
        expected = np.gradient(values, points, axis=0, edge_order=edge_order)
        found = run([], [y])()[0]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-13)
    for sizes in ("static", "unknown"):
        check_grads(lambda f, x: ga.gradient(f, x, axis=0, edge_order=edge_order),
                    [f, points.astype(float)], runner=run, sizes=sizes)  # fmt: skip


def test_gradient_of_several_axes(run: Runner) -> None:
    f = np.random.default_rng(0).normal(size=(3, 4))
    x = ga.matrix("x")
    for spacings in ((), (0.5,), (2.0, np.array([0.0, 1.0, 3.0, 4.0]))):
        found = run([x], np.gradient(x, *spacings))(f)
        for a, b in zip(found, np.gradient(f, *spacings), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)
    found = run([x], ga.gradient(x, axis=(1, 0)))(f)
    np.testing.assert_allclose(found[0], np.gradient(f, axis=1), rtol=1e-14)
    check_grads(lambda f, h: ga.gradient(f, h, axis=0), [f, np.float64(0.5)], runner=run)


def test_gradient_of_too_few_points() -> None:
    x = ga.vector("x", shape=(2,))
    with pytest.raises(ga.errors.ShapeError, match="2 points"):
        ga.gradient(x, edge_order=2)
    with pytest.raises(ga.errors.ShapeError, match="coordinates"):
        ga.gradient(x, np.arange(3.0))
    with pytest.raises(ga.errors.UseError, match="2 spacings for 1 axes"):
        ga.gradient(x, 1.0, 2.0)
    with pytest.raises(ga.errors.UseError, match="edge_order=3"):
        ga.gradient(x, edge_order=3)
    y = ga.vector("y")
    with pytest.raises((ga.GraphadError, IndexError)):
        ga.function([y], ga.gradient(y))([1.0])


def test_edges_of_diff(run: Runner) -> None:
    a, b, c = (np.random.default_rng(0).normal(size=s) for s in ((2, 3), (2, 1), ()))
    check_grads(lambda a, b, c: ga.diff(a, 2, prepend=b, append=c), [a, b, c], runner=run)
    with pytest.raises(ga.errors.UseError, match="n=-1"):
        ga.diff(ga.vector("x"), n=-1)


def test_bad_axes() -> None:
    x = ga.matrix("x")
    with pytest.raises(ga.errors.AxisError, match="needs axis="):
        ga.cumulative_sum(x)
    for call in (ga.cumprod, ga.diff, ga.trapezoid, ga.gradient):
        with pytest.raises(ga.errors.AxisError, match="axis 2"):
            call(x, axis=2)
    with pytest.raises(ga.errors.DTypeError, match="to_end has dtype complex128"):
        ga.ediff1d(x, to_end=1j)
