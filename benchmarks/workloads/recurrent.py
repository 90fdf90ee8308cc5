"""A recurrent network of 32 units, unrolled over 30 steps: many small products and kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

STEPS, BATCH, UNITS = 30, 16, 32


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(UNITS, UNITS)) / UNITS**0.5,
        "u": rng.normal(size=(UNITS, UNITS)) / UNITS**0.5,
        "b": rng.normal(size=UNITS),
        "x": rng.normal(size=(STEPS, BATCH, UNITS)),
    }


def loss(xp: Any, w: Any, u: Any, b: Any, x: Any) -> Any:
    """mean h₃₀², h₍ₜ₊₁₎ = tanh(hₜ w + xₜ u + b)."""
    h = xp.tanh(x[0] @ u + b)
    for t in range(1, STEPS):
        h = xp.tanh(h @ w + x[t] @ u + b)
    return (h * h).mean()


def loss_autograd(np: Any, w: Any, u: Any, b: Any, x: Any) -> Any:
    """The same; Autograd's mean and products are functions."""
    h = np.tanh(np.dot(x[0], u) + b)
    for t in range(1, STEPS):
        h = np.tanh(np.dot(h, w) + np.dot(x[t], u) + b)
    return np.mean(h * h)


WORKLOAD = Workload(
    name="recurrent",
    title=f"recurrent network, {STEPS} steps of {BATCH} × {UNITS}",
    arguments=arguments,
    wrt=3,
    losses={
        "graphad": loss,
        "autograd": loss_autograd,
        "jax": loss,
        "pytensor": loss,
        "torch": loss,
    },
    sizes={},
    tolerance=1e-9,
)
