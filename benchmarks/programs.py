"""Ten programs with Autograd and with graphad.autograd, side by side: the same sources.

    python -m benchmarks.programs                    # agreement, then times
    python -m benchmarks.programs --only fluid --repeats 5
    python -m benchmarks.programs --store            # results of Autograd, for the test suite

Each figure is taken in a process of its own, the two libraries in turn: seconds of the first
gradient after the imports ("one-shot"), then of a training loop of 200 iterations in a new
process, everything included; the best of `--repeats` processes. A ratio above 1 says that graphad
is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / "autograd_programs"
STORED = ROOT / "tests" / "autograd" / "results.json"
PROGRAMS = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")
LIBRARIES = ("autograd", "graphad.autograd")
ITERATIONS = 200
SHORT = 10  # iterations of the results that are stored
KEPT = 100  # numbers of each that are stored, at least
TOLERANCE = 1e-8


def load(name: str, library: str) -> ModuleType:
    """The program with `library` in the place of autograd."""
    source = (FOLDER / f"{name}.py").read_text("utf-8").replace("autograd", library)
    module = ModuleType(f"{name}_{library.replace('.', '_')}")
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


# ---- agreement -------------------------------------------------------------------------------
def leaves(value: Any) -> list[np.ndarray]:
    """The arrays in a nested container, dicts in sorted order."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in leaves(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [np.asarray(value, dtype=float)]


def distance(one: Any, other: Any) -> float:
    """The largest difference, relative to the largest element of each array, or to 1."""
    worst = 0.0
    for a, b in zip(leaves(one), leaves(other), strict=True):
        if a.shape != b.shape:
            raise ValueError(f"shapes {a.shape} and {b.shape}")
        scale = max(1.0, float(np.max(np.abs(a), initial=0.0)))
        worst = max(worst, float(np.max(np.abs(a - b), initial=0.0)) / scale)
    return worst


def agreement(name: str, iterations: int) -> float:
    """How far apart the results of the two libraries lie."""
    first, second = (load(name, library) for library in LIBRARIES)
    gradients = distance(first.one_shot(), second.one_shot())
    return max(gradients, distance(first.train(iterations), second.train(iterations)))


def digest(value: Any) -> list[float]:
    """Of a result: its size, its norm, and some of its numbers, evenly chosen."""
    numbers = np.concatenate([leaf.ravel() for leaf in leaves(value)])
    chosen = numbers[:: max(1, len(numbers) // KEPT)]
    return [float(f"{x:.13g}") for x in (len(numbers), np.linalg.norm(numbers), *chosen)]


def store() -> None:
    """Write what Autograd computes: the first gradient, and the end of a short training."""
    results = {}
    for name in PROGRAMS:
        program = load(name, "autograd")
        results[name] = {
            "one_shot": digest(program.one_shot()),
            "train": digest(program.train(SHORT)),
        }
    STORED.write_text(json.dumps(results) + "\n", encoding="utf-8")
    print(f"{STORED.relative_to(ROOT)}: {STORED.stat().st_size} bytes")


# ---- times -----------------------------------------------------------------------------------
def seconds(name: str, library: str, what: str) -> float:
    """In a fresh process: seconds of ``one_shot()`` or ``train(ITERATIONS)``."""
    command = [sys.executable, "-m", "benchmarks.programs", "--time", name, library, what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise RuntimeError(f"{name} with {library} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.strip().splitlines()[-1])


def _time(name: str, library: str, what: str) -> None:
    program = load(name, library)
    start = time.perf_counter()
    if what == "one_shot":
        program.one_shot()
    else:
        program.train(ITERATIONS)
    print(time.perf_counter() - start)


def compare(names: list[str], repeats: int) -> None:
    """Print the table."""
    print(f"{'':24}{'training loop of 200, s':>32}{'one-shot gradient, ms':>34}")
    print(f"{'program':24}{'autograd':>12}{'graphad':>10}{'ratio':>10}"
          f"{'autograd':>14}{'graphad':>10}{'ratio':>10}{'apart':>10}")  # fmt: skip
    ratios: dict[str, list[float]] = {"train": [], "one_shot": []}
    for name in names:
        best = {}
        for what in ratios:
            runs = [
                [seconds(name, library, what) for library in LIBRARIES] for _ in range(repeats)
            ]
            best[what] = [min(column) for column in zip(*runs, strict=True)]
            ratios[what].append(best[what][0] / best[what][1])
        (a, b), (c, d) = best["train"], best["one_shot"]
        print(f"{name:24}{a:12.2f}{b:10.2f}{a / b:9.2f}x"
              f"{1e3 * c:14.1f}{1e3 * d:10.1f}{c / d:9.2f}x{agreement(name, 50):10.0e}",
              flush=True)  # fmt: skip
    for what, found in ratios.items():
        mean = float(np.exp(np.mean(np.log(found))))
        print(f"{what}: geometric mean {mean:.2f}x, lowest {min(found):.2f}x")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--repeats", type=int, default=3, help="processes for each figure")
    parser.add_argument("--store", action="store_true", help="write results for the test suite")
    parser.add_argument(
        "--agree", action="store_true", help="compare results only, 200 iterations"
    )
    parser.add_argument("--time", nargs=3, metavar=("PROGRAM", "LIBRARY", "WHAT"))
    given = parser.parse_args()
    if given.time:
        _time(*given.time)
    elif given.store:
        store()
    elif given.agree:
        for name in given.only:
            found = agreement(name, ITERATIONS)
            print(f"{name:24}{found:10.1e}  {'agrees' if found <= TOLERANCE else 'DIFFERS'}")
    else:
        compare(given.only, given.repeats)


if __name__ == "__main__":
    main()
