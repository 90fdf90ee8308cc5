"""Soft distances of 300 to 400 points in 8 dimensions: broadcasting, then log-sum-exp."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

POINTS, CENTRES, DIMENSIONS = 300, 400, 8


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "c": rng.normal(size=(CENTRES, DIMENSIONS)),
        "x": rng.normal(size=(POINTS, DIMENSIONS)),
    }


def _squares(c: Any, x: Any) -> Any:
    """(points, centres) of Σ (x - c)²."""
    d = x[:, None, :] - c[None, :, :]
    return (d * d).sum(axis=2)


def loss_autograd(np: Any, c: Any, x: Any) -> Any:
    d = x[:, None, :] - c[None, :, :]
    s = -np.sum(d * d, axis=2)
    top = np.max(s, axis=1, keepdims=True)
    return -np.mean(np.log(np.sum(np.exp(s - top), axis=1)) + top[:, 0])


def loss_jax(jnp: Any, c: Any, x: Any) -> Any:
    s = -_squares(c, x)
    top = s.max(axis=1, keepdims=True)
    return -jnp.mean(jnp.log(jnp.sum(jnp.exp(s - top), axis=1)) + top[:, 0])


WORKLOAD = Workload(
    name="distances",
    title=f"soft distances, {POINTS} × {CENTRES} × {DIMENSIONS}",
    arguments=arguments,
    wrt=2,
    losses={
        "graphad": lambda ga, c, x: -ga.logsumexp(-_squares(c, x), axis=1).mean(),
        "autograd": loss_autograd,
        "jax": loss_jax,
        "pytensor": lambda pt, c, x: -pt.mean(pt.logsumexp(-_squares(c, x), axis=1)),
        "torch": lambda torch, c, x: -torch.logsumexp(-_squares(c, x), dim=1).mean(),
    },
    sizes={"x": ("points", DIMENSIONS)},
    tolerance=1e-9,
)
