"""Autograd's rules in JAX: gradient and step are one compiled function on nested parameters.

``given(i)`` is what the gradient gets besides the parameters, by default the iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Rule = Callable[[Any, Any, Any, Any], tuple[Any, Any]]  # (x, g, memory, t) -> (x, memory)


def _follow(
    rule: Rule, memory: Any, grad: Any, x: Any, callback: Any, steps: int, given: Any
) -> Any:
    @jax.jit
    def step(x: Any, memory: Any, i: Any, what: Any) -> tuple[Any, Any, Any]:
        slopes = grad(x, what)
        leaves, structure = jax.tree.flatten(x)
        pairs = [
            rule(leaf, g, m, i + 1.0)
            for leaf, g, m in zip(leaves, jax.tree.leaves(slopes), memory, strict=True)
        ]
        return structure.unflatten([new for new, _ in pairs]), [m for _, m in pairs], slopes

    memory = [memory(leaf) for leaf in jax.tree.leaves(x)]
    for i in range(steps):
        new, memory, slopes = step(x, memory, i, given(i))
        if callback is not None:
            callback(x, i, slopes)
        x = new
    return x


def adam(
    grad: Any, x0: Any, callback: Any = None, num_iters: int = 100, step_size: float = 0.001,
    b1: float = 0.9, b2: float = 0.999, eps: float = 10**-8,
    given: Callable[[int], Any] = lambda i: i,
) -> Any:  # fmt: skip
    """Adam."""

    def rule(x: Any, g: Any, memory: Any, t: Any) -> Any:
        m, v = memory
        m, v = (1 - b1) * g + b1 * m, (1 - b2) * g**2 + b2 * v
        slope = m / (1 - b1**t)
        return x - step_size * slope / (jnp.sqrt(v / (1 - b2**t)) + eps), (m, v)

    return _follow(rule, lambda x: (0.0 * x, 0.0 * x), grad, x0, callback, num_iters, given)


def rmsprop(
    grad: Any, x0: Any, callback: Any = None, num_iters: int = 100, step_size: float = 0.1,
    gamma: float = 0.9, eps: float = 10**-8,
    given: Callable[[int], Any] = lambda i: i,
) -> Any:  # fmt: skip
    """Root mean squares of gradients."""

    def rule(x: Any, g: Any, memory: Any, t: Any) -> Any:
        memory = gamma * memory + (1 - gamma) * g**2
        return x - step_size * g / (jnp.sqrt(memory) + eps), memory

    return _follow(rule, lambda x: 0.0 * x + 1.0, grad, x0, callback, num_iters, given)
