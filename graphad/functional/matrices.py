"""`jacobian`, `hessian`, `hvp` of Python functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad import tree
from graphad.derivatives import higher, reverse
from graphad.derivatives.forward import jvp
from graphad.errors import GradientError, UseError
from graphad.functional.choosing import check_callable, name_of
from graphad.functional.deriving import derivative
from graphad.functional.gradients import scalar_output


def jacobian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
    mode: str = "auto",
) -> Callable[..., Any]:
    """All first derivatives of a function, as a function of the same arguments.

    For an array result of shape s and an array argument of shape t: an array of shape s + t. For
    containers: the container of the result, with the container of the argument in each place.
    mode: "reverse", "forward", or "auto", the cheaper one. Arguments as in `grad`.

    >>> import numpy as np, graphad as ga
    >>> ga.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        leaves, structure = tree.flatten(out)
        for leaf in leaves:
            if leaf.dtype.kind not in "fc":
                raise GradientError(
                    f"jacobian({name}): {name} returned {leaf.type}, derivatives need floats",
                    remedy="hand on integers by has_aux=True",
                )
        rows = [higher.jacobian(y, wrt, mode=mode, disconnected="zero") for y in leaves]
        return structure.unflatten(rows)

    return derivative(fun, "jacobian", rule, argnums, argnames, has_aux, mode)


def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
) -> Callable[..., Any]:
    """All second derivatives of a function with a scalar result, of shape t + t for an array
    argument of shape t; for containers, the container inside the container. Arguments: see `grad`.

    >>> import numpy as np, graphad as ga
    >>> ga.hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        return higher.hessian(scalar_output(out, "hessian", name), wrt, disconnected="zero")

    return derivative(fun, "hessian", rule, argnums, argnames, has_aux)


def hvp(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
) -> Callable[..., Any]:
    """The product of the Hessian of `fun` with a vector: ``hvp(f)(*arguments, vector)``.

    `vector` is the last positional argument, in the container and shapes of the chosen argument
    (for several arguments: a tuple of them, or a dict by name). No Hessian is formed.

    >>> import numpy as np, graphad as ga
    >>> ga.hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([  6., 120.])
    """
    check_callable(fun, "hvp")
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        cost = scalar_output(out[0], "hvp", name)
        vectors = list(tree.flatten(out[1])[0])
        leaves = tree.flatten(wrt)[0]
        if len(vectors) != len(leaves):
            raise UseError(
                f"hvp({name}): the vector has {len(vectors)} arrays, the arguments {len(leaves)}",
                remedy="give the vector the container of the arguments",
            )
        slopes = reverse.grad(cost, leaves, disconnected="zero")
        made = jvp(slopes, leaves, vectors)
        return tree.flatten(wrt)[1].unflatten(made)

    def paired(*arguments: Any, **keywords: Any) -> Any:
        if not arguments:
            raise UseError(f"hvp({name}) without arguments", remedy="call it as (x, vector)")
        return fun(*arguments[:-1], **keywords), arguments[-1]

    paired.__name__ = name
    paired.__wrapped__ = fun  # type: ignore[attr-defined]
    product = derivative(paired, "hvp", rule, argnums, argnames)
    product.__name__ = f"hvp_of_{name}"
    return product
