"""Memory that calls use again: never while somebody holds an array in it."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import kernels
from graphad.codegen.reuse import LARGE, Store

FLOAT = np.dtype(float)


def test_memory_comes_back_when_the_last_view_is_gone() -> None:
    store = Store(2)
    a = store.array((300, 100), FLOAT)
    place, view = a.ctypes.data, a.T[3:, ::2]
    del a
    b = store.array((300, 100), FLOAT)
    assert not np.shares_memory(b, view) and b.ctypes.data != place
    del view
    c = store.array((300, 100), FLOAT)
    assert c.ctypes.data == place and c.flags.writeable and c.flags.c_contiguous


def test_few_blocks_are_kept() -> None:
    store = Store(2)
    held = [store.array((40_000,), FLOAT) for _ in range(5)]
    del held
    assert [len(blocks) for blocks in store._free.values()] == [2]
    for k in range(30):
        store.array((20_000 + 9_000 * k,), FLOAT)
    assert len(store._free) <= 2


def test_a_store_goes_with_its_owner() -> None:
    gc.collect()
    gc.disable()
    try:
        store = Store(2)
        gone = weakref.ref(store)
        a = store.array((40_000,), FLOAT)
        del store
        assert gone() is None
        a[:] = 1.0
        assert a.sum() == 40_000
    finally:
        gc.enable()


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_what_a_function_keeps_goes_with_it(backend: str) -> None:
    a, xs = ga.scalar("a"), ga.vector("xs")
    last, _ = ga.scan(lambda c, x: (ga.sin(a * c) + x, None), 0.0, xs)
    f = ga.function([a, xs], [last, ga.grad(last, a)], backend=backend)
    f(0.5, np.ones(2 * LARGE // 8))
    bound = f._compiled.program.bound.values()
    gone = [weakref.ref(v) for v in bound if type(v).__name__ == "Loop"]
    assert len(gone) == 2
    gc.collect()
    gc.disable()
    try:
        del f, bound
        assert [loop() for loop in gone] == [None, None]
    finally:
        gc.enable()


@pytest.mark.skipif(not kernels.is_possible(), reason="no vector registers")
def test_results_of_earlier_calls_stay_as_they_are() -> None:
    steps = LARGE // 8
    a, xs = ga.scalar("a"), ga.vector("xs", (steps,))
    last, ys = ga.scan(lambda c, x: (c * a + x, c), 0.0, xs)
    f = ga.function([a, xs], [ys, ga.grad(last, a)], backend="llvm")
    rows = np.linspace(0, 1, steps)
    values = [0.1, 0.5, 0.9, 0.1]
    found = [f(v, rows) for v in values]
    for v, (stack, slope) in zip(values, found, strict=True):
        again = f(v, rows)
        np.testing.assert_array_equal(stack, again[0])
        assert slope == again[1]
    for i, (one, _) in enumerate(found):
        assert not any(np.shares_memory(one, other) for other, _ in found[:i])

    wrong: list[Any] = []

    def calls(v: float, wanted: Any) -> None:
        for _ in range(20):
            stack, slope = f(v, rows)
            if slope != wanted[1] or not np.array_equal(stack, wanted[0]):
                wrong.append(v)

    threads = [threading.Thread(target=calls, args=pair)
               for pair in zip(values, found, strict=True)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
