"""Backend "auto": the first program answers at once, machine code takes over between two calls."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.runtime import tiers

pytest.importorskip("llvmlite")

X, N = ga.vector("x", shape=("n",)), ga.scalar("n")
ARRAY = np.linspace(-1, 1, 1000)


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


def test_time_spent_waiting_is_not_worth_machine_code() -> None:
    asked: list[bool] = []

    class Host:
        def install(self, run: Any, native: Any) -> None:
            pass

    host = Host()
    counting = tiers.Tiers(lambda: time.sleep(0.03) or [1], lambda: None, host.install)
    counting.ask = lambda *_: asked.append(True)  # type: ignore[method-assign]
    for _ in range(4):
        assert counting.counted() == [1]
    assert not asked
    assert counting.spent < 0.06
    counting.began = 1e9  # as after a fork
    counting.spent = 1.0
    counting.counted()
    assert asked


def test_loading_the_compiler_has_to_be_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    class Host:
        def install(self, run: Any, native: Any) -> None:
            pass

    host = Host()
    counting = tiers.Tiers(lambda: [1], lambda: None, host.install)
    counting.ask = lambda *_: asked.append(True)  # type: ignore[method-assign]
    counting.began, counting.spent = -10.0, 2 * tiers.WORTH
    monkeypatch.delitem(sys.modules, "llvmlite", raising=False)
    counting.counted()
    assert not asked
    monkeypatch.setitem(sys.modules, "llvmlite", tiers)
    counting.counted()
    assert asked


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


class Slow:
    """A native program that takes its time."""

    def __init__(self, program: Any, seconds: float) -> None:
        self.program, self.seconds = program, seconds
        self.plan, self.source = program.plan, program.source

    def run(self, *arrays: Any) -> Any:
        time.sleep(self.seconds)
        return self.program.run(*arrays)


def test_the_slower_tier_goes_and_larger_arguments_are_a_new_try() -> None:
    f = ga.function([X], ga.sum(ga.exp(X)))
    compiled = f._compiled
    fast = compiled.native
    compiled.__dict__["_native"] = Slow(fast, 0.02)
    assert f.wait_native()
    for _ in range(100):
        f(ARRAY)
    assert "kernel0" not in f.source and f._run == f._tiers.refusing
    f._tiers.native, f._tiers.first = fast, Slow(fast, 0.02).run
    for _ in range(70):
        f(np.ones(100_000))
    assert f._run == fast.run


def test_what_lost_once_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have been busy when the programs were compared."""
    monkeypatch.setattr(tiers, "AGAIN", 20)
    f = ga.function([X], ga.sum(ga.exp(X)))
    compiled = f._compiled
    fast = compiled.native
    compiled.__dict__["_native"] = Slow(fast, 0.02)
    assert f.wait_native()
    for _ in range(100):
        f(ARRAY)
    assert f._run == f._tiers.refusing and f._tiers.patience >= 40
    f._tiers.native, f._tiers.first = fast, Slow(fast, 0.001).run
    for _ in range(400):
        f(ARRAY)
    assert f._run == fast.run


def test_the_faster_tier_stays() -> None:
    f = ga.function([X], ga.sum(ga.exp(X) * X))
    f._tiers.first = Slow(f._compiled.native, 0.01).run
    assert f.wait_native()
    for _ in range(70):
        f(ARRAY)
    assert f._run == f._compiled.native.run


def test_deterministic_keeps_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "WORTH", 0.0)
    f = ga.function([X], ga.sum(ga.exp(X)), deterministic=True)
    results = {f(ARRAY).tobytes() for _ in range(100)}
    assert len(results) == 1 and not f.wait_native()
    assert "deterministic=True" in repr(f.options)


def test_errors_while_both_are_tried() -> None:
    n, m = ga.vector("n"), ga.vector("m")
    f = ga.function([n, m], n * m + 1)
    assert f.wait_native()
    for _ in range(60):
        with pytest.raises(ga.GraphadError):
            f([1.0, 2.0], [1.0, 2.0, 3.0])
        np.testing.assert_array_equal(f([1.0, 2.0], [3.0, 4.0]), [4.0, 9.0])


def test_a_dropped_function_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "WORTH", 0.0)
    f = ga.function([X], ga.sum(ga.exp(X)))
    f(ARRAY)
    f.wait_native()
    f(ARRAY)
    known = weakref.ref(f)
    gc.disable()
    try:
        del f
        assert known() is None
    finally:
        gc.enable()


PROGRAM = """
import os, signal, sys
import numpy as np
import graphad as ga
from graphad.runtime import tiers
tiers.WORTH = 0.0
x = ga.vector("x", shape=("n",))
def make(length):
    y = x
    for i in range(length):
        y = ga.tanh(y * 1.1) + i
    return ga.function([x], ga.sum(y))
functions = [make(60 + i) for i in range(6)]
for f in functions:
    f(np.ones(2000))
"""


def _python(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_leaving_while_it_is_being_compiled() -> None:
    done = _python("print('end')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forking_while_it_is_being_compiled() -> None:
    done = _python("""
import warnings
warnings.simplefilter("ignore")
for i in range(2):
    child = os.fork()
    if not child:
        signal.alarm(30)
        ok = functions[-1].wait_native() and functions[0].wait_native()
        ok = ok and all(np.isclose(f(np.ones(2000)), f(np.ones(2000))) for f in functions)
        if not ok:
            print([f._tiers.problem for f in functions], file=sys.stderr, flush=True)
        os._exit(0 if ok else 1)
    status = os.waitpid(child, 0)[1]
    assert status == 0, status
assert functions[-1].wait_native()
big = np.ones(3_000_000)
total = functions[0](big)
child = os.fork()
if not child:
    signal.alarm(30)
    again = functions[0](big)
    print(total, again, file=sys.stderr, flush=True)
    os._exit(0 if abs(again - total) < 1e-9 * abs(total) else 1)
status = os.waitpid(child, 0)[1]
assert status == 0, status
print("end")
""")
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


def test_interrupting_the_wait() -> None:
    done = _python("""
signal.signal(signal.SIGALRM, signal.default_int_handler)
long = make(600)
signal.setitimer(signal.ITIMER_REAL, 0.02)
try:
    long.wait_native()
    print("end")
except KeyboardInterrupt:
    print("end")
signal.setitimer(signal.ITIMER_REAL, 0)
assert functions[0].wait_native() and np.isfinite(functions[0](np.ones(2000)))
""")
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
