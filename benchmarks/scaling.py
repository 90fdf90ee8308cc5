"""How seconds and bytes grow with the number of operations, in a chain and in a tree.

    python -m benchmarks.scaling              1,000, 10,000 and 100,000 ops; building 1,000,000
    python -m benchmarks.scaling 500 5000     other lengths
    python -m benchmarks.scaling --shapes tree --build 0
    python -m benchmarks.scaling --build 2000000

Each is measured in a fresh process, which also gives the peak of its memory. `together` is what
the first answer takes, `kernels` how much longer until all machine code is there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STAGES = ("build", "gradient", "compile", "call", "kernels", "free")
FIRST = STAGES[:4]  # until the first answer
COLUMNS = (*FIRST, "together", *STAGES[4:])
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


def tree(x: Any, n: int) -> Any:
    """n operations: different leaves, joined in pairs."""
    level = [x * (1 + i / n) for i in range((n + 1) // 2)]
    multiply = False
    while len(level) > 1:
        odd = level[len(level) // 2 * 2 :]
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [a * b if multiply else a + b for a, b in pairs] + odd
        multiply = not multiply
    return level[0]


SHAPES = {"chain": chain, "tree": tree}


def whole(n: int, shape: str = "chain", wait: str = "wait") -> dict[str, float]:
    """Seconds of all stages from building to calling value and gradient, and to having machine
    code; peak bytes."""
    import graphad as ga

    clock, memory = [time.perf_counter()], [_peak_bytes()]
    x = ga.vector("x", shape=(10,))
    loss = SHAPES[shape](x, n).sum()
    clock.append(time.perf_counter())
    gradient = ga.grad(loss, x)
    clock.append(time.perf_counter())
    function = ga.function([x], [loss, gradient])
    clock.append(time.perf_counter())
    function([0.1] * 10)
    clock.append(time.perf_counter())
    if wait and not function.wait_native():
        raise RuntimeError("no machine code")
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
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--no-kernels", action="store_true", help="do not wait for machine code")
    options = parser.parse_args()
    for shape in options.shapes if options.lengths else ():
        print(f"value and gradient of a {shape} of n ops on 10 numbers: seconds (µs per op)")
        _heading(COLUMNS)
        each: dict[str, list[float]] = {"together": []}
        each |= {} if options.no_kernels else {"kernels": []}
        for n in options.lengths:
            found = _measure("whole", n, shape, "" if options.no_kernels else "wait")
            found["together"] = sum(found[stage] for stage in FIRST)
            _row(n, found, COLUMNS)
            for stage, times in each.items():
                times.append(found[stage] / n)
        for stage, times in each.items():
            print(f"{stage}: per op {max(times) / min(times):.2f} times as much at one length as "
                  "at another")  # fmt: skip
        print()
    if options.build:
        print("building a chain of n scalar ops and walking it: seconds (µs per op)")
        _heading(("build", "walk", "free"))
        _row(options.build, _measure("build", options.build), ("build", "walk", "free"))


def _measure(function: str, n: int, *more: str) -> dict[str, float]:
    given = ", ".join([str(n), *map(repr, more)])
    program = f"from benchmarks import scaling; scaling.emit(scaling.{function}({given}))"
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "GRAPHAD_CACHE_DIR": ""}  # nothing that was compiled before
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _heading(columns: Sequence[str]) -> None:
    print(f"{'n':>10}{''.join(f'{name:>18}' for name in columns)}{'peak memory':>16}", flush=True)


def _row(n: int, found: dict[str, float], columns: Sequence[str]) -> None:
    cells = "".join(f"{found[c]:>9.3f} ({found[c] / n * 1e6:5.1f})" for c in columns)
    print(f"{n:>10,}{cells}{found['bytes'] / 1e6:>12,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
