"""Stating gradients of own functions, with Autograd's names.

    @primitive
    def logsumexp(x): …
    defvjp(logsumexp, lambda ans, x: lambda g: …)        # one closure for each argument
    defjvp(logsumexp, lambda g, ans, x: …)               # forward mode

`primitives.py` tells how closures are called. Variables know their kind of value, so nothing has
to be registered for new types: containers that `graphad.tree` knows are differentiated.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from graphad.autograd.primitives import Primitive, primitive
from graphad.autograd.tracer import Box, getval, notrace_primitive, register_notrace
from graphad.autograd.vspace import SparseObject, VSpace, vspace
from graphad.errors import GradientError, UseError
from graphad.numpy.dispatch import Dispatched

__all__ = [
    "Box", "SparseObject", "VSpace", "def_linear", "defjvp", "defjvp_argnum", "defjvp_argnums",
    "defvjp", "defvjp_argnum", "defvjp_argnums", "getval", "notrace_primitive", "primitive",
    "register_notrace", "vspace",
]  # fmt: skip


def _ours(fun: Any, what: str) -> Primitive | None:
    """The primitive to declare for; None for NumPy's functions, which have their derivatives."""
    if isinstance(fun, Primitive):
        return fun
    if isinstance(fun, Dispatched):
        warnings.warn(
            f"{what}({fun.name}): graphad has its own derivatives of {fun.name}, which stay",
            stacklevel=3,
        )
        return None
    raise UseError(
        f"{what} of {type(fun).__name__} {getattr(fun, '__name__', '')!r}",
        cause="derivatives are declared for primitives",
        remedy=f"decorate it: @primitive, then {what}(f, …)",
    )


def defvjp_argnums(fun: Any, vjpmaker: Callable[..., Any]) -> None:
    """State the gradient by several arguments at once.

    ``vjpmaker(argnums, ans, args, kwargs)`` returns a function of the cotangent g, which returns
    one gradient for each of argnums.

    >>> from graphad.autograd import grad
    >>> @primitive
    ... def times(x, y):
    ...     return x * y
    >>> defvjp_argnums(times, lambda argnums, ans, args, kwargs: lambda g: [
    ...     g * args[1 - i] for i in argnums])
    >>> grad(times, 1)(3.0, 4.0)
    np.float64(3.0)
    """
    found = _ours(fun, "defvjp_argnums")
    if found is None:
        return

    def maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], list[Any]]:
        pull = vjpmaker(argnums, ans, args, kwargs)
        return lambda g: list(pull(g))

    found.state("vjpmaker", maker)


def defvjp_argnum(fun: Any, vjpmaker: Callable[..., Any]) -> None:
    """State the gradient by any one argument: ``vjpmaker(argnum, ans, args, kwargs)`` returns a
    function from the cotangent to the gradient.

    >>> from graphad.autograd import grad
    >>> @primitive
    ... def add(*xs):
    ...     return sum(xs)
    >>> defvjp_argnum(add, lambda argnum, ans, args, kwargs: lambda g: g)
    >>> grad(add, 2)(1.0, 2.0, 3.0)
    np.float64(1.0)
    """

    def maker(argnums: Any, *rest: Any) -> Callable[[Any], list[Any]]:
        pulls = [vjpmaker(argnum, *rest) for argnum in argnums]
        return lambda g: [pull(g) for pull in pulls]

    defvjp_argnums(fun, maker)


def defvjp(
    fun: Any, *vjpmakers: Callable[..., Any] | None, argnums: Sequence[int] | None = None
) -> None:
    """State the gradient: for each argument, or those in `argnums`, a closure
    ``lambda ans, *args: lambda g: …`` from the cotangent g, in the form of the result, to the
    gradient, in the form of the argument. None says that it is zero.

    Raises UseError for what is no primitive, and when a gradient by an argument without a closure
    is asked for, GradientError.

    >>> import graphad.autograd.numpy as np
    >>> from graphad.autograd import grad
    >>> @primitive
    ... def logsumexp(x):
    ...     largest = np.max(x)
    ...     return largest + np.log(np.sum(np.exp(x - largest)))
    >>> defvjp(logsumexp, lambda ans, x: lambda g: np.full(x.shape, g) * np.exp(x - ans))
    >>> grad(logsumexp)(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    found = _ours(fun, "defvjp")
    if found is None:
        return
    places = itertools.count() if argnums is None else argnums
    found.rules = dict(zip(places, vjpmakers, strict=False))
    _state_rules(found)


def _state_rules(found: Primitive) -> None:
    """Let the closures of `found.rules` be its gradient."""

    def maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], list[Any]]:
        pulls = [_rule(found, k)(ans, *args, **kwargs) for k in argnums]
        return lambda g: [pull(g) for pull in pulls]

    found.state("vjpmaker", maker)


def _rule(found: Primitive, argnum: int) -> Callable[..., Any]:
    if argnum not in found.rules:
        raise GradientError(
            f"{found.name} has no gradient for argument {argnum}",
            remedy=f"declare it: defvjp({found.name}, …), one closure for each argument",
        )
    return found.rules[argnum] or (lambda ans, *args, **kwargs: lambda g: None)


def defjvp_argnums(fun: Any, jvpmaker: Callable[..., Any]) -> None:
    """State the derivative in forward mode: ``jvpmaker(argnums, gs, ans, args, kwargs)`` returns
    the tangent of the result for the tangents gs of the arguments.

    >>> from graphad.autograd import make_jvp
    >>> @primitive
    ... def times(x, y):
    ...     return x * y
    >>> defjvp_argnums(times, lambda argnums, gs, ans, args, kwargs: sum(
    ...     g * args[1 - i] for i, g in zip(argnums, gs)))
    >>> make_jvp(times)(3.0, 4.0)(1.0)
    (np.float64(12.0), np.float64(4.0))
    """
    found = _ours(fun, "defjvp_argnums")
    if found is not None:
        found.state("jvpmaker", jvpmaker)


def defjvp_argnum(fun: Any, jvpmaker: Callable[..., Any]) -> None:
    """The same for any one argument: ``jvpmaker(argnum, g, ans, args, kwargs)``.

    >>> from graphad.autograd import make_jvp
    >>> @primitive
    ... def double(x):
    ...     return 2.0 * x
    >>> defjvp_argnum(double, lambda argnum, g, ans, args, kwargs: 2.0 * g)
    >>> make_jvp(double)(3.0)(1.0)
    (np.float64(6.0), np.float64(2.0))
    """
    defjvp_argnums(fun, lambda argnums, gs, *rest: jvpmaker(argnums[0], gs[0], *rest))


def defjvp(
    fun: Any, *jvpfuns: Callable[..., Any] | str | None, argnums: Sequence[int] | None = None
) -> None:
    """State the derivative in forward mode: for each argument ``lambda g, ans, *args: …`` from
    its tangent g to the tangent of the result; "same": the function is linear in it; None: zero.

    >>> from graphad.autograd import make_jvp
    >>> @primitive
    ... def times(x, y):
    ...     return x * y
    >>> defjvp(times, lambda g, ans, x, y: g * y, "same")
    >>> make_jvp(times, 1)(3.0, 4.0)(1.0)
    (np.float64(12.0), np.float64(3.0))
    """
    places = itertools.count() if argnums is None else argnums
    rules = dict(zip(places, jvpfuns, strict=False))

    def maker(argnum: int, g: Any, ans: Any, args: Any, kwargs: Any) -> Any:
        if argnum not in rules:
            raise GradientError(
                f"{fun.name} has no derivative in forward mode for argument {argnum}",
                remedy=f"declare it: defjvp({fun.name}, …), one function for each argument",
            )
        rule = rules[argnum]
        if rule == "same":
            return fun(*args[:argnum], g, *args[argnum + 1 :], **kwargs)
        return 0.0 * ans if rule is None else rule(g, ans, *args, **kwargs)  # type: ignore[operator]

    defjvp_argnum(fun, maker)


def def_linear(fun: Any) -> None:
    """The function is linear in each of its arguments.

    >>> from graphad.autograd import make_jvp
    >>> @primitive
    ... def times(x, y):
    ...     return x * y
    >>> def_linear(times)
    >>> make_jvp(times)(3.0, 4.0)(1.0)
    (np.float64(12.0), np.float64(4.0))
    """
    defjvp_argnum(
        fun,
        lambda argnum, g, ans, args, kwargs: fun(*args[:argnum], g, *args[argnum + 1 :], **kwargs),
    )


# ---- the spelling of old versions ------------------------------------------------------------
def old_primitive(function: Callable[..., Any]) -> Primitive:
    """`primitive` as the top level of old versions had it, with methods ``f.defgrad(closure,
    argnum)``, ``f.defvjp(closure, argnum)`` and ``f.defvjp_is_zero(argnums)``.

    >>> from graphad.autograd import grad
    >>> @old_primitive
    ... def square(x):
    ...     return x * x
    >>> square.defgrad(lambda ans, x: lambda g: 2.0 * g * x)
    >>> grad(square)(3.0)
    np.float64(6.0)
    """
    made: Any = primitive(function)
    made.defgrad = functools.partial(_defgrad, made)
    made.defvjp = functools.partial(_defvjp_unstaged, made)
    made.defvjp_is_zero = made.defgrad_is_zero = functools.partial(_is_zero, made)
    found: Primitive = made
    return found


def _defgrad(found: Primitive, gradmaker: Callable[..., Any] | None, argnum: int = 0) -> None:
    """``gradmaker(ans, *args)`` returns the function from g to the gradient."""
    found.rules[argnum] = gradmaker
    _state_rules(found)


def _defvjp_unstaged(found: Primitive, vjpmaker: Callable[..., Any], argnum: int = 0) -> None:
    """``vjpmaker(g, ans, vs, gvs, *args)`` returns the gradient itself."""

    def staged(ans: Any, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        return lambda g: vjpmaker(g, ans, vspace(args[argnum]), vspace(g), *args, **kwargs)

    _defgrad(found, staged, argnum)


def _is_zero(found: Primitive, argnums: Sequence[int] = (0,)) -> None:
    for argnum in argnums:
        _defgrad(found, None, argnum)
