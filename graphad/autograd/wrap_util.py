"""Operators of functions of one argument, for functions of several."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphad.autograd.util import subvals
from graphad.functional.choosing import name_of

__all__ = ["unary_to_nary"]

Operator = Callable[..., Callable[..., Any]]


def unary_to_nary(unary_operator: Callable[..., Any]) -> Operator:
    """An operator of functions that is written for functions of one argument, made to take any.

    unary_operator   ``(fun, x, *options, **options)``: what it gives for a function of x, at x

    The result is called as ``operator(fun, argnum=0, *options)``; it gives a function of the
    arguments of `fun`, in which x is the argument `argnum`, or a tuple of those in the tuple
    `argnum`, and the others stay what they are.

    >>> @unary_to_nary
    ... def twice(fun, x):
    ...     return fun(fun(x))
    >>> twice(lambda a, x: a * x, 1)(3.0, 5.0)
    45.0
    """

    @functools.wraps(unary_operator)
    def nary_operator(
        fun: Callable[..., Any], argnum: Any = 0, *options: Any, **named: Any
    ) -> Any:
        @functools.wraps(fun)
        def nary(*args: Any, **kwargs: Any) -> Any:
            several = not isinstance(argnum, int)
            places = tuple(argnum) if several else (argnum,)

            def unary(x: Any) -> Any:
                values = x if several else (x,)
                return fun(*subvals(args, zip(places, values, strict=True)), **kwargs)

            chosen = tuple([args[i] for i in places])
            return unary_operator(unary, chosen if several else chosen[0], *options, **named)

        nary.__name__ = f"{name_of(unary_operator)}_of_{name_of(fun)}_wrt_argnum_{argnum}"
        return nary

    return nary_operator
