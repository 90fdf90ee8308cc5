"""Jacobians, Hessians and products with them, as graph; any order, sizes may be unknown.

A Jacobian is one op, `map_rows`, that runs the derivative's graph for each row of the identity;
what does not depend on the row (the whole forward pass) stays outside and is computed once.
"""

from __future__ import annotations

from typing import Any

from graphad import tree
from graphad.derivatives.forward import jvp
from graphad.derivatives.reverse import _connected, _variables, grad, pull_back
from graphad.errors import GradientError, UseError
from graphad.ir.families.inner import map_rows
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, describe


def jacobian(
    expression: Variable, wrt: Any, *, mode: str = "auto", disconnected: str = "raise"
) -> Any:
    """∂expression/∂wrt with shape expression.shape + wrt.shape, in the structure of `wrt`.

    mode: "reverse" runs one gradient per element of the expression, "forward" one tangent per
    element of the variable; "auto" takes the cheaper one where sizes are known, else "reverse".
    Raises GradientError for integers, DisconnectedError where the expression does not depend on
    a variable (or gives zeros, None: `disconnected`, as in `grad`).

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.jacobian(x**2, x).eval({x: [1.0, 2.0]})
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise UseError(f"mode={mode!r}", remedy='choose "auto", "forward" or "reverse"')
    if not isinstance(expression, Variable) or expression.dtype.kind not in "fc":
        what = describe(expression) if isinstance(expression, Variable) else repr(expression)
        raise GradientError(
            f"jacobian of {what}", cause="the expression must be a Variable of floats",
            remedy='convert it with .astype("float64")',
        )  # fmt: skip
    variables, structure = _variables(wrt, "jacobian", "wrt")
    return structure.unflatten([_one(expression, v, mode, disconnected) for v in variables])


def _one(y: Variable, x: Variable, mode: str, disconnected: str) -> Variable | None:
    if y.ndim == 0 and mode != "forward":
        found = pull_back({y: OPS["ones_like"](y)}, [x], ())[x]
        return _connected(found, x, [y], (), disconnected, "jacobian")
    few = isinstance(x.type.size, int) and isinstance(y.type.size, int)
    if mode == "forward" or (mode == "auto" and few and x.type.size < y.type.size):
        return _by_columns(y, x, disconnected)
    return _by_rows(y, x, disconnected)


def _by_rows(y: Variable, x: Variable, disconnected: str) -> Variable | None:
    seed = Variable(y.type, name="row")
    found = pull_back({y: seed}, [x], ())[x]
    if found is None:
        dead = _connected(found, x, [y], (), disconnected, "jacobian")
        return None if dead is None else OPS["zeros"]((*y.shape, *x.shape), x.dtype)
    seeds = OPS["reshape"](OPS["eye"](y.size, dtype=y.dtype), (y.size, *y.shape))
    rows = map_rows(found, {seed: seeds})
    return OPS["reshape"](rows, (*y.shape, *x.shape))


def _by_columns(y: Variable, x: Variable, disconnected: str) -> Variable | None:
    if pull_back({y: Variable(y.type)}, [x], ())[x] is None:
        return _by_rows(y, x, disconnected)
    seed = Variable(x.type, name="column")
    seeds = OPS["reshape"](OPS["eye"](x.size, dtype=x.dtype), (x.size, *x.shape))
    columns = map_rows(jvp(y, x, seed), {seed: seeds})
    return OPS["reshape"](OPS["moveaxis"](columns, 0, -1), (*y.shape, *x.shape))


def hessian(cost: Variable, wrt: Any, *, disconnected: str = "raise") -> Any:
    """Second derivatives of the scalar `cost`: for one variable an array of shape
    wrt.shape + wrt.shape; for a container, the structure of `wrt` inside that of `wrt`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.hessian((x**3).sum(), x).eval({x: [1.0, 2.0]})
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    variables, structure = _variables(wrt, "hessian", "wrt")
    first = grad(cost, variables, disconnected=disconnected)
    second = [
        [
            None if g is None else jacobian(g, v, mode="reverse", disconnected="zero")
            for v in variables
        ]
        for g in first
    ]
    if structure == tree.LEAF:
        return second[0][0]
    return structure.unflatten([structure.unflatten(row) for row in second])


def hvp(cost: Variable, wrt: Any, vectors: Any) -> Any:
    """Hessian-vector product: the derivative of the gradient along `vectors` (forward over
    reverse), without the Hessian; containers `wrt` and `vectors` have equal structure.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.hvp((x**3).sum(), x, ga.constant([1.0, 10.0])).eval({x: [1.0, 2.0]})
    array([  6., 120.])
    """
    return jvp(grad(cost, wrt), wrt, vectors)
