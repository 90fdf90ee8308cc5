"""Ten programs with Autograd, graphad.autograd and JAX, side by side: the same sources.

    python -m benchmarks.programs                    # times, and how far results are apart
    python -m benchmarks.programs --only fluid --repeats 5
    python -m benchmarks.programs --libraries autograd graphad    # without JAX
    python -m benchmarks.programs --clock cpu        # on a busy machine: processor time
    python -m benchmarks.programs --agree            # results only
    python -m benchmarks.programs --store            # results of Autograd, for the test suite

Each figure is taken in a process of its own, the libraries in turn: seconds of the first
gradient after the imports ("one-shot"), then of a training loop of 200 iterations in a new
process, everything included, with empty caches on disk; the best of `--repeats` processes. A
ratio above 1 says that graphad is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / "autograd_programs"
STORED = ROOT / "tests" / "autograd" / "results.json"
PROGRAMS = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")
LIBRARIES = {"autograd": "autograd", "graphad": "graphad.autograd", "jax": "benchmarks.jaxed"}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
ITERATIONS = 200
SHORT = 10  # iterations of the results that are stored
KEPT = 100  # numbers of each that are stored, at least
TOLERANCE = 1e-8


def load(name: str, library: str) -> ModuleType:
    """The program with `library` in the place of autograd; for JAX, its own where there is one."""
    file, own = FOLDER / f"{name}.py", FOLDER.parent / "jax_programs" / f"{name}.py"
    if library == LIBRARIES["jax"] and own.exists():
        source = own.read_text("utf-8")
    else:
        source = file.read_text("utf-8").replace("autograd", library)
    module = ModuleType(f"{name}_{library.replace('.', '_')}")
    exec(compile(source, file.name, "exec"), module.__dict__)
    return module


def one_shot(program: ModuleType, library: str) -> Any:
    """The data of a program, and one gradient of its loss at its start."""
    if hasattr(program, "one_shot"):
        return program.one_shot()
    loss, params = program.setup()[:2]
    return importlib.import_module(library).grad(loss)(params)


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


def agreement(name: str, library: str, iterations: int) -> float:
    """How far the results of a library lie from those of Autograd."""
    (first, _), (second, _) = pairs = [(load(name, lib), lib) for lib in ("autograd", library)]
    gradients = distance(*[one_shot(program, lib) for program, lib in pairs])
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
            "one_shot": digest(one_shot(program, "autograd")),
            "train": digest(program.train(SHORT)),
        }
    STORED.write_text(json.dumps(results) + "\n", encoding="utf-8")
    print(f"{STORED.relative_to(ROOT)}: {STORED.stat().st_size} bytes")


# ---- times -----------------------------------------------------------------------------------
def seconds(name: str, library: str, what: str, clock: str) -> float:
    """In a fresh process: seconds of ``one_shot`` or ``train(ITERATIONS)``."""
    command = [sys.executable, "-m", "benchmarks.programs", "--time", name, library, what,
               "--clock", clock]  # fmt: skip
    with tempfile.TemporaryDirectory() as empty:
        surroundings = {**os.environ, "GRAPHAD_CACHE_DIR": empty}
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, env=surroundings, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{name} with {library} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.strip().splitlines()[-1])


def _time(name: str, library: str, what: str, clock: str) -> None:
    program = load(name, library)
    importlib.import_module(library)
    now = CLOCKS[clock]
    start = now()
    made = one_shot(program, library) if what == "one_shot" else program.train(ITERATIONS)
    leaves(made)  # waits for results that are computed in the background
    print(now() - start)


def compare(names: list[str], libraries: list[str], repeats: int, clock: str) -> None:
    """Print the table: seconds of each library, and how many times faster graphad is."""
    others = [library for library in libraries if library != "graphad"]
    ratios: dict[tuple[str, str], list[float]] = {}
    for what, unit in (("train", "training loop of 200, s"), ("one_shot", "one gradient, ms")):
        print(f"{unit:24}" + "".join([f"{library:>12}" for library in libraries])
              + "".join([f"{'/ ' + other:>12}" for other in others]))  # fmt: skip
        for name in names:
            runs = [
                [seconds(name, LIBRARIES[library], what, clock) for library in libraries]
                for _ in range(repeats)
            ]
            best = dict(zip(libraries, map(min, zip(*runs, strict=True)), strict=True))
            shown = [f"{t if what == 'train' else 1e3 * t:12.2f}" for t in best.values()]
            for other in others:
                ratio = best[other] / best["graphad"]
                ratios.setdefault((what, other), []).append(ratio)
                shown.append(f"{ratio:11.2f}x")
            print(f"{name:24}{''.join(shown)}", flush=True)
    for (what, other), found in ratios.items():
        mean = float(np.exp(np.mean(np.log(found))))
        print(f"{what} / {other}: geometric mean {mean:.2f}x, lowest {min(found):.2f}x")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--repeats", type=int, default=3, help="processes for each figure")
    parser.add_argument("--store", action="store_true", help="write results for the test suite")
    parser.add_argument(
        "--agree", action="store_true", help="compare results only, 200 iterations"
    )
    parser.add_argument("--time", nargs=3, metavar=("PROGRAM", "LIBRARY", "WHAT"))
    given = parser.parse_args()
    if given.time:
        _time(*given.time, given.clock)
    elif given.store:
        store()
    elif given.agree:
        for name in given.only:
            for library in given.libraries:
                if library != "autograd":
                    found = agreement(name, LIBRARIES[library], ITERATIONS)
                    verdict = "agrees" if found <= TOLERANCE else "DIFFERS"
                    print(f"{name:24}{library:12}{found:10.1e}  {verdict}", flush=True)
    else:
        if "graphad" not in given.libraries:
            parser.error("the table compares with graphad: name it among --libraries")
        compare(given.only, given.libraries, given.repeats, given.clock)


if __name__ == "__main__":
    main()
