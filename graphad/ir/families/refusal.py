"""Derivatives that exist but are not provided: an error when asked for, never a silent zero.

In the columns of a declaration, a partial derivative is

    a formula        the derivative
    0                it is zero, and the operand counts as connected
    None             no derivative ever flows (an index, a condition): the operand is cut off
    refuse("…")      it exists, but there is no formula for it here
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from graphad.errors import GradientError
from graphad.ir.variable import Variable

_REMEDY = (
    "differentiate with respect to the other operands only; if this one is not meant to vary, "
    "wrap it in ga.stop_gradient(...), else use finite differences"
)


def refuse(
    operand: str, *, cause: str = "it has no formula here", remedy: str = _REMEDY
) -> Callable[..., Any]:
    """A partial derivative that raises GradientError when it is asked for.

    operand says which one, in words: ``refuse("the order v")``. In rules that are functions of
    other arguments, call it with the result of the op: ``refuse("the order v")(y)``.

    >>> import graphad as ga
    >>> n, x = ga.scalar("n"), ga.scalar("x")
    >>> y = ga.special.polygamma(n, x)
    >>> ga.grad(y, x).type
    float64[]
    >>> try:
    ...     ga.grad(y, n)
    ... except ga.errors.GradientError as error:
    ...     print(error.what)
    special.polygamma: the derivative with respect to the order n is not provided
    """

    def rule(y: Variable, *operands: Any) -> NoReturn:
        owner = y.owner
        name = owner.op.name if owner is not None else "this function"
        raise GradientError(
            f"{name}: the derivative with respect to {operand} is not provided",
            cause=cause,
            remedy=remedy,
            where=str(owner.site) if owner is not None and owner.site else "",
        )

    return rule
