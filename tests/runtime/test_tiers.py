"""Backend "auto": the first program answers at once, machine code takes over between two calls."""

from __future__ import annotations

import pickle
import threading
import time
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.runtime import function, tiers

pytest.importorskip("llvmlite")

X, N = ga.vector("x", shape=("n",)), ga.scalar("n")
ARRAY = np.linspace(-1, 1, 1000)


@pytest.fixture(autouse=True)
def tiers_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "TIERS", True)


def test_machine_code_takes_over_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "WORTH", 0.0)
    f = ga.function([X], ga.sum(ga.tanh(X) * X))
    assert "kernel0" not in f.source
    first = f(ARRAY)
    for _ in range(3000):
        if "kernel0" in f.source:
            break
        time.sleep(0.01)
    assert "kernel0" in f.source and "kernel[" in str(f.plan)
    assert f(ARRAY) == pytest.approx(first, rel=1e-14)


def test_waiting_for_it() -> None:
    f = ga.function([X], [ga.exp(X), ga.sum(X)])
    assert f.wait_native()
    np.testing.assert_allclose(f(ARRAY)[0], np.exp(ARRAY), rtol=1e-15)


def test_scalars() -> None:
    f = ga.function([N], [N * ga.sin(N), ga.log(N), N > 0])
    assert "def program(" in f.source
    before = f(2.0)
    assert f.wait_native() and "define ptr @program" in f.source
    assert f(2.0) == before
    assert f(np.float64(2.0)) == before == f(2)  # the integer goes to NumPy
    value, logarithm, positive = f(-1.0)
    assert np.isnan(logarithm) and not positive and type(positive) is np.bool_
    assert type(value) is np.float64


def test_backends_that_stay() -> None:
    for backend in ("numpy", "interpreter"):
        f = ga.function([X], ga.sum(X * X), backend=backend)
        assert not f.wait_native() and "kernel0" not in f.source
    assert ga.function([X], ga.sum(X * X), backend="llvm").wait_native()


def test_nothing_to_gain() -> None:
    f = ga.function([X], X[::-1])
    assert not f.wait_native()
    np.testing.assert_array_equal(f(ARRAY), ARRAY[::-1])


def test_failing_to_compile_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no machine code today")

    monkeypatch.setattr("graphad.codegen.native.fused_plan", fail)
    f = ga.function([X], ga.exp(X))
    assert not f.wait_native()
    np.testing.assert_array_equal(f(ARRAY), np.exp(ARRAY))


def test_takeover_while_threads_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "WORTH", 0.0)
    f = ga.function([X], [ga.exp(X) * X, ga.sum(X * X)])
    expected = [np.exp(ARRAY) * ARRAY, np.sum(ARRAY * ARRAY)]
    failures: list[Any] = []

    def work() -> None:
        for _ in range(200):
            for a, b in zip(f(ARRAY), expected, strict=True):
                if not np.allclose(a, b, rtol=1e-14, atol=0):
                    failures.append(a)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and f.wait_native()


def test_updates_and_pickles() -> None:
    w, x = ga.shared(np.zeros(1000), name="w"), ga.vector("x", shape=(1000,))
    step = ga.function([x], ga.sum(w * x), updates={w: w + x * x})
    step(ARRAY)
    assert step.wait_native()
    step(ARRAY)
    np.testing.assert_allclose(w.value, 2 * ARRAY**2)
    again = pickle.loads(pickle.dumps(step))
    assert again.wait_native() and again(ARRAY) == pytest.approx(step(ARRAY))
