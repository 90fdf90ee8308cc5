"""Peak memory of value and gradient in each library, beyond imports and arguments.

    python -m benchmarks.memory                      elementwise, 10,000,000 elements
    python -m benchmarks.memory --only elementwise7 softmax --libraries graphad jax

Two fresh processes for each library: one imports it and makes the arguments, the other also
builds, compiles and calls several times. The figure is the difference of their largest resident
sizes; the median of some such pairs.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.libraries import LIBRARIES
from benchmarks.measure import fresh
from benchmarks.workloads import WORKLOADS

LIBRARIES_HERE = ("graphad", "graphad-native", "autograd", "jax", "torch", "pytensor")
CALLS = 5


# ---- in the fresh process --------------------------------------------------------------------
def peak() -> int:
    """The largest resident size of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says includes the process that started this one
        found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(found[0].split()[1]) * 1024
    found_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found_bytes if sys.platform == "darwin" else found_bytes * 1024


def whole() -> None:
    """Print the peak after calls, or, with a third argument, after imports and arguments."""
    _, workload, library, *alone = sys.argv
    build = LIBRARIES[library](WORKLOADS[workload])
    if not alone:
        call = build()
        for _ in range(CALLS):
            call()
    print(peak())


# ---- the table -------------------------------------------------------------------------------
def measured(workload: str, library: str, repeats: int) -> float:
    """Bytes beyond imports and arguments."""
    program = "from benchmarks.memory import whole; whole()"
    found = []
    for _ in range(repeats):
        alone = int(fresh(program, workload, library, "alone"))
        found.append(int(fresh(program, workload, library)) - alone)
    return statistics.median(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("--only", nargs="+", choices=list(WORKLOADS), default=["elementwise7"],
                        metavar="NAME", help=f"workloads: {', '.join(WORKLOADS)}")  # fmt: skip
    parser.add_argument("--libraries", nargs="+", choices=list(LIBRARIES), default=LIBRARIES_HERE,
                        metavar="NAME", help=", ".join(LIBRARIES))  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="pairs of processes")
    options = parser.parse_args(arguments)
    print(f"{'MB beyond imports and arguments':<42}"
          + "".join(f"{name:>16}" for name in options.libraries))  # fmt: skip
    for name in options.only:
        workload = WORKLOADS[name]
        row = [f"{workload.title:<42}"]
        for library in options.libraries:
            known = library.partition("-")[0] in workload.losses
            bytes_ = measured(name, library, options.repeats) if known else None
            row.append(f"{'-' if bytes_ is None else f'{bytes_ / 1e6:.0f}':>16}")
        print("".join(row), flush=True)


if __name__ == "__main__":
    main()
