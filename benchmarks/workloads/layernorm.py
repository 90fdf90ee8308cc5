"""A linear layer followed by layer normalisation and a nonlinearity, 512 × 512."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

N = 512


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(N, N)) / np.sqrt(N),
        "gain": rng.uniform(0.5, 1.5, size=N),
        "shift": rng.normal(size=N),
        "x": rng.normal(size=(N, N)),
    }


def loss(xp: Any, w: Any, gain: Any, shift: Any, x: Any) -> Any:
    """mean tanh(gain · (h - mean h) / √(var h + ε) + shift)², h = x w."""
    h = x @ w
    centred = h - h.mean(axis=1, keepdims=True)
    scale = (centred * centred).mean(axis=1, keepdims=True)
    y = xp.tanh(gain * centred / xp.sqrt(scale + 1e-5) + shift)
    return (y * y).mean()


def loss_functions(np: Any, w: Any, gain: Any, shift: Any, x: Any) -> Any:
    """The same; Autograd's mean is a function."""
    h = np.dot(x, w)
    centred = h - np.mean(h, axis=1, keepdims=True)
    scale = np.mean(centred * centred, axis=1, keepdims=True)
    y = np.tanh(gain * centred / np.sqrt(scale + 1e-5) + shift)
    return np.mean(y * y)


WORKLOAD = Workload(
    name="layernorm",
    title=f"linear layer and normalisation, {N} × {N}",
    arguments=arguments,
    wrt=3,
    losses={
        "graphad": loss,
        "autograd": loss_functions,
        "jax": loss,
        "pytensor": loss,
        "torch": loss,
    },
    sizes={"x": ("batch", N)},
    tolerance=1e-9,
)
