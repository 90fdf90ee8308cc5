"""Ctrl-C stops long calls, and what was stopped can be called again; children of a fork can call
functions whose threads their parent has used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

HEAD = """
import os, signal, sys, _thread, threading, time, warnings
import numpy as np
import graphad as ga
warnings.simplefilter("ignore")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may ignore it
x, s, big = ga.vector("x", shape=("n",)), ga.scalar("s"), np.linspace(0, 1, 600_000)
y = x
for _ in range(40):
    y = ga.sin(y) * 0.9 + x
total = ga.sum(y)
"""

INTERRUPTED = """
def stopped(work):
    def fire():
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=fire, daemon=True).start()
    try:
        while True:
            work()
    except KeyboardInterrupt:
        return True

def endless(body, start, backend):
    long = ga.scan(lambda c, _: (body(c), None), start, length=2_000_000_000)[0]
    return ga.function([x, s], long, backend=backend, unused="ignore")

for backend in ("interpreter", "numpy", "llvm"):
    f = ga.function([x], total, backend=backend, threads=4)
    before = f(big)
    assert stopped(lambda: f(big)) and f(big) == before
    for body, start in ((lambda c: ga.sin(c) * s, s), (lambda c: ga.sin(c) * x, x)):
        f = endless(body, start, backend)
        assert stopped(lambda: f(np.ones(5), 0.5))
    slow = ga.while_loop(lambda c: c < s, lambda c: c + 1e-9, 0.0)
    f = ga.function([s], slow, backend=backend)
    before = f(1e-7)
    assert stopped(lambda: f(1e9)) and f(1e-7) == before
print("end")
"""

FORKED = """
functions = [ga.function([x], total, backend=b, threads=4) for b in ("numpy", "llvm", "auto")]
assert functions[-1].wait_native()
before = [f(big) for f in functions]
assert _thread._count() > 0
def same():
    *found, other = [f(big) for f in functions]  # "auto" may change its mind on what is faster
    return found == before[:2] and abs(other - before[2]) < 1e-9 * abs(other)
for grandchild in (False, True):
    child = os.fork()
    if not child:
        signal.alarm(60)
        if grandchild and (own := os.fork()):
            os._exit(os.waitstatus_to_exitcode(os.waitpid(own, 0)[1]))
        os._exit(0 if same() else 1)
    assert os.waitpid(child, 0)[1] == 0
assert same()
print("end")
"""


def _run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program], capture_output=True, text=True, timeout=120,
        env={**os.environ, "GRAPHAD_CACHE_DIR": ""},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


def test_an_interrupt_stops_long_calls() -> None:
    _run(INTERRUPTED)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_calls_what_its_parent_used_with_threads() -> None:
    _run(FORKED)
