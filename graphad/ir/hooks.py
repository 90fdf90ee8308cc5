"""Slots for what a Variable offers but only a higher layer can do.

`graphad/__init__.py` fills them once, when the package is imported; a slot that is still empty
raises with its name. This is the one place where a lower layer calls a higher one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _empty(name: str) -> Callable[..., Any]:
    def unfilled(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"the slot {name!r} is empty: import graphad, not its parts")

    return unfilled


class Hooks:
    """Functions that lower layers call; each is documented where it is used."""

    reduce_variable: Callable[[Any], tuple] = staticmethod(_empty("reduce_variable"))
    eval: Callable[..., Any] = staticmethod(_empty("eval"))
    mimebundle: Callable[..., Any] = staticmethod(_empty("mimebundle"))
    array_namespace: Callable[[], Any] = staticmethod(_empty("array_namespace"))
    machine: Callable[[str], Any] = staticmethod(_empty("machine"))  # a module of codegen, by name
    stabilise: Callable[[Any], Any] = staticmethod(_empty("stabilise"))


hooks = Hooks()
