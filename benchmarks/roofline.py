"""How near to the machine's limits: its bandwidth, and its matrix products.

    python -m benchmarks.roofline

*Memory.* Cheap formulas on 10,000,000 numbers, in bytes that have to be read and written a second,
beside `np.copyto` into memory that is already there. Results are written into given arrays
(``out=``), or allocated anew, which costs the system's page faults.

*Products.* Value and gradient of the network 784-256-256-10 beside its eight matrix products
alone, by `np.matmul` into given arrays.

All are timed in rounds, one after the other; medians.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.libraries import with_graphad
from benchmarks.measure import rounds
from benchmarks.workloads import WORKLOADS

SIZE = 10_000_000


def copies() -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """What is timed, by name, and how many bytes it reads and writes."""
    import graphad as ga

    rng = np.random.default_rng(0)
    a, b, into = rng.normal(size=SIZE), rng.normal(size=SIZE), np.empty(SIZE)
    x, y = ga.vector("x", shape=("n",)), ga.vector("y", shape=("n",))
    one = native([x], (x * 2 + 1) * x - 3)
    two = native([x, y], x * y + ga.abs(x - y))
    loss = ga.sum(x * x * y)
    both = native([x, y], [loss, ga.grad(loss, x)])
    calls: dict[str, Callable[[], Any]] = {
        "np.copyto": lambda: np.copyto(into, a),
        "(2 x + 1) x - 3, out=": lambda: one(a, out=into),
        "(2 x + 1) x - 3": lambda: one(a),
        "x y + |x - y|, out=": lambda: two(a, b, out=into),
        "Σ x² y and its gradient": lambda: both(a, b),
    }
    arrays = dict(zip(calls, (2, 2, 2, 3, 3), strict=True))
    return calls, {name: 8 * SIZE * count for name, count in arrays.items()}


def native(inputs: Any, outputs: Any) -> Any:
    """A function with its kernels in place."""
    import graphad as ga

    function = ga.function(inputs, outputs)
    function.wait_native()
    return function


def products() -> dict[str, Callable[[], Any]]:
    """The network, and its matrix products alone."""
    workload = WORKLOADS["network"]
    values = workload.arguments()
    x, w1, w2, w3 = (values[name] for name in ("x", "w1", "w2", "w3"))
    rng = np.random.default_rng(0)
    h1, h2, y = (rng.normal(size=(len(x), w.shape[1])).astype("float32") for w in (w1, w2, w3))
    pairs = [(x, w1), (h1, w2), (h2, w3), (h2.T, y), (y, w3.T), (h1.T, h2), (h2, w2.T), (x.T, h1)]
    rooms = [np.empty((a.shape[0], b.shape[1]), np.float32) for a, b in pairs]

    def alone() -> None:
        for (a, b), room in zip(pairs, rooms, strict=True):
            np.matmul(a, b, out=room)

    return {"matrix products": alone, "network": with_graphad(workload, wait=True)()}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline")
    what = "seconds of measuring for each"
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help=what)
    seconds = parser.parse_args().seconds
    calls, sizes = copies()
    found = rounds(calls, seconds)
    print(f"{'10,000,000 numbers':<34}{'ms':>10}{'GB/s':>10}{'of copyto':>12}")
    rates = {name: sizes[name] / found[name] for name in found}
    for name, rate in rates.items():
        print(f"{name:<34}{found[name] * 1e3:>10.2f}{rate / 1e9:>10.1f}"
              f"{rate / rates['np.copyto']:>12.0%}")  # fmt: skip
    _products(rounds(products(), seconds))


def _products(found: Mapping[str, float]) -> None:
    print(f"\n{WORKLOADS['network'].title:<44}{'ms':>10}{'of products':>12}")
    for name, seconds in found.items():
        part = found["matrix products"] / seconds
        print(f"{name:<44}{seconds * 1e3:>10.3f}{part:>12.0%}")


if __name__ == "__main__":
    main()
