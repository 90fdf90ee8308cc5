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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, Call, as_arrays, distance
from benchmarks.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parent.parent
BATCH_SECONDS = 0.004  # a batch is as many calls as take about this long
WARM_UP = 1.0  # seconds; machine code is made while functions are used
ROUNDS = (15, 400)  # at least, at most


# ---- calls -----------------------------------------------------------------------------------
def time_calls(workload: Workload, libraries: Sequence[str], seconds: float) -> dict[str, Any]:
    """Median seconds of one call for each library; `seconds` of measuring for each."""
    calls = {name: LIBRARIES[name](workload)() for name in libraries}
    apart = _compare(workload, calls)
    sizes, samples = _sampled(calls, seconds)
    return {
        "seconds": {name: statistics.median(found) for name, found in samples.items()},
        "spread": {name: _quartiles(found) for name, found in samples.items()},
        "rounds": len(samples[libraries[0]]),
        "batch": sizes,
        "apart": apart,
    }


def rounds(calls: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Median seconds of one call of each, taken in turn; `seconds` of measuring for each."""
    samples = _sampled(calls, seconds)[1]
    return {name: statistics.median(found) for name, found in samples.items()}


def _sampled(
    calls: Mapping[str, Callable[[], Any]], seconds: float
) -> tuple[dict[str, int], dict[str, list[float]]]:
    """How many calls a batch has, and seconds of one call in each round."""
    sizes = {name: _batch_size(call) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    for done in range(ROUNDS[1]):
        if done >= ROUNDS[0] and time.perf_counter() > end:
            break
        for name, call in calls.items():
            samples[name].append(_time_batch(call, sizes[name]))
    return sizes, samples


class ResultsApart(ValueError):
    """Two libraries give results that differ by more than the workload allows."""


def _compare(workload: Workload, calls: Mapping[str, Call]) -> float:
    """How far results lie apart; ResultsApart if that is more than the workload allows."""
    results = {name: as_arrays(call()) for name, call in calls.items()}
    first, *others = results
    worst = 0.0
    for name in others:
        found = distance(results[first], results[name])
        if not found <= workload.tolerance:
            raise ResultsApart(f"{workload.name}: {first} and {name} differ by {found:.1e}")
        worst = max(worst, found)
    return worst


def _batch_size(call: Callable[[], Any]) -> int:
    """Warm up for a while; the number of calls in a batch."""
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < WARM_UP:
        best = min(best, _time_batch(call, 1))
    return max(1, round(BATCH_SECONDS / best))


def _time_batch(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def _quartiles(samples: Sequence[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(samples, n=4)
    return low, high


# ---- first results ---------------------------------------------------------------------------
def time_first(
    workload: Workload, libraries: Sequence[str], repeats: int, warm: bool = False
) -> dict[str, float]:
    """Median seconds from nothing but imports to the first value and gradient, each in a fresh
    process with empty disk caches; `warm`: with those that another process has filled."""
    samples: dict[str, list[float]] = {name: [] for name in libraries}
    program = "from benchmarks.measure import first; first()"
    with tempfile.TemporaryDirectory() as folder:
        folders = {name: os.path.join(folder, name) if warm else None for name in libraries}
        for name, path in folders.items():
            if path is not None:
                os.makedirs(path, mode=0o700)
                filled = "graphad-native" if name == "graphad" else name  # it waits for its code
                fresh(program, workload.name, filled, folder=path)
        for _ in range(repeats):
            for name, path in folders.items():
                samples[name].append(float(fresh(program, workload.name, name, folder=path)))
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
                seconds = float(fresh(program, bytecode=bytecode))
                if i:  # the first round writes the bytecode
                    samples[name].append(seconds)
    return {name: statistics.median(found) for name, found in samples.items()}


def fresh(
    program: str, *arguments: str, bytecode: str | None = None, folder: str | None = None
) -> str:
    """What a program prints in a process of its own, which has its disk caches in `folder`; None:
    an empty one."""
    with tempfile.TemporaryDirectory() as empty:
        caches = folder or empty
        environment = {
            **os.environ,
            "PYTENSOR_FLAGS": f"base_compiledir={caches}",
            "NUMBA_CACHE_DIR": caches,
            "XDG_CACHE_HOME": caches,
            "GRAPHAD_CACHE_DIR": caches,
        }
        if folder is not None:  # JAX keeps nothing on disk unless told to, and then not all
            environment["JAX_COMPILATION_CACHE_DIR"] = os.path.join(folder, "jax")
            environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
            environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
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
