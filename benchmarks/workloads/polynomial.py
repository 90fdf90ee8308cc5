"""A recurrence of multiplies and adds: what memory traffic costs without fusion."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

N = 1_000_000


def arguments() -> dict[str, Any]:
    return {"x": np.random.default_rng(0).normal(size=N)}


def _last(x: Any) -> Any:
    """y ← y·x/2 + x - y/4, eight times."""
    y = x
    for _ in range(8):
        y = y * x * 0.5 + x - y * 0.25
    return y


WORKLOAD = Workload(
    name="polynomial",
    title=f"polynomial of degree 8, {N:,} elements",
    arguments=arguments,
    wrt=1,
    losses={
        "graphad": lambda ga, x: _last(x).sum(),
        "autograd": lambda np, x: np.sum(_last(x)),
        "jax": lambda jnp, x: _last(x).sum(),
        "pytensor": lambda pt, x: _last(x).sum(),
        "torch": lambda torch, x: _last(x).sum(),
    },
    sizes={"x": ("n",)},
    tolerance=1e-11,
)
