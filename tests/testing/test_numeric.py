"""Numeric derivatives against known ones, with the precision that they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphad.testing.numeric import (
    CENTRAL_PRECISION,
    FULL_PRECISION,
    central,
    complex_step,
    inner,
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
