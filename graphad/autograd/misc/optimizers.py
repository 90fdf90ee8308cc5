"""Autograd's optimisers, on parameters in any containers; see `graphad.optim` for more.

``grad(x, i)`` gives the gradient at x in iteration i, in the containers of x;
``callback(x, i, g)`` is called before each step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy

import graphad.numpy as np
from graphad.autograd.misc.flatten import flatten, vector_of
from graphad.optim import rules
from graphad.optim.rules import Rule

Gradient = Callable[[Any, int], Any]
Callback = Callable[[Any, int, Any], Any]


def _follow(
    rule: Rule, grad: Gradient, x0: Any, callback: Callback | None, steps: int, lr: Any
) -> Any:
    x, unflatten = flatten(x0)
    memory: dict[str, Any] = {k: numpy.full(np.shape(x), v) for k, v in rule.start.items()}
    for i in range(steps):
        here = unflatten(x)
        gradient = grad(here, i)
        if callback is not None:
            callback(here, i, gradient)
        x, memory = rule.step(i + 1, lr, x, vector_of(gradient), memory)
    return unflatten(x)


def unflatten_optimizer(optimize: Callable[..., Any]) -> Callable[..., Any]:
    """An own optimiser of vectors, as one of parameters in any containers.

    optimize   ``(grad, x, callback, …)`` on a vector x of shape (n,), with ``grad(x, i)`` of that
               shape; it calls ``callback(x, i, g)`` unless that is None, and returns a vector

    The function that is returned takes the same arguments with containers in place of vectors.

    >>> @unflatten_optimizer
    ... def descend(grad, x, callback=None, steps=50):
    ...     for i in range(steps):
    ...         x = x - 0.25 * grad(x, i)
    ...     return x
    >>> descend(lambda p, i: {"a": 2 * (p["a"] - 3.0)}, {"a": 0.0})
    {'a': np.float64(2.9999999999999973)}
    """

    @functools.wraps(optimize)
    def on_containers(
        grad: Gradient, x0: Any, callback: Callback | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        start, unflatten = flatten(x0)

        def slope(x: Any, i: int) -> Any:
            return vector_of(grad(unflatten(x), i))

        def told(x: Any, i: int, g: Any) -> Any:
            return callback(unflatten(x), i, unflatten(g)) if callback is not None else None

        heard = None if callback is None else told
        return unflatten(optimize(slope, start, heard, *args, **kwargs))

    return on_containers


def sgd(
    grad: Gradient,
    x0: Any,
    callback: Callback | None = None,
    num_iters: int = 200,
    step_size: float = 0.1,
    mass: float = 0.9,
) -> Any:
    """Gradient descent with momentum: v ← mass·v - (1 - mass)·g, x ← x + step_size·v.

    >>> abs(float(sgd(lambda x, i: 2 * x, 1.0, num_iters=300))) < 1e-6
    True
    """
    rule = rules.sgd(mass, mass if mass else 0.0, False)
    return _follow(rule, grad, x0, callback, num_iters, step_size)


def rmsprop(
    grad: Gradient,
    x0: Any,
    callback: Callback | None = None,
    num_iters: int = 100,
    step_size: float = 0.1,
    gamma: float = 0.9,
    eps: float = 10**-8,
) -> Any:
    """s ← gamma·s + (1 - gamma)·g² from 1 on, x ← x - step_size·g/(√s + eps).

    >>> abs(float(rmsprop(lambda x, i: 2 * x, 1.0, step_size=0.01, num_iters=300))) < 0.01
    True
    """
    return _follow(rules.rmsprop(gamma, eps, 0.0, 1.0), grad, x0, callback, num_iters, step_size)


def adam(
    grad: Gradient,
    x0: Any,
    callback: Callback | None = None,
    num_iters: int = 100,
    step_size: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 10**-8,
) -> Any:
    """Adam; see `graphad.optim.adam`.

    >>> found = adam(lambda p, i: {"a": 2 * p["a"]}, {"a": 1.0}, step_size=0.1, num_iters=500)
    >>> abs(float(found["a"])) < 1e-3
    True
    """
    return _follow(rules.adam(b1, b2, eps, 0.0), grad, x0, callback, num_iters, step_size)
