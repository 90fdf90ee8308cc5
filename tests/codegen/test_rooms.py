"""Memory of large results is used again once nobody holds them; never before."""

from __future__ import annotations

import gc
import pickle
import platform
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import rooms
from graphad.codegen.rooms import room

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything from 1,000 bytes on is large; 100,000 are kept."""
    monkeypatch.setattr(rooms, "FROM", 1000)
    monkeypatch.setattr(rooms, "KEEP", 100_000)
    rooms._rooms.clear()
    yield
    rooms._rooms.clear()


def place(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_is_used_again() -> None:
    one = room((500,))
    where = place(one)
    del one
    assert place(room((500,))) == where
    assert place(room((250, 2))) == where
    assert place(room((1000,), "float32")) == where
    assert place(room((501,))) != where


@pytest.mark.parametrize("hold", [
    lambda a: a, lambda a: a[3:], lambda a: a.reshape(50, 10).T, memoryview,
    lambda a: a.view("i8"), lambda a: a[:1][0:1], lambda a: a.flat,
    lambda a: np.broadcast_to(a, (2, 500)),
    lambda a: np.asarray(memoryview(a)), lambda a: {"a": [a]}, lambda a: a.data,
])  # fmt: skip
def test_what_is_held_is_not_touched(hold: Any) -> None:
    one = room((500,))
    held, where = hold(one), place(one)
    del one
    others = [room((500,)) for _ in range(5)]
    assert where not in [place(a) for a in others]
    assert len({place(a) for a in others}) == 5
    del held
    gc.collect()
    assert place(room((500,))) == where


def test_results_count_as_whole_arrays() -> None:
    one = room((500,))
    assert rooms.is_whole(one) and rooms.is_whole(np.ones(500))
    assert not rooms.is_whole(one[1:]) and not rooms.is_whole(one.view("i8")[::2])
    assert not rooms.is_whole(np.zeros(4000, np.uint8).view(float))


def test_little_is_kept() -> None:
    held = [room((1000,)) for _ in range(40)]
    assert sum(piece.nbytes for piece in rooms._rooms) <= rooms.KEEP
    assert len({place(a) for a in held}) == 40
    known = weakref.ref(held[0].base)
    del held
    assert known() is None  # the oldest ones belong to their results alone
    assert room((20_000,)).base is None  # more than is kept at all


def test_threads_do_not_get_the_same() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for i in range(300):
            a, b = room((200,), "int64"), room((200,), "int64")
            a[:], b[:] = number, i
            if not (np.all(a == number) and np.all(b == i)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(-1 - k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_results_of_functions(backend: str) -> None:
    """Each call's results are its own as long as they are held."""
    x = ga.vector("x", shape=("n",))
    f = ga.function([x], [ga.exp(x) * 2 + 1, ga.exp(x) - x], backend=backend)
    arrays = [np.linspace(0, 1 + i, 70_000) for i in range(4)]
    held = [f(a) for a in arrays]
    for a, (first, second) in zip(arrays, held, strict=True):
        np.testing.assert_allclose(first, np.exp(a) * 2 + 1, rtol=1e-14)
        np.testing.assert_allclose(second, np.exp(a) - a, rtol=1e-14)
        assert first.flags.writeable and first.flags.c_contiguous
    assert len({place(a) for results in held for a in results}) == 8


def test_the_source_asks_by_size() -> None:
    """The last kernel may write into an array of the caller's, and asks for smaller ones too."""
    x, room, into = [ga.vector(name, shape=("n",)) for name in ("x", "room", "into")]
    y = ga.exp(x) * 2 + 1
    f = ga.function([x], [y, ga.sort(y), ga.exp(ga.sort(y)) + 1], backend="llvm")
    f(np.ones(70_000))
    assert "(room if x.size >= 125 else empty)(x.shape)" in f.source
    assert f"(into if v4.size >= {rooms.LENT // 8} else empty)(v4.shape)" in f.source
    g = ga.function([room, into], ga.exp(room) * into + 1, backend="llvm")
    np.testing.assert_allclose(g(np.zeros(70_000), np.full(70_000, 2.0)), 3.0)
    g = ga.function([x], y, backend="llvm")
    assert pickle.loads(pickle.dumps(g))(np.zeros(70_000))[0] == 3.0


FAULTS = """
import resource
import numpy as np
import graphad as ga
x = ga.vector("x", shape=(300,))
k = ga.exp(-ga.square(x[:, None] - x)) + 0.1 * np.eye(300)
y = x @ ga.linalg.solve(k, x) + ga.sum(ga.log(ga.diagonal(ga.linalg.cholesky(k))))
f = ga.function([x], [y, ga.grad(y, x)])
a = np.linspace(0, 10, 300)
for _ in range(20):
    f(a)
f.wait_native()
for _ in range(40):
    f(a)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    f(a)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc does")
def test_memory_of_intermediate_results_stays() -> None:
    """A page is not asked for again at every call; 176 of them hold one matrix."""
    pytest.importorskip("scipy")
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100
