"""A 784-256-256-10 network in float32, batch of 128: tanh layers, softmax cross-entropy.

The matrix products dominate (0.2 GFLOP); what is left is bias sums, tanh and softmax.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

WIDTHS = (784, 256, 256, 10)
BATCH = 128


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for i, (n, m) in enumerate(itertools.pairwise(WIDTHS), 1):
        made[f"w{i}"] = (rng.normal(size=(n, m)) / np.sqrt(n)).astype(np.float32)
        made[f"b{i}"] = (0.1 * rng.normal(size=m)).astype(np.float32)
    made["x"] = rng.uniform(size=(BATCH, WIDTHS[0])).astype(np.float32)
    made["t"] = rng.integers(0, WIDTHS[-1], size=BATCH)
    return made


def logits(xp: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any) -> Any:
    """(batch, 10) scores; written the same way in every library."""
    x = xp.tanh(x @ w1 + b1)
    x = xp.tanh(x @ w2 + b2)
    return x @ w3 + b3


def loss_graphad(ga: Any, *arguments: Any) -> Any:
    *parameters, t = arguments
    return ga.cross_entropy(logits(ga, *parameters), t).mean()


def loss_autograd(np: Any, *arguments: Any) -> Any:
    *parameters, t = arguments
    y = logits(np, *parameters)
    y = y - np.max(y, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(y), axis=1)) - y[np.arange(BATCH), t])


def loss_jax(jnp: Any, *arguments: Any) -> Any:
    *parameters, t = arguments
    y = logits(jnp, *parameters)
    y = y - y.max(axis=1, keepdims=True)
    return jnp.mean(jnp.log(jnp.sum(jnp.exp(y), axis=1)) - y[jnp.arange(BATCH), t])


def loss_pytensor(pt: Any, *arguments: Any) -> Any:
    *parameters, t = arguments
    y = pt.special.log_softmax(logits(pt, *parameters), axis=1)
    return -pt.mean(y[pt.arange(t.shape[0]), t])


def loss_torch(torch: Any, *arguments: Any) -> Any:
    *parameters, t = arguments
    return torch.nn.functional.cross_entropy(logits(torch, *parameters), t)


WORKLOAD = Workload(
    name="network",
    title=f"network {'-'.join(map(str, WIDTHS))}, batch {BATCH}, float32",
    arguments=arguments,
    wrt=6,
    losses={
        "graphad": loss_graphad,
        "autograd": loss_autograd,
        "jax": loss_jax,
        "pytensor": loss_pytensor,
        "torch": loss_torch,
    },
    sizes={"x": ("batch", WIDTHS[0]), "t": ("batch",)},
    tolerance=1e-4,
)
