"""Primitives with closures as gradients, by `jax.custom_vjp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


class primitive:
    """A function whose gradient `defvjp` states."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = jax.custom_vjp(function)
        self.__name__ = function.__name__

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def defvjp(found: primitive, *makers: Callable[..., Any]) -> None:
    """One closure for each argument: ``lambda ans, *args: lambda g: …``."""

    def forward(*args: Any) -> Any:
        ans = found.function(*args)
        return ans, (ans, args)

    def backward(kept: Any, g: Any) -> Any:
        ans, args = kept
        return tuple([maker(ans, *args)(g) for maker in makers])

    found.function.defvjp(forward, backward)
