"""Softmax cross-entropy of 1,000 rows of 1,000 scores: reductions over rows, and after them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

ROWS, CLASSES = 1_000, 1_000


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"y": rng.normal(size=(ROWS, CLASSES)), "t": rng.integers(0, CLASSES, size=ROWS)}


def loss_autograd(np: Any, y: Any, t: Any) -> Any:
    y = y - np.max(y, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(y), axis=1)) - y[np.arange(ROWS), t])


def loss_jax(jnp: Any, y: Any, t: Any) -> Any:
    y = y - y.max(axis=1, keepdims=True)
    return jnp.mean(jnp.log(jnp.sum(jnp.exp(y), axis=1)) - y[jnp.arange(ROWS), t])


def loss_pytensor(pt: Any, y: Any, t: Any) -> Any:
    y = pt.special.log_softmax(y, axis=1)
    return -pt.mean(y[pt.arange(t.shape[0]), t])


WORKLOAD = Workload(
    name="softmax",
    title=f"softmax cross-entropy, {ROWS:,} × {CLASSES:,}",
    arguments=arguments,
    wrt=1,
    losses={
        "graphad": lambda ga, y, t: ga.cross_entropy(y, t).mean(),
        "autograd": loss_autograd,
        "jax": loss_jax,
        "pytensor": loss_pytensor,
        "torch": lambda torch, y, t: torch.nn.functional.cross_entropy(y, t),
    },
    sizes={"y": ("batch", CLASSES), "t": ("batch",)},
    tolerance=1e-10,
)
