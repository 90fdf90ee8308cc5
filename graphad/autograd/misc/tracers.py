"""Graphs of functions: `const_graph` traces once, `full_graph` shows what was traced."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphad.functional import jit, trace
from graphad.ir.graph import Graph


def const_graph(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """`fun` with its first arguments fixed, traced at the first call and compiled: it must do the
    same at each call.

    >>> import graphad.autograd.numpy as np
    >>> double_sin = const_graph(lambda scale, x: scale * np.sin(x), 2.0)
    >>> double_sin(0.0)
    np.float64(0.0)
    """
    return jit(functools.partial(fun, *args, **kwargs))


def full_graph(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of a call, as `ga.Graph`; look at it with `ga.debugprint` or `ga.viz`.

    >>> import graphad.autograd.numpy as np
    >>> full_graph(lambda x: np.sin(x) + 1.0, 2.0).outputs[0].owner.op
    add
    """
    return trace(functools.partial(fun, **kwargs), *args)
