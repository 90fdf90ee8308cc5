"""Threads: right answers from one Function; updates of one cell take turns, none is lost.

What is guaranteed (`runtime.cells`): a call reads all its cells at one moment; calls that update a
cell in common run one after the other; a call never sees half of another call's updates.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphad as ga

CALLS = 10_000
BACKENDS = pytest.mark.parametrize("backend", ["auto", "numpy"])


@pytest.fixture(autouse=True)
def _many_switches() -> Iterator[None]:
    """Threads change every few microseconds, so that what can go wrong does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(*works: Callable[[], None]) -> None:
    """Run all at once; the first exception is raised again."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    if errors:
        raise errors[0]


@BACKENDS
def test_two_threads_get_right_answers(backend: str) -> None:
    x, y = ga.vector("x"), ga.scalar("y")
    f = ga.function([x, y], {"a": ga.sin(x * y) + x, "b": [x[::-1] * 2.0, y > 0]}, backend=backend)

    def work(number: int) -> None:
        for i in range(CALLS):
            size = 1 + (number + i) % 3
            value = float(number * CALLS + i)
            result = f(np.full(size, value), 1.0)
            assert result["a"].shape == (size,) and result["a"][0] == np.sin(value) + value
            assert result["b"][0][-1] == 2 * value

    in_threads(lambda: work(1), lambda: work(2))


def test_two_threads_on_plain_floats() -> None:
    x = ga.scalar("x")
    f = ga.function([x], ga.where(x > 0, ga.log(x), -x) * 2.0)

    def work(sign: float) -> None:
        for i in range(CALLS):
            expected = 2 * np.log(i + 1.0) if sign > 0 else 2.0 * (i + 1)
            assert abs(f(sign * (i + 1.0)) - expected) < 1e-12 * max(1.0, expected)
            assert f(0.0) == 0.0

    in_threads(lambda: work(1.0), lambda: work(-1.0))


@BACKENDS
def test_no_count_is_lost(backend: str) -> None:
    count, total = ga.shared(0, name="count"), ga.shared(np.zeros(2), name="total")
    x = ga.scalar("x")
    step = ga.function([x], count, updates={count: count + 1, total: total + x}, backend=backend)
    seen: list[list[int]] = [[], []]

    def work(number: int) -> None:
        for _ in range(CALLS):
            seen[number].append(int(step(1.0)))

    in_threads(lambda: work(0), lambda: work(1))
    assert count.value == 2 * CALLS and total.value.tolist() == [2.0 * CALLS] * 2
    assert sorted(seen[0] + seen[1]) == list(range(2 * CALLS))  # each call saw its own number


def test_functions_that_share_cells_take_turns() -> None:
    """Opposite orders of the same cells: no deadlock, and no update is lost."""
    a, b = ga.shared(0.0, name="a"), ga.shared(0.0, name="b")
    first = ga.function([], [], updates={a: a + 1.0, b: b + 2.0})
    second = ga.function([], [], updates=[(b, b + 2.0), (a, a + 1.0)])
    only = ga.function([], [], updates={a: a + 1.0})
    works = [lambda f=f: [f() for _ in range(3000)] for f in (first, second, only)]
    in_threads(*works)  # type: ignore[arg-type]
    assert (a.value, b.value) == (9000.0, 12000.0)


def test_readers_see_cells_of_one_moment() -> None:
    a, b = ga.shared(np.zeros(3), name="a"), ga.shared(np.zeros(3), name="b")
    step = ga.function([], [], updates={a: a + 1.0, b: b - 1.0})
    read = ga.function([], [a + b, a])
    stop = threading.Event()

    def watch() -> None:
        last = 0.0
        while not stop.is_set():
            total, value = read()
            assert not total.any() and value[0] >= last
            last = value[0]

    def work() -> None:
        for _ in range(CALLS):
            step()
        stop.set()

    in_threads(watch, work)


def test_reading_does_not_wait_for_an_update() -> None:
    w = ga.shared(np.zeros(2), name="w")
    read = ga.function([], w * 2.0)
    with w.cell.lock:  # as if an update were under way
        done: list[Any] = []
        thread = threading.Thread(target=lambda: done.append(read()))
        thread.start()
        thread.join(timeout=10)
        assert done and done[0].tolist() == [0.0, 0.0]


def test_an_assignment_is_not_undone_by_an_update_under_way() -> None:
    w = ga.shared(0.0, name="w")
    with w.cell.lock:  # an update is under way
        thread = threading.Thread(target=lambda: setattr(w, "value", 5.0))
        thread.start()
        thread.join(timeout=0.05)
        assert w.value == 0.0
        w.cell.array = np.array(1.0)
    thread.join(timeout=10)
    assert w.value == 5.0


def test_a_failed_update_lets_the_next_one_in() -> None:
    w = ga.shared(np.zeros(2), name="w")
    v = ga.vector("v")
    step = ga.function([v], [], updates={w: w + v})

    def work() -> None:
        for _ in range(200):
            with pytest.raises(ga.errors.ShapeError):
                step(np.zeros(3))
            step(np.ones(2))

    in_threads(work, work)
    assert w.value.tolist() == [400.0, 400.0]


def test_building_and_compiling_in_threads() -> None:
    def work(number: int) -> None:
        for i in range(30):
            with ga.scope(f"thread{number}"):
                x = ga.vector("x", shape=("n",))
                y = ga.tanh(x * float(i)).sum()
            f = ga.function([x], [y, ga.grad(y, x)])
            assert f(np.zeros(2))[1].tolist() == [float(i)] * 2
            assert y.owner is not None and y.owner.scope == f"thread{number}"

    in_threads(lambda: work(1), lambda: work(2))


def test_first_calls_at_once() -> None:
    """Programs that are written on first need are written once, or twice alike."""
    x = ga.scalar("x")
    for _ in range(50):
        f = ga.function([x], ga.log(x) * 2.0)
        results: list[float] = []
        in_threads(*[lambda f=f, r=results: r.append(f(0.0))] * 4)  # type: ignore[list-item]
        assert results == [-np.inf] * 4
