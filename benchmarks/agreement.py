"""Does graphad.autograd follow Autograd? Two comparisons beside the ten programs.

    python -m benchmarks.agreement            # both, some minutes
    python -m benchmarks.agreement --store    # Autograd's losses, for the test suite

*Functions.* 200 generated functions with nested branches and loops, value and both derivatives at
ten points each. *Networks.* A small network fits x³ - 20x + 10 by 5,000 steps of gradient descent
with momentum, with tanh and with ReLU, both libraries from the same start: the losses of every
100th step.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "tests" / "autograd" / "trajectories.json"
LIBRARIES = ("autograd", "graphad.autograd")
FUNCTIONS, POINTS, STEPS, EVERY = 200, 10, 5000, 100
BENDS = ("tanh", "relu")


# ---- generated functions ---------------------------------------------------------------------
def slopes(library: str, source: str) -> Any:
    """(x, y) → value and derivatives of a function of that source, by a library."""
    names = importlib.import_module(f"{library}.numpy")
    space: dict[str, Any] = {name: getattr(names, name) for name in ("sin", "tanh", "exp")}
    exec(compile(source, "<generated>", "exec"), space)
    operators = importlib.import_module(library)
    by_x, by_y = operators.value_and_grad(space["f"], 0), operators.grad(space["f"], 1)
    return lambda x, y: [*by_x(x, y), by_y(x, y)]


def functions() -> float:
    """The largest difference between the libraries, relative to 1 or to the larger number."""
    from benchmarks.generated_functions import Writer

    worst = 0.0
    for seed in range(FUNCTIONS):
        first, second = [slopes(library, Writer(seed).source()) for library in LIBRARIES]
        for x, y in np.random.default_rng(seed).normal(size=(POINTS, 2)).tolist():
            one, other = np.array(first(x, y)), np.array(second(x, y))
            worst = max(worst, float(np.max(abs(one - other) / np.maximum(1.0, abs(one)))))
    return worst


# ---- networks --------------------------------------------------------------------------------
def trajectory(library: str, bend: str, steps: int = STEPS) -> list[float]:
    """Losses at the start, after every 100th step, and at the end."""
    names = importlib.import_module(f"{library}.numpy")
    grad = importlib.import_module(library).grad
    sgd = importlib.import_module(f"{library}.misc.optimizers").sgd
    rng = np.random.default_rng(2)
    x = np.linspace(-5.0, 5.0, 60)[:, None]
    y = x**3 - 20 * x + 10 + rng.normal(size=x.shape)
    y = (y - y.mean()) / y.std()
    start = [
        (rng.normal(size=(m, n)) / m**0.5, np.zeros(n))
        for m, n in itertools.pairwise([1, 12, 8, 1])
    ]

    def loss(params: Any, i: int = 0) -> Any:
        h = x
        for w, b in params[:-1]:
            h = names.dot(h, w) + b
            h = names.tanh(h) if bend == "tanh" else names.maximum(h, 0.0)
        w, b = params[-1]
        return names.mean((names.dot(h, w) + b - y) ** 2)

    losses: list[float] = []

    def callback(params: Any, i: int, g: Any) -> None:
        if i % EVERY == 0:
            losses.append(float(loss(params)))

    found = sgd(grad(loss), start, callback, num_iters=steps, step_size=0.02, mass=0.9)
    return [*losses, float(loss(found))]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", action="store_true", help="write losses for the test suite")
    given = parser.parse_args()
    if given.store:
        STORED.write_text(
            json.dumps({b: trajectory("autograd", b) for b in BENDS}) + "\n", "utf-8"
        )
        return
    print(f"{FUNCTIONS} functions at {POINTS} points: at most {functions():.1e} apart", flush=True)
    for bend in BENDS:
        first, second = [np.array(trajectory(library, bend)) for library in LIBRARIES]
        apart = np.max(abs(first - second) / first)
        print(f"{bend}, {STEPS} steps: losses {first[0]:.4f} to {first[-1]:.6f} and "
              f"{second[-1]:.6f}, at most {apart:.1e} apart on the way", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
