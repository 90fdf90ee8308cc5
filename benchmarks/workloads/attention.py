"""Scaled dot-product attention, 8 heads × 128 places × 64 features: batched products, softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

HEADS, PLACES, FEATURES = 8, 128, 64


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shape = (HEADS, PLACES, FEATURES)
    return {name: rng.normal(size=shape) for name in ("q", "k", "v")}


def loss(xp: Any, q: Any, k: Any, v: Any) -> Any:
    """Σ (softmax(q kᵀ / √d) v)²."""
    scores = q @ k.swapaxes(1, 2) / FEATURES**0.5
    weights = xp.exp(scores - scores.max(axis=2, keepdims=True))
    y = (weights / weights.sum(axis=2, keepdims=True)) @ v
    return (y * y).sum()


def loss_graphad(ga: Any, q: Any, k: Any, v: Any) -> Any:
    y = ga.nn.attention(q, k, v)
    return (y * y).sum()


def loss_autograd(np: Any, q: Any, k: Any, v: Any) -> Any:
    scores = np.matmul(q, np.swapaxes(k, 1, 2)) / FEATURES**0.5
    weights = np.exp(scores - np.max(scores, axis=2, keepdims=True))
    y = np.matmul(weights / np.sum(weights, axis=2, keepdims=True), v)
    return np.sum(y * y)


def loss_pytensor(pt: Any, q: Any, k: Any, v: Any) -> Any:
    scores = pt.matmul(q, k.transpose(0, 2, 1)) / FEATURES**0.5
    y = pt.matmul(pt.special.softmax(scores, axis=2), v)
    return (y * y).sum()


def loss_torch(torch: Any, q: Any, k: Any, v: Any) -> Any:
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return (y * y).sum()


WORKLOAD = Workload(
    name="attention",
    title=f"attention, {HEADS} × {PLACES} × {FEATURES}",
    arguments=arguments,
    wrt=3,
    losses={
        "graphad": loss_graphad,
        "autograd": loss_autograd,
        "jax": loss,
        "pytensor": loss_pytensor,
        "torch": loss_torch,
    },
    sizes={},
    tolerance=1e-9,
)
