"""Rosenbrock's valley in 1,000 dimensions: slices and cheap arithmetic on short vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

N = 1_000


def arguments() -> dict[str, Any]:
    return {"x": np.random.default_rng(0).normal(size=N)}


def loss(xp: Any, x: Any) -> Any:
    """Σ 100 (x₍ᵢ₊₁₎ - xᵢ²)² + (1 - xᵢ)²."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def loss_autograd(np: Any, x: Any) -> Any:
    """The same; Autograd's sum is a function."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


WORKLOAD = Workload(
    name="rosenbrock",
    title=f"Rosenbrock, {N:,} dimensions",
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
    tolerance=1e-12,
)
