"""Rows of few elements, known when the program is made, are single vectors without a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import entry

pytest.importorskip("llvmlite")


def outputs_of(x: Any, v: Any, c: Any) -> list[Any]:
    y = x * v + ga.tanh(x * c)
    centred = y - y.mean(axis=-1, keepdims=True)
    scale = ga.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1)
    p = ga.softmax(centred / scale, axis=-1)
    loss = ga.sum(p * p * v)
    return [y, p, loss, ga.max(p, axis=-1), ga.sum(p, axis=0), ga.any(x > 1, axis=-1), x > v,
            ga.prod(1 + x / 9, axis=-1), *ga.grad(loss, [x, v, c]),
            ga.grad(ga.sum(ga.exp(x[..., 1:] - x[..., :-1])), x), x[..., ::-1] * 2]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 9, 16])
def test_values(length: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "CHUNK", 32)
    monkeypatch.setattr(entry, "SHARE", 150)
    x = ga.matrix("x", shape=("n", length), dtype=dtype)
    v, c = ga.vector("v", shape=(length,), dtype=dtype), ga.matrix("c", ("n", 1), dtype=dtype)
    outputs = outputs_of(x, v, c)
    reference = ga.function([x, v, c], outputs, backend="interpreter")
    made = [ga.function([x, v, c], outputs, backend="llvm", threads=n) for n in (1, 4)]
    for rows in (1, 7, 60):
        rng = np.random.default_rng(rows)
        arrays = [rng.normal(size=s).astype(dtype) for s in ((rows, length), length, (rows, 1))]
        one, four = (f(*arrays) for f in made)
        assert [np.asarray(a).tobytes() for a in one] == [np.asarray(a).tobytes() for a in four]
        tolerance = 1e-12 if dtype == "float64" else 1e-4
        for a, b in zip(one, reference(*arrays), strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_two_short_axes() -> None:
    x = ga.tensor("x", shape=("n", 2, 3))
    f, reference = (ga.function([x], [ga.sum(ga.exp(x), axis=(1, 2)), x - x.mean(
        axis=(1, 2), keepdims=True)], backend=b) for b in ("llvm", "interpreter"))  # fmt: skip
    array = np.random.default_rng(0).normal(size=(11, 2, 3))
    for a, b in zip(f(array), reference(array), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


def test_special_values() -> None:
    x = ga.matrix("x", shape=("n", 3))
    outputs = [ga.max(x, axis=1), ga.min(x, axis=1), ga.sum(x, axis=1), x * x - x]
    f, reference = (ga.function([x], outputs, backend=b) for b in ("llvm", "interpreter"))
    array = np.array([[np.nan, 1, 2], [-np.inf, np.inf, 0], [-0.0, -0.0, -0.0], [1e308, 1e308, 1]])
    with np.errstate(all="ignore"):
        for a, b in zip(f(array), reference(array), strict=True):
            np.testing.assert_array_equal(a, b)
