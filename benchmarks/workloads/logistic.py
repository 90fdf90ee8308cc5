"""Logistic regression on 1,000 rows of 20 features: two thin matrix-vector products.

The loss of a row with score z = x·w + b and label t ∈ {0, 1} is log(1 + eᶻ) - t z.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

ROWS, FEATURES = 1_000, 20


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES))
    t = (x @ rng.normal(size=FEATURES) + rng.normal(size=ROWS) > 0).astype(float)
    return {"w": 0.1 * rng.normal(size=FEATURES), "b": 0.1, "x": x, "t": t}


def loss_graphad(ga: Any, w: Any, b: Any, x: Any, t: Any) -> Any:
    z = x @ w + b
    return ga.mean(ga.softplus(z) - t * z)


def loss_autograd(np: Any, w: Any, b: Any, x: Any, t: Any) -> Any:
    z = np.dot(x, w) + b
    return np.mean(np.logaddexp(0.0, z) - t * z)


def loss_jax(jnp: Any, w: Any, b: Any, x: Any, t: Any) -> Any:
    z = x @ w + b
    return jnp.mean(jnp.logaddexp(0.0, z) - t * z)


def loss_pytensor(pt: Any, w: Any, b: Any, x: Any, t: Any) -> Any:
    z = x @ w + b
    return pt.mean(pt.softplus(z) - t * z)


def loss_torch(torch: Any, w: Any, b: Any, x: Any, t: Any) -> Any:
    z = x @ w + b
    return torch.mean(torch.nn.functional.softplus(z) - t * z)


WORKLOAD = Workload(
    name="logistic",
    title=f"logistic regression, {ROWS:,} x {FEATURES}",
    arguments=arguments,
    wrt=2,
    losses={
        "graphad": loss_graphad,
        "autograd": loss_autograd,
        "jax": loss_jax,
        "pytensor": loss_pytensor,
        "torch": loss_torch,
    },
    sizes={"x": ("batch", FEATURES), "t": ("batch",)},
    tolerance=1e-7,  # PyTorch's softplus is linear beyond 20
)
