"""Calls without floating-point warnings, at the cost of a context switch.

``np.errstate`` builds its state anew at every use, which takes longer than a small program.
NumPy keeps that state in a context variable, so a context in which warnings are off, entered for
the length of the call, does the same. Contexts are pooled: one cannot be entered twice at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

import numpy as np

_pool: list[Context] = []


def quietly(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """``function(*arguments)`` with NumPy's floating-point warnings off.

    >>> float(quietly(np.log, [np.float64(0.0)]))
    -inf
    """
    try:
        context = _pool.pop()
    except IndexError:
        context = Context()
        context.run(np.seterr, all="ignore")
    try:
        return context.run(function, *arguments)
    finally:
        _pool.append(context)
