"""Transformed functions in several threads; the collector of garbage stays as it was."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.functional import proved
from graphad.ir.garbage import OBJECTS


def work(f: Any, x: float) -> bool:
    return bool(np.isclose(f(x), 2 * x if x > 0 else -1.0))


def branching(x: Any) -> Any:
    return x * x if x > 0 else -x


@pytest.mark.parametrize("make", [lambda: ga.grad(branching), lambda: ga.jit(ga.grad(branching))])
def test_several_threads_may_call_one_function(make: Any) -> None:
    f = make()
    points = [float(v) for v in np.random.default_rng(0).normal(size=200)]
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda x: work(f, x), points))


def test_the_collector_is_as_before() -> None:
    before, seen = gc.get_threshold(), []

    def f(x: Any) -> Any:
        seen.append(gc.get_threshold()[0])
        return ga.grad(lambda y: y * x)(2.0) * x

    assert ga.grad(f)(3.0) == 6.0
    with pytest.raises(ZeroDivisionError):
        ga.grad(lambda x: x * (1 // 0))(1.0)
    assert seen == [OBJECTS] and gc.get_threshold() == before


def test_traces_leave_no_garbage() -> None:
    proved._known.clear()  # programs that other tests have left
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            made: Any = ga.grad(lambda x: np.sum(np.sin(x) ** 2) if x[0] > 0 else x[0])
            made.unproved(np.ones(3))  # no program is kept
        nodes = [o for o in gc.get_objects() if type(o) is ga.Apply and o.tracing is not None]
        assert not [n for n in nodes if n.site is not None and n.site.filename == __file__]
    finally:
        gc.enable()
