"""What Autograd calls boxes: the values of traced functions, which know what they are worth."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphad import tree
from graphad.functional.tracer import Tracer

Box = Tracer


def isbox(x: Any) -> bool:
    """Is it a value inside a traced function?

    >>> isbox(1.0)
    False
    """
    return isinstance(x, Tracer)


def getval(x: Any) -> Any:
    """The value without its derivative; what is no box stays what it is.

    >>> getval(1.0)
    1.0
    """
    return x.value if isinstance(x, Tracer) else x


# A program that was made from one value would be wrong for others: see `facts`.
getval.reads_values = True  # type: ignore[attr-defined]


def notrace_primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called on values: no derivative goes through it.

    >>> import numpy as np
    >>> from graphad.autograd import grad
    >>> rounded = notrace_primitive(np.round)
    >>> grad(lambda x: x * rounded(x))(2.2)
    np.float64(2.0)
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten((args, kwargs))
        values, named = structure.unflatten([getval(leaf) for leaf in leaves])
        return function(*values, **named)

    called.reads_values = True  # type: ignore[attr-defined]
    return called


def register_notrace(trace_type: Any, primitive_fun: Any) -> None:
    """Nothing has to be registered; here for programs that do."""
