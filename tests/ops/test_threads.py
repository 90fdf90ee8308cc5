"""Short work of LAPACK runs on the calling thread; afterwards everything is as it was."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import graphad as ga
from graphad.libraries import alone
from graphad.ops.linalg import lapack

pytest.importorskip("scipy")


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is set, one after the other; there are 4 threads at first."""
    told = [4]
    monkeypatch.setitem(alone.__dict__, "calls", (lambda: told[-1], told.append))
    return told


def test_small_work_is_done_alone(counts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.eye(40) * 4.0
    expected = np.linalg.cholesky(a)
    np.testing.assert_array_equal(lapack.cholesky_factor(a), expected)
    assert counts == [4, 1, 4]
    lapack.solved_triangle(a, a, True)
    lapack.factored(a)
    assert counts == [4] + [1, 4] * 3
    monkeypatch.setattr(lapack, "SHARED", 100)
    np.testing.assert_array_equal(lapack.cholesky_factor(a), expected)
    assert counts == [4] + [1, 4] * 3


def test_failures_restore_it_too(counts: list[int]) -> None:
    with pytest.raises(np.linalg.LinAlgError):
        lapack.cholesky_factor(-np.eye(40))
    assert counts == [4, 1, 4]


def test_blocks_nest_across_threads(counts: list[int]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with alone:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    with alone:
        assert counts == [4, 1]
    assert counts == [4, 1]  # the other one is still in its block
    leave.set()
    thread.join()
    assert counts == [4, 1, 4]


def test_without_openblas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(alone.__dict__, "calls", None)
    np.testing.assert_allclose(lapack.cholesky_factor(np.eye(40) * 4.0), np.eye(40) * 2)


def test_the_library_is_left_as_it_was() -> None:
    before = None if alone.calls is None else alone.calls[0]()
    a = ga.matrix("a", shape=(50, 50))
    f = ga.function([a], ga.grad(ga.linalg.cholesky(a).sum(), a))
    f(np.eye(50) * 3.0)
    assert before == (None if alone.calls is None else alone.calls[0]())
