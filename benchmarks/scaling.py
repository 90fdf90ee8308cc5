"""How seconds and bytes grow with the length of a chain of elementwise operations.

    python -m benchmarks.scaling              1,000, 10,000 and 100,000 ops; building 1,000,000
    python -m benchmarks.scaling 500 5000     other lengths
    python -m benchmarks.scaling --build 2000000

Each length is measured in a fresh process, which also gives the peak of its memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STAGES = ("build", "gradient", "compile", "call", "free")
ROOT = Path(__file__).resolve().parent.parent


# ---- in the fresh process --------------------------------------------------------------------
def chain(x: Any, n: int) -> Any:
    """n operations, each on the result of the one before."""
    import graphad as ga

    y = x
    for i in range(n // 2):
        y = ga.sin(y) if i % 2 else y * 0.999
        y = y + x
    return y


def whole(n: int) -> dict[str, float]:
    """Seconds of all stages from building to calling value and gradient; peak bytes."""
    import graphad as ga

    clock, memory = [time.perf_counter()], [_peak_bytes()]
    x = ga.vector("x", shape=(10,))
    loss = chain(x, n).sum()
    clock.append(time.perf_counter())
    gradient = ga.grad(loss, x)
    clock.append(time.perf_counter())
    function = ga.function([x], [loss, gradient])
    clock.append(time.perf_counter())
    function([0.1] * 10)
    clock.append(time.perf_counter())
    del loss, gradient, function
    clock.append(time.perf_counter())
    memory.append(_peak_bytes())
    return _report(STAGES, clock, memory)


def build(n: int) -> dict[str, float]:
    """Seconds of building a chain, of walking all its nodes, of dropping it; peak bytes."""
    import graphad as ga
    from graphad.ir import walk

    clock, memory = [time.perf_counter()], [_peak_bytes()]
    y = chain(ga.scalar("x"), n)
    clock.append(time.perf_counter())
    count = len(walk.toposort([y]))
    clock.append(time.perf_counter())
    del y
    clock.append(time.perf_counter())
    memory.append(_peak_bytes())
    if count != n:
        raise ValueError(f"{count} nodes")
    return _report(("build", "walk", "free"), clock, memory)


def _report(
    stages: Sequence[str], clock: Sequence[float], memory: Sequence[float]
) -> dict[str, float]:
    seconds = [after - before for before, after in itertools.pairwise(clock)]
    return {**dict(zip(stages, seconds, strict=True)), "bytes": memory[1] - memory[0]}


def _peak_bytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def emit(figures: dict[str, float]) -> None:
    """Hand figures to the process that prints them."""
    print(json.dumps(figures))


# ---- the tables ------------------------------------------------------------------------------
def main() -> None:
    """Parse, measure in fresh processes, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("lengths", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    what = "length of a chain that is only built and walked; 0: none"
    parser.add_argument("--build", type=int, default=1_000_000, metavar="N", help=what)
    options = parser.parse_args()
    if options.lengths:
        print("value and gradient of a chain of n ops on 10 numbers: seconds (µs per op)")
        _heading((*STAGES[:-1], "together", STAGES[-1]))
        for n in options.lengths:
            found = _measure("whole", n)
            found["together"] = sum(found[stage] for stage in STAGES[:-1])
            _row(n, found, (*STAGES[:-1], "together", STAGES[-1]))
    if options.build:
        print("\nbuilding a chain of n scalar ops and walking it: seconds (µs per op)")
        _heading(("build", "walk", "free"))
        _row(options.build, _measure("build", options.build), ("build", "walk", "free"))


def _measure(function: str, n: int) -> dict[str, float]:
    program = f"from benchmarks import scaling; scaling.emit(scaling.{function}({n}))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _heading(columns: Sequence[str]) -> None:
    print(f"{'n':>10}{''.join(f'{name:>20}' for name in columns)}{'peak memory':>16}", flush=True)


def _row(n: int, found: dict[str, float], columns: Sequence[str]) -> None:
    cells = "".join(f"{found[c]:>11.3f} ({found[c] / n * 1e6:5.1f})" for c in columns)
    print(f"{n:>10,}{cells}{found['bytes'] / 1e6:>12,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
