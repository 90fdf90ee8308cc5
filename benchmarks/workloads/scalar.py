"""A function of two numbers, 60 operations long: what a call costs beside its arithmetic."""

from __future__ import annotations

from typing import Any

from benchmarks.workloads.table import Workload


def arguments() -> dict[str, Any]:
    return {"x": 0.7, "y": 1.5}


def loss(xp: Any, x: Any, y: Any) -> Any:
    """7 rounds of 8 operations, and 4."""
    for _ in range(7):
        a = xp.sin(x) * y
        b = xp.log(a + 3.0)
        x, y = xp.tanh(a) + b, y / (b + 1.0)
    return x * xp.exp(-(y * y))


WORKLOAD = Workload(
    name="scalar",
    title="scalar function, 60 ops",
    arguments=arguments,
    wrt=2,
    losses=dict.fromkeys(["graphad", "autograd", "jax", "pytensor", "torch"], loss),
    sizes={},
    tolerance=1e-12,
)
