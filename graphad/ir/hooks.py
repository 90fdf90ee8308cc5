"""Slots for what a Variable offers but only a higher layer can do.

`graphad/__init__.py` fills them once, when the package is imported; a slot that is still empty
raises with its name. This is the one place where a lower layer calls a higher one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar


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
    load: Callable[[str], Any] = staticmethod(_empty("load"))  # a module few programs need
    reset_streams: Callable[..., None] = staticmethod(_empty("reset_streams"))
    stack_rows: Callable[[Any, int], Any] = staticmethod(_empty("stack_rows"))
    stabilise: Callable[[Any], Any] = staticmethod(_empty("stabilise"))
    of_functions: Callable[[str], Callable[..., Any]] = staticmethod(_empty("of_functions"))


hooks = Hooks()
F = TypeVar("F", bound=Callable[..., Any])


def also_of_functions(function: F) -> F:
    """A function of Variables that, given a Python function first, is the transformation of that
    name in `graphad.functional`."""
    name = function.__name__

    @functools.wraps(function)
    def either(*arguments: Any, **keywords: Any) -> Any:
        if arguments and callable(arguments[0]):  # Variables are not
            return hooks.of_functions(name)(*arguments, **keywords)
        return function(*arguments, **keywords)

    return either  # type: ignore[return-value]
