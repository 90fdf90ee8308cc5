"""Values and derivatives at kinks, jumps, zeros and infinities: the convention of each function,
written out. The docstrings say the same in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import interpret
from graphad.testing.gradients import Runner

NAN, INF, PI = np.nan, np.inf, np.pi
LN2 = np.log(2)


def derivatives(f: Callable[..., Any], run: Runner, points: list[Any], order: int) -> list[Any]:
    """Gradients by each argument, elementwise; of the second order: ∂²/∂x² only."""
    arrays = [np.asarray(p, float) for p in points]
    inputs = [ga.vector(f"x{i}") for i in range(len(arrays))]
    graphs: list[Any] = []
    for x in inputs:
        y = f(*inputs)
        for _ in range(order):
            y = ga.grad(y.sum(), x, disconnected="zero")
        graphs.append(y)
    return [np.asarray(v) for v in run(inputs, graphs)(*arrays)]


# name: (function, points, expected first derivatives, expected second derivatives or None)
ONE: dict[str, tuple[Any, list[float], list[float], list[float] | None]] = {
    "abs": (ga.abs, [-2.0, -0.0, 0.0, 3.0], [-1, 0, 0, 1], [0, 0, 0, 0]),
    "fabs": (ga.fabs, [-2.0, -0.0, 0.0, 3.0], [-1, 0, 0, 1], [0, 0, 0, 0]),
    "sign": (ga.sign, [-2.0, 0.0, 3.0], [0, 0, 0], [0, 0, 0]),
    "sqrt": (ga.sqrt, [0.0, 4.0, INF], [INF, 0.25, 0], None),
    "cbrt": (ga.cbrt, [0.0, -8.0], [INF, 1 / 12], None),
    "sinc": (ga.sinc, [0.0, -0.0, 1.0, -1.0], [0, 0, -1, 1], [-PI**2 / 3, -PI**2 / 3, 2, 2]),
    "sinc near 0": (ga.sinc, [1e-160, 1e-8, 1e-5], [-PI**2 / 3 * 1e-160, -PI**2 / 3 * 1e-8,
        -PI**2 / 3 * 1e-5 + PI**4 / 30 * 1e-15], [-PI**2 / 3] * 2 + [
        -PI**2 / 3 + PI**4 / 10 * 1e-10]),
    "i0": (ga.i0, [0.0, -0.0], [0, 0], [0.5, 0.5]),
    "floor": (np.floor, [1.0, 1.5, -1.0], [0, 0, 0], [0, 0, 0]),
    "rint": (np.rint, [0.5, 1.5, 2.0], [0, 0, 0], [0, 0, 0]),
    "trunc": (np.trunc, [0.0, 1.0, -1.5], [0, 0, 0], [0, 0, 0]),
    "fix": (np.fix, [0.0, 1.0, -1.5], [0, 0, 0], [0, 0, 0]),
    "fraction": (lambda x: np.modf(x)[0], [0.0, 1.0, -1.5, INF], [1, 1, 1, 1], [0, 0, 0, 0]),
    "whole": (lambda x: np.modf(x)[1], [0.0, 1.0, -1.5, INF], [0, 0, 0, 0], [0, 0, 0, 0]),
    "mantissa": (lambda x: np.frexp(x)[0], [1.0, 2.0, 3.0, 0.0], [0.5, 0.25, 0.25, 1], [0] * 4),
    "spacing": (np.spacing, [0.0, 1.0], [0, 0], [0, 0]),
    "nan_to_num": (np.nan_to_num, [NAN, INF, -INF, 1.5], [0, 0, 0, 1], [0, 0, 0, 0]),
    "angle": (np.angle, [-2.0, 0.0, 3.0], [0, 0, 0], [0, 0, 0]),
    "x**0": (lambda x: x**0, [0.0, -1.0, NAN, INF], [0, 0, 0, 0], [0, 0, 0, 0]),
    "x**1": (lambda x: x**1, [0.0, -1.0, INF], [1, 1, 1], [0, 0, 0]),
    "x**2": (lambda x: x**2, [0.0, -3.0], [0, -6], [2, 2]),
    "x**2.0": (lambda x: x**2.0, [0.0, -3.0], [0, -6], [2, 2]),
    "x**3": (lambda x: x**3, [0.0, -2.0], [0, 12], [0, -12]),
    "x**0.5": (lambda x: x**0.5, [0.0, 4.0], [INF, 0.25], None),
    "x**1.5": (lambda x: x**1.5, [0.0, 4.0], [0, 3], [INF, 0.375]),
    "x**-1": (lambda x: x**-1.0, [0.0, 2.0], [-INF, -0.25], None),
    "0**y": (lambda y: 0.0**y, [0.0, 0.5, 1.0, 2.0], [0, 0, 0, 0], [0, 0, 0, 0]),
    "2**y": (lambda y: 2.0**y, [0.0, -1.0], [LN2, LN2 / 2], [LN2**2, LN2**2 / 2]),
    "clip": (lambda x: np.clip(x, -1.0, 1.0), [-2.0, -1.0, 0.0, 1.0, 2.0], [0, 0.5, 1, 0.5, 0],
        [0] * 5),
    "log1p": (np.log1p, [-1.0, 0.0], [INF, 1], None),
    "real_if_close": (np.real_if_close, [0.0], [1], [0]),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one(name: str, run: Runner) -> None:
    f, points, first, second = ONE[name]
    (found,) = derivatives(f, run, [points], 1)
    np.testing.assert_allclose(found, first, rtol=1e-14, atol=0)
    if second is not None:
        (found,) = derivatives(f, run, [points], 2)
        np.testing.assert_allclose(found, second, rtol=1e-14, atol=0)


# name: (function, points x, points y, ∂/∂x, ∂/∂y, ∂²/∂x², ∂²/∂y²)
Row = tuple[Any, list[float], list[float], list[float], list[float], list[float], list[float]]
NO = [0.0, 0.0, 0.0]
TWO: dict[str, Row] = {
    "hypot": (np.hypot, [0.0, 3.0, 0.0], [0.0, 4.0, -2.0], [0, 0.6, 0], [0, 0.8, -1],
        [0, 0.128, 0.5], [0, 0.072, 0]),
    "arctan2": (np.arctan2, [0.0, 0.0, 2.0], [0.0, -2.0, 0.0], [0, -0.5, 0], [0, 0, -0.5],
        [0, 0, 0], [0, 0, 0]),
    "arctan2, huge": (np.arctan2, [1e200, 1e-200, 0.0], [1e200, 1e-200, 1e-100],
        [5e-201, 5e199, 1e100], [-5e-201, -5e199, 0], [0, -INF, 0], [0, INF, 0]),
    "copysign": (np.copysign, [-2.0, 0.0, 3.0], [-1.0, -1.0, -0.0], [1, 0, -1], NO, NO, NO),
    "heaviside": (np.heaviside, [-1.0, 0.0, 2.0], [5.0, 5.0, 5.0], NO, [0, 1, 0], NO, NO),
    "maximum": (np.maximum, [1.0, 2.0, NAN], [1.0, 0.0, 1.0], [0.5, 1, 0], [0.5, 0, 0], NO, NO),
    "minimum": (np.minimum, [1.0, 2.0, 1.0], [1.0, 0.0, NAN], [0.5, 0, 0], [0.5, 1, 0], NO, NO),
    "zeros": (np.maximum, [0.0, -0.0, INF], [-0.0, 0.0, INF], [0.5] * 3, [0.5] * 3, NO, NO),
    "fmax": (np.fmax, [1.0, 2.0, NAN], [1.0, 0.0, 1.0], [0.5, 1, 0], [0.5, 0, 1], NO, NO),
    "fmin": (np.fmin, [1.0, 2.0, 1.0], [1.0, 0.0, NAN], [0.5, 0, 1], [0.5, 1, 0], NO, NO),
    "fmax of NaN": (np.fmax, [NAN] * 3, [NAN] * 3, NO, NO, NO, NO),
    "fmod": (np.fmod, [6.0, -6.0, 5.0], [3.0, 3.0, -3.0], [1, 1, 1], [-2, 2, 1], NO, NO),
    "remainder": (np.remainder, [6.0, -6.0, 5.0], [3.0, 3.0, -3.0], [1, 1, 1], [-2, 2, 2], NO, NO),
    "floor_divide": (np.floor_divide, [6.0, -6.0, 5.0], [3.0, 3.0, -3.0], NO, NO, NO, NO),
    "logaddexp": (np.logaddexp, [-INF, INF, 0.0], [-INF, INF, 0.0], [0, 0.5, 0.5], [0, 0.5, 0.5],
        [0, 0.25, 0.25], [0, 0.25, 0.25]),
    "logaddexp, one": (np.logaddexp, [-INF, INF, 800.0], [1.0, 1.0, 0.0], [0, 1, 1], [1, 0, 0],
        NO, NO),
    "logaddexp2": (np.logaddexp2, [-INF, INF, 0.0], [-INF, INF, 0.0], [0, 0.5, 0.5],
        [0, 0.5, 0.5], [0, LN2 / 4, LN2 / 4], [0, LN2 / 4, LN2 / 4]),
    "nextafter": (np.nextafter, [1.0, 0.0, 1.0], [2.0, 1.0, 1.0], [1, 1, 1], NO, NO, NO),
    "power": (np.power, [0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [0, 1, 0], NO, [0, 0, 2], NO),
    "power of NaN": (np.power, [NAN, 2.0, INF], [0.0, 0.0, 0.0], NO, [NAN, LN2, INF], NO,
        [NAN, LN2**2, INF]),
}  # fmt: skip


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two(name: str, run: Runner) -> None:
    f, x, y, *expected = TWO[name]
    found = [*derivatives(f, run, [x, y], 1), *derivatives(f, run, [x, y], 2)]
    for what, value, wanted in zip(("x", "y", "xx", "yy"), found, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-14, atol=1e-17, err_msg=what)


VALUES: list[tuple[Any, list[Any], Any]] = [
    (np.copysign, [1.0, -0.0], -1.0),
    (np.heaviside, [NAN, 1.0], NAN),
    (np.logaddexp2, [-INF, -INF], -INF),
    (np.fmax, [NAN, 1.0], 1.0),
    (np.nan_to_num, [INF], np.finfo(float).max),
    (np.nan_to_num, [-INF], np.finfo(float).min),
    (np.ldexp, [0.0, 5000], 0.0),
    (np.gcd, [0, 0], 0),
    (np.lcm, [4, 0], 0),
    (np.spacing, [0.0], 5e-324),
    (np.sinc, [0.0], 1.0),
    (np.float_power, [2, -1], 0.5),
    (np.arctan2, [-0.0, -1.0], -PI),
    (np.angle, [-1.0], PI),
    (np.power, [NAN, 0.0], 1.0),
]


@pytest.mark.parametrize(("f", "points", "expected"), VALUES)
def test_values(f: Any, points: list[Any], expected: Any, run: Runner) -> None:
    arrays = [np.asarray(p) for p in points]
    inputs = [ga.tensor(f"x{i}", (), a.dtype) for i, a in enumerate(arrays)]
    (found,) = run(inputs, [f(*inputs)])(*arrays)
    np.testing.assert_array_equal(found, expected)
    assert np.signbit(found) == np.signbit(expected) or np.isnan(expected)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_sinc_in_higher_orders(order: int) -> None:
    """Against the series Σ (-1)^k (πx)^{2k} / (2k + 1)!, differentiated term by term."""
    at = np.array([0.0, 1e-6, 0.01, 0.3, 0.9, 1.6])
    expected = np.zeros_like(at)
    coefficient = 1.0
    for k in range(40):
        if k:
            coefficient *= -(PI**2) / ((2 * k) * (2 * k + 1))
        if 2 * k >= order:
            falling = np.prod(np.arange(2 * k - order + 1, 2 * k + 1, dtype=float))
            expected += coefficient * falling * at ** (2 * k - order)
    (found,) = derivatives(ga.sinc, interpret, [at], order)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_i0_in_higher_orders(order: int) -> None:
    """I₀⁽ⁿ⁾ = 2⁻ⁿ Σ_k binomial(n, k) I_{|n - 2k|}, by SciPy."""
    special = pytest.importorskip("scipy.special")
    at = np.array([0.0, 1e-9, 0.3, -2.0, 8.0, -40.0, 300.0])
    terms = [special.comb(order, k) * special.iv(order - 2 * k, at) for k in range(order + 1)]
    (found,) = derivatives(ga.i0, interpret, [at], order)
    np.testing.assert_allclose(found, np.sum(terms, axis=0) / 2.0**order, rtol=1e-12)


def test_ldexp_keeps_strong_zeros(run: Runner) -> None:
    x = ga.vector("x")
    y = ga.where(x > 1, np.ldexp(x, ga.constant([5000, 3])), 0.0)
    (found,) = run([x], [ga.grad(y.sum(), x)])(np.array([0.5, 2.0]))
    assert found.tolist() == [0.0, 8.0]
