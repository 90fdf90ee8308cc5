"""Derivatives of a function at a point, for tests that write out what they have to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphad as ga
from graphad.testing.gradients import Runner


def gradient(
    f: Callable[[Any], Any], run: Runner, at: Any, order: int = 1
) -> np.ndarray[Any, Any]:
    """The gradient of the sum of f (of the sum of the gradient, …), sizes unknown."""
    array = np.asarray(at, float)
    x = ga.tensor("x", (None,) * array.ndim)
    y = f(x)
    for _ in range(order):
        y = ga.grad(y.sum(), x, disconnected="zero")
    return np.asarray(run([x], [y])(array)[0])


def gradient_list(f: Callable[[Any], Any], run: Runner, at: Any, order: int = 1) -> list[Any]:
    """The same, as nested lists."""
    found: list[Any] = gradient(f, run, at, order).tolist()
    return found
