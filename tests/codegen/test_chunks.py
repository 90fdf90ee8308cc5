"""Long programs are cut into parts; cut anywhere, they compute the same, in the same memory."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import program

X, V = ga.matrix("x", shape=("n", 4)), ga.vector("v", shape=(4,))
ARRAYS = [np.linspace(-1, 1, 12).reshape(3, 4), np.arange(4.0)]
K = ga.constant(np.arange(4.0), name="weights")


def layers(x: Any, count: int) -> list[Any]:
    values = [x]
    for i in range(count):
        values.append(ga.tanh(values[-1] * (1 + 0.1 * i) + V))
    return values


PROGRAMS = {
    "a chain": lambda: layers(X, 6)[-1:],
    "outputs in the middle": lambda: layers(X, 6)[1::2],
    "all values are outputs": lambda: layers(X, 4),
    "inputs and constants are outputs": lambda: [X, K, layers(X, 3)[-1], V, ga.constant(2.0)],
    "the same output twice": lambda: [(a := layers(X, 3)[-1]), a, layers(a, 2)[-1], a.T],
    "views cross parts": lambda: [
        ga.sin(a := layers(X, 2)[-1]) + a[::-1], a.T[1:].ravel() * 2.0, a.T[None], a[0] + V],
    "a view outlives its root": lambda: [
        ga.cos((a := ga.exp(X)).T)[:, 0] + layers(V, 5)[-1][0], a.sum()],
    "a root outlives its views": lambda: [
        ga.exp(a := layers(X, 2)[-1])[1:].sum() + layers(V, 3)[-1], a * 2],
    "in place over a boundary": lambda: [ga.sin(ga.cos(ga.exp(ga.tanh(ga.exp(X)))))],
    "constants in all parts": lambda: [ga.exp((ga.exp(X * K) + K) * K) - K, K * V],
    "many inputs die at different times": lambda: [X.sum() + layers(V, 4)[-1].sum() * X[0, 0]],
    "sizes": lambda: [X.mean(axis=0) / X.shape[0] + ga.arange(X.shape[1]) + ga.exp(X).mean()],
    "inner graphs": lambda: [ga.jacobian(ga.sin(V) * V[::-1], V) @ X[0],
                             ga.hessian((V**3).sum(), V)],
    "gradients": lambda: ga.grad(sum(ga.sum(v) for v in layers(X, 4)), [X, V]),
    "a branch nobody reads again": lambda: [ga.where(X > 0, ga.log(X), layers(X, 2)[-1])],
    "nothing but outputs": lambda: [X * 1.0, V],
}  # fmt: skip


def cut(patch: pytest.MonkeyPatch, chunk: int, large: int = 0) -> None:
    patch.setattr(program, "CHUNK", chunk)
    patch.setattr(program, "LARGE", large)


@pytest.mark.parametrize("large", [0, 1 << 16])
@pytest.mark.parametrize("make", PROGRAMS.values(), ids=PROGRAMS)
def test_cut_anywhere(make: Any, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = make()
    whole = ga.function([X, V], outputs, unused="ignore")
    expected = whole(*ARRAYS)
    steps = len(whole.plan.steps)
    for chunk in range(1, steps + 2):
        cut(monkeypatch, chunk, large)
        parts = ga.function([X, V], outputs, unused="ignore")
        assert parts.source.count("def part_") == (-(-steps // chunk) if steps > chunk else 0)
        for f in (parts, pickle.loads(pickle.dumps(parts))):
            for a, b in zip(f(*ARRAYS), expected, strict=True):
                np.testing.assert_array_equal(a, b)
                assert (a.dtype, a.shape) == (b.dtype, b.shape)


def test_scalars_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    x = ga.scalar("x")
    middle = ga.where(ga.sin(x) > 0, ga.log(x) * 2.0, -x)
    outputs = [middle, ga.exp(middle) + x, middle > 0, x]
    expected = ga.function([x], outputs)(0.3)
    for chunk in range(1, 9):
        cut(monkeypatch, chunk)
        assert ga.function([x], outputs)(0.3) == expected


def test_states_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    w = ga.shared(np.ones(4), name="w")
    loss = ((X @ w - 1) ** 2).mean()
    for chunk in (1, 2, 3, 1000):
        cut(monkeypatch, chunk)
        w.value = np.ones(4)
        step = ga.function([X], loss, updates={w: w - 0.1 * ga.grad(loss, w)})
        losses = [float(step(ARRAYS[0])) for _ in range(3)]
        weights, expected = np.ones(4), []
        for _ in range(3):
            error = ARRAYS[0] @ weights - 1
            expected.append((error**2).mean())
            weights = weights - 0.1 * (2 / 3) * (error @ ARRAYS[0])
        np.testing.assert_allclose(losses, expected, rtol=1e-13)
        np.testing.assert_allclose(w.value, weights, rtol=1e-13)


@pytest.mark.parametrize("steps", [999, 1000, 1001, 2000, 2500])
def test_true_size(steps: int) -> None:
    value, outputs = X, []
    for i in range(steps // 2):
        value = ga.sin(value + V) if i % 2 else ga.cos(value.T.T * 1.5)
        outputs += [value] if i % 400 == 0 else []
    f = ga.function([X, V], [*outputs, value])
    found = f(*ARRAYS)
    wanted, value_now = [], ARRAYS[0]
    for i in range(steps // 2):
        value_now = np.sin(value_now + ARRAYS[1]) if i % 2 else np.cos(value_now * 1.5)
        wanted += [value_now] if i % 400 == 0 else []
    for a, b in zip(found, [*wanted, value_now], strict=True):
        np.testing.assert_array_equal(a, b)
    assert ("def part_" in f.source) == (len(f.plan.steps) > 1000)


def test_a_failed_call_holds_no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    cut(monkeypatch, 1)
    index = ga.scalar("index", dtype="int64")
    f = ga.function([X, index], ga.exp(X)[index])
    array = np.ones((2, 4))
    with pytest.raises(ga.errors.IndexingError):
        f(array, 9)
    seen = weakref.ref(array)
    del array
    gc.collect()
    assert seen() is None
