"""A small convolution net on 32 images of 28 × 28: two layers of 3 × 3, then a linear layer.

PyTensor has no convolution of several channels; written as slices and a product, its first
call takes minutes, so that it has no formula here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

BATCH, SIZE, FIRST, SECOND, CLASSES = 32, 28, 8, 16, 10


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.prod(shape[1:]) ** 0.5).astype("float32")

    return {
        "k1": draw(FIRST, 1, 3, 3),
        "k2": draw(SECOND, FIRST, 3, 3),
        "w": draw(CLASSES, SECOND * 12 * 12).T.copy(),
        "x": rng.normal(size=(BATCH, 1, SIZE, SIZE)).astype("float32"),
    }


def loss_graphad(ga: Any, k1: Any, k2: Any, w: Any, x: Any) -> Any:
    """mean log Σ exp(y), y = relu(relu(x ∗ k₁) ∗ k₂) w; the second product with stride 2."""
    h = ga.nn.relu(ga.nn.convolve2d(x, k1))
    h = ga.nn.relu(ga.nn.convolve2d(h, k2, stride=2))
    return ga.logsumexp(h.reshape((BATCH, -1)) @ w, axis=1).mean()


def loss_autograd(np: Any, k1: Any, k2: Any, w: Any, x: Any) -> Any:
    """Autograd's convolution turns the kernel round, as the mathematical one does."""
    from autograd.scipy.signal import convolve

    over = {"axes": ([2, 3], [2, 3]), "dot_axes": ([1], [1]), "mode": "valid"}
    h = np.maximum(convolve(x, k1[:, :, ::-1, ::-1], **over), 0)
    h = np.maximum(convolve(h, k2[:, :, ::-1, ::-1], **over)[:, :, ::2, ::2], 0)
    y = np.dot(np.reshape(h, (BATCH, -1)), w)
    most = np.max(y, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(y - most), axis=1)) + most[:, 0])


def loss_jax(jnp: Any, k1: Any, k2: Any, w: Any, x: Any) -> Any:
    import jax

    h = jnp.maximum(jax.lax.conv(x, k1, (1, 1), "VALID"), 0)
    h = jnp.maximum(jax.lax.conv(h, k2, (2, 2), "VALID"), 0)
    return jax.scipy.special.logsumexp(h.reshape((BATCH, -1)) @ w, axis=1).mean()


def loss_torch(torch: Any, k1: Any, k2: Any, w: Any, x: Any) -> Any:
    h = torch.relu(torch.nn.functional.conv2d(x, k1))
    h = torch.relu(torch.nn.functional.conv2d(h, k2, stride=2))
    return torch.logsumexp(h.reshape((BATCH, -1)) @ w, dim=1).mean()


WORKLOAD = Workload(
    name="convolution",
    title=f"convolution net, {BATCH} × {SIZE} × {SIZE}, float32",
    arguments=arguments,
    wrt=3,
    losses={
        "graphad": loss_graphad,
        "autograd": loss_autograd,
        "jax": loss_jax,
        "torch": loss_torch,
    },
    sizes={},
    tolerance=1e-4,
)
