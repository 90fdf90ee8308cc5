"""A formula of 25 operations on every element of a long vector, then a sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload


def loss(xp: Any, x: Any) -> Any:
    """Σ y sin(y) with y = tanh(x) exp(-x²) + log1p(x²) / (1 + √(x² + 1))."""
    s = x * x
    y = xp.tanh(x) * xp.exp(-s) + xp.log1p(s) / (1.0 + xp.sqrt(s + 1.0))
    return (y * xp.sin(y)).sum()


def loss_autograd(np: Any, x: Any) -> Any:
    """The same; Autograd's sum is a function."""
    s = x * x
    y = np.tanh(x) * np.exp(-s) + np.log1p(s) / (1.0 + np.sqrt(s + 1.0))
    return np.sum(y * np.sin(y))


def workload(size: int, name: str) -> Workload:
    def arguments() -> dict[str, Any]:
        return {"x": np.random.default_rng(0).normal(size=size)}

    return Workload(
        name=name,
        title=f"elementwise, {size:,} elements",
        arguments=arguments,
        wrt=1,
        losses={
            "graphad": loss,
            "autograd": loss_autograd,
            "jax": loss,
            "pytensor": loss,
            "torch": loss,
        },
        sizes={"x": ("n",)},
        tolerance=1e-11,
    )


SMALL = workload(10_000, "elementwise4")
LARGE = workload(1_000_000, "elementwise6")
HUGE = workload(10_000_000, "elementwise7")
