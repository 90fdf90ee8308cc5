"""Autograd's `builtins`. Traced values stand in ordinary lists, dicts and tuples, so these are
Python's own; `isinstance` and `type` look at the value."""

from __future__ import annotations

import builtins
from typing import Any

from graphad.autograd.tracer import getval

list = builtins.list
dict = builtins.dict
tuple = builtins.tuple

__all__ = ["dict", "isinstance", "list", "tuple", "type"]


def isinstance(x: Any, classinfo: Any) -> bool:
    """Is the value of x an instance?

    >>> isinstance(1.0, float)
    True
    """
    return builtins.isinstance(getval(x), classinfo)


def type(x: Any) -> Any:
    """The type of the value of x.

    >>> type([1.0])
    <class 'list'>
    """
    return builtins.type(getval(x))
