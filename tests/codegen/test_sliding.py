"""Convolutions of vectors in machine code against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import sliding

pytest.importorskip("llvmlite")

SIZES = [(1, 1), (5, 1), (9, 4), (40, 7), (100, 100), (333, 16), (1030, 9), (2100, 31), (4200, 2)]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays too, and several threads."""
    monkeypatch.setattr(sliding, "LEAST", 1)
    monkeypatch.setattr(sliding, "SHARE", 1)


def refused(*_: Any) -> Any:
    raise AssertionError("machine code was expected")


def made(op: str, dtype: Any, threads: int = 1) -> Any:
    return sliding.slider(op, np.dtype(dtype), np.empty, refused, False, threads)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["full", "valid"])
def test_values(mode: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    run = made("convolve_full" if mode == "full" else "slide_product", dtype)
    near = 1e-13 if dtype == "float64" else 1e-4
    for n, m in SIZES:
        x, w = rng.normal(size=n).astype(dtype), rng.normal(size=m).astype(dtype)
        for a, b in [(x, w), (np.repeat(x, 2)[::2], w[::-1].copy()[::-1])]:
            expected = np.convolve(a, b if mode == "full" else b[::-1], mode)  # type: ignore[call-overload]
            found = run(a, b)
            assert found.dtype == expected.dtype and found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=near, atol=near)
        if mode == "full":
            np.testing.assert_allclose(run(w, x), run(x, w), rtol=near, atol=near)


def test_threads_change_no_bit() -> None:
    x, w = np.random.default_rng(1).normal(size=(2, 5000))
    for op in ("convolve_full", "slide_product"):
        first, second = (made(op, "f8", threads=n)(x, w[:77]) for n in (1, 3))
        assert first.tobytes() == second.tobytes()


def test_not_finite() -> None:
    """The zeros around an array meet nothing that is not finite; a strong zero stays zero."""
    x, w = np.arange(50.0), np.ones(7)
    x[20] = np.inf
    calls: list[Any] = []

    def otherwise(a: Any, b: Any) -> Any:
        calls.append(1)
        return np.convolve(a, b)

    run = sliding.slider("convolve_full", np.dtype("f8"), np.empty, otherwise, False)
    np.testing.assert_array_equal(run(x, w), np.convolve(x, w))
    assert not calls
    w[3] = np.inf
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(run(x, w), np.convolve(x, w))
    assert calls
    strong = sliding.slider(
        "slide_product", np.dtype("f8"), np.empty, lambda a, b: "repaired", True
    )
    assert strong(np.ones(50), np.ones(3)).tolist() == [3.0] * 48
    assert strong(np.full(50, np.nan), np.ones(3)) == "repaired"


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_in_functions(mode: Any) -> None:
    """With derivatives by both operands, to second order."""
    x, w = ga.vector("x"), ga.vector("w")
    cost = ga.sum(ga.tanh(ga.convolve(x, w, mode) * 0.1))
    slopes = ga.grad(cost, [x, w])
    second = ga.grad(ga.sum(slopes[0] ** 2) + ga.sum(slopes[1] ** 2), [x, w])
    found = ga.function([x, w], [cost, *slopes, *second], backend="llvm")
    assert "slide_product_float64" in found.source or "convolve_full_float64" in found.source
    same = ga.function([x, w], [cost, *slopes, *second], backend="interpreter")
    rng = np.random.default_rng(2)
    for n, m in [(300, 20), (31, 31), (9, 40)]:
        a, b = rng.normal(size=n), rng.normal(size=m)
        for v, e in zip(found(a, b), same(a, b), strict=True):
            np.testing.assert_allclose(v, e, rtol=1e-9, atol=1e-12)
