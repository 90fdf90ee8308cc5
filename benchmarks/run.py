"""The command line: time value and gradient of each workload in each library, print tables.

python -m benchmarks                            graphad, Autograd, JAX; all workloads
python -m benchmarks --only scalar rosenbrock
python -m benchmarks --libraries graphad torch pytensor
python -m benchmarks --quick --json out.json
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import measure
from benchmarks.libraries import LIBRARIES
from benchmarks.workloads import WORKLOADS, Workload

DEFAULT = ("graphad", "autograd", "jax")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, measure, print."""
    options = _parser().parse_args(arguments)
    print(machine(options.libraries))
    results: dict[str, Any] = {"machine": machine(options.libraries), "calls": {}, "first": {}}
    seconds, repeats, starts = (0.5, 1, 5) if options.quick else (3.0, 5, 21)
    if options.first:
        results["first"] = first_results(options, repeats)
        if options.json:
            measure.save(options.json, results)
        return

    heading("one call, value and gradient", options.libraries)
    for name in options.only:
        workload = WORKLOADS[name]
        found = measure.time_calls(workload, _able(workload, options.libraries), seconds)
        results["calls"][name] = found
        row(workload.title, found["seconds"], columns=options.libraries)
    if not options.calls:
        results["first"] = first_results(options, repeats)
        modules = ("numpy", *dict.fromkeys(n.partition("-")[0] for n in options.libraries))
        results["imports"] = measure.time_imports(modules, starts)
        heading("import", modules)
        row("fresh process, bytecode cached", results["imports"], modules[0])
    if options.json:
        measure.save(options.json, results)


def first_results(options: argparse.Namespace, repeats: int) -> dict[str, Any]:
    """The table of first results, and the geometric mean of its ratios."""
    caches = "warm disk caches" if options.warm else "empty disk caches"
    heading(f"first result: build, gradient, compile, first call; {caches}", options.libraries)
    found: dict[str, Any] = {}
    for name in options.only:
        workload = WORKLOADS[name]
        able = _able(workload, options.libraries)
        found[name] = measure.time_first(workload, able, repeats, options.warm)
        row(workload.title, found[name], columns=options.libraries)
    for base in [n for n in options.libraries if n.startswith("graphad")]:
        others = [n for n in options.libraries if n in ("jax", "pytensor")]
        ratios = [min([f[n] for n in others if n in f]) / f[base] for f in found.values()
                  if any(n in f for n in others)]  # fmt: skip
        if ratios:
            print(f"{base}: {' and '.join(others)} take {statistics.geometric_mean(ratios):.2f} "
                  f"times as long, whichever is sooner; least {min(ratios):.2f}")  # fmt: skip
    return found


def _parser() -> argparse.ArgumentParser:
    description = "Time value and gradient of each workload in each library."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=description)
    names = list(WORKLOADS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME",
                        help=f"workloads: {', '.join(names)}")  # fmt: skip
    parser.add_argument("--libraries", nargs="+", choices=list(LIBRARIES), default=DEFAULT,
                        metavar="NAME", help=f"{', '.join(LIBRARIES)}; the first is compared with "
                        f"the others (default: {' '.join(DEFAULT)})")  # fmt: skip
    parser.add_argument("--calls", action="store_true", help="only time calls")
    parser.add_argument("--first", action="store_true", help="only time first results")
    parser.add_argument(
        "--warm",
        action="store_true",
        help="first results with disk caches that another process has filled",
    )
    parser.add_argument("--quick", action="store_true", help="short, for a first look")
    parser.add_argument("--json", metavar="FILE", help="also write the figures there, in seconds")
    return parser


# ---- tables ----------------------------------------------------------------------------------
def heading(title: str, libraries: Sequence[str]) -> None:
    """A title line, and what stands in the columns."""
    columns = "".join(f"{name:>{_width(name)}}" for name in libraries)
    ratios = "".join(f"{name:>{_width(name)}}" for name in libraries[1:])
    print(f"\n{title}\n{'':<42}{columns}   | times {libraries[0]}:{ratios}", flush=True)


def _width(name: str) -> int:
    """Of a column; names of modes are long."""
    return max(12, len(name) + 2)


def row(title: str, seconds: Mapping[str, float], base: str | None = None,
        columns: Sequence[str] | None = None) -> None:  # fmt: skip
    """Times, and how many times the first library's time each of the others takes."""
    first = seconds[base or next(iter(seconds))]
    names = list(columns or seconds)
    shown = "".join(f"{duration(seconds[n]) if n in seconds else '-':>{_width(n)}}" for n in names)
    gap = " " * (len("   | times :") + len(base or next(iter(seconds))))
    ratios = "".join(f"{seconds[n] / first:>{_width(n) - 1}.2f}x" if n in seconds
                     else f"{'-':>{_width(n)}}" for n in names[1:])  # fmt: skip
    print(f"{title:<42}{shown}{gap}{ratios}", flush=True)


def _able(workload: Workload, libraries: Sequence[str]) -> list[str]:
    """The libraries in which the workload is written."""
    return [name for name in libraries if name.partition("-")[0] in workload.losses]


def duration(seconds: float) -> str:
    """Three digits and a unit.

    >>> duration(0.0000123), duration(0.25)
    ('12.3 µs', '250 ms')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            scaled = seconds * factor
            return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f} {unit}"
    raise AssertionError


def machine(libraries: Sequence[str]) -> str:
    """What was measured on what."""
    packages = dict.fromkeys(("numpy", *[name.partition("-")[0] for name in libraries]))
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    head = f"Python {platform.python_version()}, {versions}\n{cores} cores, load {load:.1f}"
    forced = [f"{k}={v}" for k, v in os.environ.items() if k.startswith("OPENBLAS_")]
    if forced:
        head += f"\nset in the environment, slows NumPy's matrix products: {', '.join(forced)}"
    return head


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "as it lies here"  # run from a checkout, not installed
