"""Donated inputs: their memory may become a result's, and nobody else's is touched."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import UseError

W, G = ga.vector("w", shape=("n",)), ga.vector("g", shape=("n",))


def step(donate: Any = (W,)) -> ga.Function:
    return ga.function([W, G], W - 0.1 * G, backend="numpy", donate=donate)


def test_a_result_takes_over_the_memory() -> None:
    w, g = np.ones(10), np.full(10, 2.0)
    found = step()(w, g)
    assert found is w
    np.testing.assert_allclose(found, 0.8)
    np.testing.assert_array_equal(g, 2.0)


def test_without_it_nothing_is_written() -> None:
    w, g = np.ones(10), np.full(10, 2.0)
    found = step(())(w, g)
    assert not np.may_share_memory(found, w)
    np.testing.assert_array_equal(w, 1.0)


def test_memory_is_saved() -> None:
    plain, donated = [ga.function([W], ga.sin(W) * 2, donate=d) for d in ([], [W])]
    assert plain.plan.peak_bytes(n=100) == 800
    assert donated.plan.peak_bytes(n=100) == 0


def test_arrays_that_others_use_are_copied() -> None:
    w = np.ones(10)
    np.testing.assert_allclose(step()(w, w), 0.9)
    np.testing.assert_array_equal(w, 1.0)
    base = np.ones(20)
    np.testing.assert_allclose(step()(base[:10], base[5:15]), 0.9)
    np.testing.assert_array_equal(base, 1.0)


def test_read_only_arrays_are_copied() -> None:
    w = np.ones(10)
    w.flags.writeable = False
    np.testing.assert_allclose(step()(w, np.ones(10)), 0.9)
    np.testing.assert_array_equal(w, 1.0)


def test_what_is_still_read_is_not_overwritten() -> None:
    f = ga.function([W, G], [W * G, W + G], backend="numpy", donate=[W])
    product, total = f(np.full(5, 3.0), np.full(5, 2.0))
    np.testing.assert_array_equal(product, 6.0)
    np.testing.assert_array_equal(total, 5.0)


def test_a_donated_result_is_copied() -> None:
    w = np.ones(4)
    same, twice = ga.function([W], [W, W * 2], backend="numpy", donate=[W])(w)
    assert same is not w
    np.testing.assert_array_equal(same, 1.0)
    np.testing.assert_array_equal(twice, 2.0)


def test_other_shapes_and_dtypes_take_no_memory() -> None:
    w = np.ones(4)
    small, single = ga.function([W], [W[:2] * 2, W.astype("float32")], donate=[W])(w)
    assert not np.may_share_memory(small, w)
    assert not np.may_share_memory(single, w)


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("backend", ["auto", "numpy", "llvm", "interpreter"])
def test_all_backends_and_sizes(backend: str, size: int) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    f = ga.function([W, G], ga.exp(W) * 2 - G, backend=backend, donate=[W, G])
    for _ in range(2):
        np.testing.assert_allclose(f(np.zeros(size), np.ones(size)), 1.0)


def test_pickled() -> None:
    w = np.ones(10)
    again = pickle.loads(pickle.dumps(step()))
    assert again(w, np.ones(10)) is w


def test_profiles_write_nothing() -> None:
    w = np.ones(10)
    step().profile(w, np.ones(10), seconds=0.001)
    np.testing.assert_array_equal(w, 1.0)


def test_only_inputs_are_donated() -> None:
    s = ga.shared(np.ones(3), name="s")
    with pytest.raises(UseError, match="keep their memory for other calls"):
        ga.function([], s.sum(), donate=[s])
    with pytest.raises(UseError, match="donate"):
        ga.function([W], W * 2, donate=[G])
    with pytest.raises(UseError, match="donate"):
        ga.function([W], W * 2, donate=["w"])  # type: ignore[list-item]
