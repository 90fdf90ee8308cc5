"""A function of 10 numbers, as an optimiser calls it: the cost of a call with short arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

N = 10


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=N), "a": rng.uniform(0.5, 2.0, size=N)}


def loss(xp: Any, x: Any, a: Any) -> Any:
    """Σ a x² + Σ sin(3 x)² - cos(Σ x) + log(1 + Σ exp(-x))."""
    y = (a * x * x).sum() + (xp.sin(3.0 * x) ** 2).sum()
    return y - xp.cos(x.sum()) + xp.log(1.0 + xp.exp(-x).sum())


def loss_autograd(np: Any, x: Any, a: Any) -> Any:
    """The same; Autograd's sum is a function."""
    y = np.sum(a * x * x) + np.sum(np.sin(3.0 * x) ** 2)
    return y - np.cos(np.sum(x)) + np.log(1.0 + np.sum(np.exp(-x)))


WORKLOAD = Workload(
    name="small",
    title=f"a function of {N} numbers",
    arguments=arguments,
    wrt=1,
    losses={
        "graphad": loss,
        "autograd": loss_autograd,
        "jax": loss,
        "pytensor": loss,
        "torch": loss,
    },
    sizes={},
    tolerance=1e-11,
)
