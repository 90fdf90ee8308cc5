"""`grad`, `value_and_grad`, `elementwise_grad` of Python functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphad import tree
from graphad.derivatives import reverse
from graphad.errors import GradientError
from graphad.functional.choosing import name_of
from graphad.functional.deriving import derivative
from graphad.ir.dimtext import shape_text
from graphad.ir.op import OPS
from graphad.ir.variable import Variable


def scalar_output(out: Any, kind: str, name: str) -> Variable:
    """The one output, if it is a scalar of floats."""
    if not isinstance(out, Variable):
        raise GradientError(
            f"{kind}({name}): {name} returned {type(out).__name__}, not one number",
            remedy="return a scalar; with has_aux=True, a pair (scalar, anything); "
            "for several outputs use jacobian or vjp",
        )
    if out.ndim:
        raise GradientError(
            f"{kind}({name}): {name} returned an array of shape {shape_text(out.type.shape)}",
            cause=f"{kind} is of functions with one number as result",
            remedy="reduce it with np.sum or np.mean; or use jacobian for all derivatives, "
            "elementwise_grad for a function that works element by element",
        )
    if out.dtype.kind not in "fc":
        raise GradientError(
            f"{kind}({name}): {name} returned {out.type}, derivatives need floats",
            remedy="return a float; counts and comparisons have no derivative",
        )
    return out


def _by_reverse(out: Variable, wrt: Any, holomorphic: bool) -> Any:
    return reverse.grad(out, wrt, disconnected="zero", holomorphic=holomorphic)


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The gradient of a function with a scalar result, as a function of the same arguments.

    argnums, argnames   the arguments by which it is taken, the first by default: an int or a name,
        or several. An argument may be any container of float arrays; its gradient has the same
        structure, shapes and dtypes. For several arguments: a tuple, or a dict by name.
    has_aux      the function returns (scalar, anything); so does the gradient
    holomorphic  see `ga.grad` of Variables

    On arrays the result is arrays (np.float64 for a number), on Variables it is graph: so
    derivatives nest. The function may branch and loop on values; it is run again at each call.
    Raises GradientError for a result that is no float scalar, and for arguments that are no
    floats; UseError for arguments that do not exist.

    >>> import graphad as ga
    >>> ga.grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    >>> ga.grad(lambda p: p["w"] * p["b"] ** 2)({"w": 3.0, "b": 2.0})
    {'w': np.float64(4.0), 'b': np.float64(12.0)}
    """
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        return _by_reverse(scalar_output(out, "grad", name), wrt, holomorphic)

    return derivative(fun, "grad", rule, argnums, argnames, has_aux, holomorphic)


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Value and gradient in one pass: a function that returns (value, gradient).

    With `has_aux`, ((value, aux), gradient). The rest is as in `grad`.

    >>> import graphad as ga
    >>> ga.value_and_grad(lambda x: x**3)(2.0)
    (np.float64(8.0), np.float64(12.0))
    """
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        cost = scalar_output(out, "value_and_grad", name)
        return cost, _by_reverse(cost, wrt, holomorphic)

    made = derivative(fun, "value_and_grad", rule, argnums, argnames, has_aux, holomorphic)
    if not has_aux:
        return made

    @functools.wraps(made)
    def paired(*args: Any, **keywords: Any) -> Any:
        (value, slope), aux = made(*args, **keywords)
        return (value, aux), slope

    return paired


def elementwise_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
) -> Callable[..., Any]:
    """∂y_i/∂x_i of a function that works element by element, as a function.

    It is the gradient of the sum of all outputs; where an output depends on several elements,
    their contributions are added up. Arguments as in `grad`; the result may be any container.

    >>> import numpy as np, graphad as ga
    >>> ga.elementwise_grad(np.tanh)(np.array([0.0, 1.0])).round(3)
    array([1.  , 0.42])
    """

    def rule(out: Any, wrt: Any) -> Any:
        leaves = [v for v in tree.flatten(out)[0] if v.dtype.kind in "fc"]
        starts = [OPS["ones_like"](v) for v in leaves]
        return reverse.vjp(leaves, wrt, starts)

    return derivative(fun, "elementwise_grad", rule, argnums, argnames, has_aux)
