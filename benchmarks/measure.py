"""Timing on a machine that is not quiet.

Calls: all libraries in one process, in rounds A B C A B C …; a round times a batch of calls long
enough for the clock, and the median over rounds is reported, so that a slow moment of the machine
falls on all alike. First results and imports: fresh processes, started in turn.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, Call, as_arrays, distance
from benchmarks.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parent.parent
BATCH_SECONDS = 0.004  # a batch is as many calls as take about this long
ROUNDS = (15, 400)  # at least, at most


# ---- calls -----------------------------------------------------------------------------------
def time_calls(workload: Workload, libraries: Sequence[str], seconds: float) -> dict[str, Any]:
    """Median seconds of one call for each library; `seconds` of measuring for each."""
    calls = {name: LIBRARIES[name](workload)() for name in libraries}
    apart = _compare(workload, calls)
    sizes = {name: _batch_size(call) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    for done in range(ROUNDS[1]):
        if done >= ROUNDS[0] and time.perf_counter() > end:
            break
        for name, call in calls.items():
            samples[name].append(_time_batch(call, sizes[name]))
    return {
        "seconds": {name: statistics.median(found) for name, found in samples.items()},
        "spread": {name: _quartiles(found) for name, found in samples.items()},
        "rounds": len(samples[libraries[0]]),
        "batch": sizes,
        "apart": apart,
    }


def _compare(workload: Workload, calls: Mapping[str, Call]) -> float:
    """How far results lie apart; ValueError if that is more than the workload allows."""
    results = {name: as_arrays(call()) for name, call in calls.items()}
    first, *others = results
    worst = 0.0
    for name in others:
        found = distance(results[first], results[name])
        if not found <= workload.tolerance:
            raise ValueError(f"{workload.name}: {first} and {name} differ by {found:.1e}")
        worst = max(worst, found)
    return worst


def _batch_size(call: Call) -> int:
    """Warm up for a while; the number of calls in a batch."""
    best, start = float("inf"), time.perf_counter()
    for _ in range(10_000):
        best = min(best, _time_batch(call, 1))
        if time.perf_counter() - start > 0.3:
            break
    return max(1, round(BATCH_SECONDS / best))


def _time_batch(call: Call, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def _quartiles(samples: Sequence[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(samples, n=4)
    return low, high


# ---- first results ---------------------------------------------------------------------------
def time_first(workload: Workload, libraries: Sequence[str], repeats: int) -> dict[str, float]:
    """Median seconds from nothing but imports to the first value and gradient, each in a fresh
    process with empty disk caches."""
    samples: dict[str, list[float]] = {name: [] for name in libraries}
    for _ in range(repeats):
        for name in libraries:
            program = "from benchmarks.measure import first; first()"
            samples[name].append(float(_fresh(program, workload.name, name)))
    return {name: statistics.median(found) for name, found in samples.items()}


def first() -> None:
    """In the fresh process: print the seconds of build and first call."""
    _, workload, library = sys.argv
    build = LIBRARIES[library](WORKLOADS[workload])
    start = time.perf_counter()
    build()()
    print(time.perf_counter() - start)


# ---- imports ---------------------------------------------------------------------------------
def time_imports(modules: Sequence[str], repeats: int) -> dict[str, float]:
    """Median seconds of ``import module`` in a fresh process, bytecode being cached."""
    samples: dict[str, list[float]] = {name: [] for name in modules}
    with tempfile.TemporaryDirectory() as bytecode:
        for i in range(repeats + 1):
            for name in modules:
                program = (
                    f"import time; s = time.perf_counter(); import {name}; "
                    "print(time.perf_counter() - s)"
                )
                seconds = float(_fresh(program, bytecode=bytecode))
                if i:  # the first round writes the bytecode
                    samples[name].append(seconds)
    return {name: statistics.median(found) for name, found in samples.items()}


def _fresh(program: str, *arguments: str, bytecode: str | None = None) -> str:
    """What a program prints in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTENSOR_FLAGS": f"base_compiledir={folder}",
            "NUMBA_CACHE_DIR": folder,
            "XDG_CACHE_HOME": folder,
            "GRAPHAD_CACHE_DIR": folder,
        }
        if bytecode is not None:
            environment["PYTHONPYCACHEPREFIX"] = bytecode
            environment["OPENBLAS_NUM_THREADS"] = "1"  # starting threads is slow and noisy
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def save(path: str, results: Mapping[str, Any]) -> None:
    """The figures as JSON, seconds throughout."""
    Path(path).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
