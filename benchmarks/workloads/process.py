"""The log-likelihood of a Gaussian process with 300 points: Cholesky, solves, log-determinant."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

N = 300


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0.0, 10.0, size=N))
    y = np.sin(x) + 0.1 * rng.normal(size=N)
    return {"scale": 1.0, "amplitude": 1.5, "noise": 0.2, "x": x, "y": y}


def covariance(xp: Any, scale: Any, amplitude: Any, noise: Any, x: Any, eye: Any) -> Any:
    """amplitude · exp(-(xᵢ - xⱼ)² / (2 scale²)) + noise · δᵢⱼ."""
    apart = (x[:, None] - x[None, :]) / scale
    return amplitude * xp.exp(-0.5 * apart * apart) + noise * eye


def loss(xp: Any, scale: Any, amplitude: Any, noise: Any, x: Any, y: Any) -> Any:
    """½ yᵀ K⁻¹ y + ½ log det K."""
    k = covariance(xp, scale, amplitude, noise, x, xp.eye(N))
    lower = xp.linalg.cholesky(k)
    alpha = xp.linalg.solve(k, y)
    return 0.5 * (y @ alpha) + xp.log(xp.diagonal(lower)).sum()


def loss_autograd(np: Any, scale: Any, amplitude: Any, noise: Any, x: Any, y: Any) -> Any:
    """The same; Autograd's sum is a function."""
    k = covariance(np, scale, amplitude, noise, x, np.eye(N))
    lower = np.linalg.cholesky(k)
    alpha = np.linalg.solve(k, y)
    return 0.5 * np.dot(y, alpha) + np.sum(np.log(np.diag(lower)))


def loss_pytensor(pt: Any, scale: Any, amplitude: Any, noise: Any, x: Any, y: Any) -> Any:
    k = covariance(pt, scale, amplitude, noise, x, pt.eye(N))
    lower = pt.linalg.cholesky(k)
    alpha = pt.linalg.solve(k, y)
    return 0.5 * pt.dot(y, alpha) + pt.log(pt.diag(lower)).sum()


def loss_torch(torch: Any, scale: Any, amplitude: Any, noise: Any, x: Any, y: Any) -> Any:
    k = covariance(torch, scale, amplitude, noise, x, torch.eye(N, dtype=x.dtype))
    lower = torch.linalg.cholesky(k)
    alpha = torch.linalg.solve(k, y)
    return 0.5 * (y @ alpha) + torch.log(torch.diagonal(lower)).sum()


WORKLOAD = Workload(
    name="process",
    title=f"Gaussian process, {N} points",
    arguments=arguments,
    wrt=3,
    losses={
        "graphad": loss,
        "autograd": loss_autograd,
        "jax": loss,
        "pytensor": loss_pytensor,
        "torch": loss_torch,
    },
    sizes={},
    tolerance=1e-6,
)
