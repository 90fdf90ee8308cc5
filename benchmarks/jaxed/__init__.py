"""JAX under Autograd's names: `benchmarks.programs` runs the ten programs with it, import changed.

Gradients are compiled with `jax.jit`, each function once; the optimisers of `misc.optimizers` take
gradient and step in one compiled function. Numbers have 64 bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

Function = Callable[..., Any]


@functools.lru_cache(maxsize=64)
def grad(fun: Function, argnum: int = 0) -> Function:
    """The compiled gradient."""
    return jax.jit(jax.grad(fun, argnum))


@functools.lru_cache(maxsize=64)
def value_and_grad(fun: Function, argnum: int = 0) -> Function:
    """Value and gradient, compiled."""
    return jax.jit(jax.value_and_grad(fun, argnum))


def elementwise_grad(fun: Function) -> Function:
    """The derivative of each element by its own argument."""
    return jax.jit(jax.grad(lambda x: jax.numpy.sum(fun(x))))


def hessian_vector_product(fun: Function) -> Function:
    """The Hessian times a vector."""

    def product(x: Any, vector: Any) -> Any:
        return jax.grad(lambda y: jax.numpy.vdot(jax.grad(fun)(y), vector))(x)

    return jax.jit(product)
