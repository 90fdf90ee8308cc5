"""Gradients by arguments that are named, or by several at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphad.autograd.operators import grad, value_and_grad
from graphad.errors import UseError
from graphad.functional.choosing import name_of

Function = Callable[..., Any]


def grad_named(fun: Function, argname: str) -> Function:
    """The gradient by the argument of that name.

    >>> grad_named(lambda x, y: x * y, "y")(2.0, 3.0)
    np.float64(2.0)
    """
    names = list(inspect.signature(fun).parameters)
    if argname not in names:
        raise UseError(
            f"grad_named({name_of(fun)}, {argname!r}): it has no such argument",
            remedy=f"its arguments are {', '.join(names)}",
        )
    return grad(fun, names.index(argname))


def multigrad(fun: Function, argnums: Sequence[int] = (0,)) -> Function:
    """The gradients by several arguments, as a tuple.

    >>> multigrad(lambda x, y: x * y, argnums=[0, 1])(2.0, 3.0)
    (np.float64(3.0), np.float64(2.0))
    """
    return grad(fun, tuple(argnums))


def value_and_multigrad(fun: Function, argnums: Sequence[int] = (0,)) -> Function:
    """The value and the gradients by several arguments.

    >>> value_and_multigrad(lambda x, y: x * y, argnums=[0, 1])(2.0, 3.0)
    (np.float64(6.0), (np.float64(3.0), np.float64(2.0)))
    """
    return value_and_grad(fun, tuple(argnums))


def multigrad_dict(fun: Function) -> Function:
    """The gradients by all arguments, by name: {name: gradient}; those of ``*args`` and
    ``**kwargs`` stand under these names, as a tuple and a dict. Defaults count.

    >>> multigrad_dict(lambda x, y=3.0: x * y)(2.0)
    {'x': np.float64(3.0), 'y': np.float64(2.0)}
    """
    signature = inspect.signature(fun)

    def spread(values: dict[str, Any]) -> Any:
        bound = signature.bind_partial()
        bound.arguments.update({name: values[name] for name in signature.parameters})
        return fun(*bound.args, **bound.kwargs)

    def gradients(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        found: dict[str, Any] = grad(spread)(dict(bound.arguments))
        return {name: found[name] for name in signature.parameters}

    return gradients
