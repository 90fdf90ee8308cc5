"""Cumulative sums, products and recurrences in machine code: NumPy's digits, in any layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import cumulative

pytest.importorskip("llvmlite")

Array = np.ndarray[Any, Any]
SHAPES = [(1,), (2,), (7,), (40,), (3, 5), (5, 3), (1, 9), (9, 1), (2, 3, 17), (2, 33, 2)]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays too."""
    monkeypatch.setattr(cumulative, "LEAST", dict.fromkeys(cumulative.LEAST, 1))
    monkeypatch.setattr(cumulative, "SHARE", 20)


def refused(*_: Any) -> Any:
    raise AssertionError("machine code was expected")


def made(op: str, axis: int, dtype: Any, reverse: bool = False, threads: int = 1) -> Any:
    params: dict[str, Any] = {"axis": axis}
    if op == "recurrence":
        params["reverse"] = reverse
    return cumulative.accumulator(op, params, np.dtype(dtype), np.empty, refused, threads)


def recurred(a: Array, b: Array, axis: int, reverse: bool) -> Array:
    """One after the other."""
    a, b = np.broadcast_arrays(a, b)
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    a, b = (a[::-1], b[::-1]) if reverse else (a, b)
    found = b.copy()
    for i in range(1, len(b)):
        found[i] = b[i] + np.where(found[i - 1] == 0, 0, a[i] * found[i - 1])
    return np.moveaxis(found[::-1] if reverse else found, 0, axis)


def layouts(x: Array) -> list[Array]:
    wide = np.repeat(x, 2, axis=-1)[..., ::2]
    return [x, wide, np.asfortranarray(x), x[::-1].copy()[::-1], np.flip(np.flip(x).copy())]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op", ["cumsum", "cumprod"])
def test_bits_of_numpy(op: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        x = rng.uniform(0.5, 1.6, size=shape).astype(dtype)
        x.flat[0] = -0.0 if op == "cumsum" else x.flat[0]
        for axis in range(len(shape)):
            run = made(op, axis, dtype)
            for array in layouts(x):
                expected = getattr(np, op)(np.ascontiguousarray(array), axis=axis)
                found = run(array)
                assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrences(dtype: str, reverse: bool) -> None:
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        a, b = (rng.normal(size=shape).astype(dtype) for _ in range(2))
        b[rng.random(shape) < 0.3] = 0.0
        a[rng.random(shape) < 0.1] = np.inf
        for axis in range(len(shape)):
            run = made("recurrence", axis, dtype, reverse)
            for p, q in zip(layouts(a), layouts(b), strict=True):
                with np.errstate(all="ignore"):
                    expected = recurred(p, q, axis, reverse)
                np.testing.assert_array_equal(run(p, q), expected)
            ones = np.ones((1,) * len(shape), dtype)
            np.testing.assert_array_equal(run(ones, b), recurred(ones, b, axis, reverse))


def test_special_numbers() -> None:
    x = np.array([1.0, -0.0, np.inf, 2.0, -np.inf, 1.0, np.nan, 3.0])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(made("cumsum", 0, "f8")(x), np.cumsum(x))
        np.testing.assert_array_equal(made("cumprod", 0, "f8")(x), np.cumprod(x))


@pytest.mark.parametrize("op", ["cumsum", "cumprod", "recurrence"])
def test_threads_change_no_bit(op: str) -> None:
    x = np.random.default_rng(2).normal(size=(9, 6, 5))
    for axis in range(3):
        arrays = (x, x + 1) if op == "recurrence" else (x,)
        first, second = (made(op, axis, "f8", threads=n)(*arrays) for n in (1, 3))
        assert first.tobytes() == second.tobytes()


def test_what_is_left_to_numpy() -> None:
    calls: list[Any] = []
    run = cumulative.accumulator(
        "cumsum", {"axis": 0}, np.dtype("f8"), np.empty, lambda x: calls.append(x) or "numpy"
    )
    assert run(np.ones(3, "f4")) == "numpy"
    assert run(np.ones(0)) == "numpy"
    assert run(np.ones(3)).tolist() == [1, 2, 3] and len(calls) == 2


@pytest.mark.parametrize("axis", [0, 1])
def test_in_functions(axis: int) -> None:
    """With their derivatives, to second order."""
    x = ga.matrix("x")
    v = np.random.default_rng(3).uniform(0.5, 1.5, size=(6, 5))
    v[2, 3] = 0.0
    y = ga.cumprod(ga.exp(x) * x, axis=axis) + ga.cumsum(x * x, axis=axis)
    cost = ga.sum(y * y)
    slope = ga.grad(cost, x)
    outputs = [y, slope, ga.grad(ga.sum(slope * slope), x)]
    found = ga.function([x], outputs, backend="llvm")
    assert "cumsum_float64" in found.source and "recurrence_float64" in found.source
    expected = ga.function([x], outputs, backend="interpreter")(v)
    for a, b in zip(found(v), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    w = np.asfortranarray(np.repeat(v, 2, axis=0)[::2])
    np.testing.assert_array_equal(found(w)[0], found(v)[0])
