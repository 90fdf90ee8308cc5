"""Numeric derivatives against known ones, with the precision that they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphad.errors import UseError
from graphad.testing.numeric import (
    CENTRAL_PRECISION,
    FULL_PRECISION,
    central,
    check_holomorphic,
    complex_gradient,
    complex_step,
    inner,
    numeric_grad,
    slope,
)

X = np.array([0.3, 1.2, 2.0])
V = np.array([1.0, -0.5, 0.25])

KNOWN: dict[str, tuple[Any, Any]] = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda x: 1 / x),
    "power": (lambda x: x**5, lambda x: 5 * x**4),
    "constant": (lambda x: x * 0 + 3, lambda x: x * 0),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_derivatives(name: str) -> None:
    f, derivative = KNOWN[name]
    expected = derivative(X) * V
    np.testing.assert_allclose(
        central(lambda x: [f(x)], [X], [V])[0], expected, rtol=1e-9, atol=1e-11
    )
    exact = complex_step(lambda x: [f(x)], [X], [V])[0]
    np.testing.assert_allclose(exact, expected, rtol=1e-15, atol=0)
    (found,), precision = slope(lambda x: [f(x)], [X], [V])
    assert precision == FULL_PRECISION
    np.testing.assert_array_equal(found, exact)


def test_slope_falls_back_where_complex_numbers_do_not_go() -> None:
    for f in (
        np.abs,
        lambda x: np.real(x) ** 2,
        lambda x: x * np.conj(x),
        np.floor,
        np.hypot(0, 1).__mul__,
    ):
        (found,), precision = slope(lambda x, f=f: [np.real(f(x))], [X], [V])
        assert found.shape == X.shape
    (found,), precision = slope(lambda x: [np.abs(x)], [-X], [V])
    np.testing.assert_allclose(found, -V, rtol=1e-10)
    assert precision == CENTRAL_PRECISION
    (found,), precision = slope(lambda x: [np.arctan2(x, x * x)], [X], [V])
    np.testing.assert_allclose(found, -V / (1 + X**2), rtol=1e-8)
    assert precision == CENTRAL_PRECISION


def test_several_arguments_and_results() -> None:
    i = np.array([2, 0])
    found = central(lambda x, y, i: [x * y, x[i]], [X, X + 1, i], [V, 2 * V, np.ones(2)])
    np.testing.assert_allclose(found[0], V * (X + 1) + 2 * V * X, rtol=1e-9)
    np.testing.assert_allclose(found[1], V[i], rtol=1e-9)


def test_complex_results() -> None:
    z = X + 1j
    (found,) = central(lambda x: [x * x], [z], [V * 1j])
    np.testing.assert_allclose(found, 2 * z * V * 1j, rtol=1e-9)


def test_inner() -> None:
    total, size = inner([X, np.array(2.0)], [V, np.array(-3.0)])
    assert total == pytest.approx(X @ V - 6) and size == pytest.approx(np.abs(X * V).sum() + 6)
    assert inner([np.array([1j])], [np.array([1j])]) == (-1.0, 1.0)
    assert inner([], []) == (0.0, 0.0)


# ---- whole gradients ------------------------------------------------------------------------


def test_numeric_gradients_of_containers() -> None:
    found = numeric_grad(lambda p, s: (p["a"] ** 2).sum() * s + p["b"], [{"a": X, "b": 2.0}, 3.0])
    np.testing.assert_allclose(found[0]["a"], 6 * X, rtol=1e-9)
    np.testing.assert_allclose([found[0]["b"], found[1]], [1.0, (X**2).sum()], rtol=1e-9)
    assert numeric_grad(lambda i: i.sum() * 1.0, np.arange(3)).tolist() == [0, 0, 0]


def test_numeric_gradient_of_complex_numbers() -> None:
    """∂u/∂x - i·∂u/∂y, and f' for analytic functions."""
    z = X + 1j * V
    np.testing.assert_allclose(
        numeric_grad(lambda z: (np.abs(z) ** 2).sum(), z), 2 * np.conj(z), rtol=1e-9
    )
    np.testing.assert_allclose(numeric_grad(lambda z: (z**3).sum(), z), 3 * z**2, rtol=1e-9)


def test_the_complex_step_gives_all_digits() -> None:
    found = complex_gradient(lambda x, s: np.sum(np.exp(x)) * s, [X, 2.0])
    np.testing.assert_allclose(found[0], 2 * np.exp(X), rtol=1e-15)
    np.testing.assert_allclose(found[1], np.exp(X).sum(), rtol=1e-15)
    with pytest.raises(UseError, match=r"float64(.|\n)*numeric_grad"):
        complex_gradient(lambda x: np.abs(x).sum(), X)


def test_a_gradient_is_of_a_number() -> None:
    with pytest.raises(UseError, match=r"shape \(3,\)"):
        numeric_grad(np.sin, X)


def test_cauchy_riemann() -> None:
    z = X + 1j * V
    for f in (np.exp, lambda z: z**3 / (z + 5), np.sin):
        check_holomorphic(f, z)
    for f in (np.conj, np.abs, np.real, lambda z: z * np.conj(z)):
        with pytest.raises(AssertionError, match="is not holomorphic"):
            check_holomorphic(f, z)
