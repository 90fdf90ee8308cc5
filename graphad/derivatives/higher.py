"""Jacobians, Hessians and products with them, as graph; any order, sizes may be unknown.

A Jacobian is the derivative's graph, batched over the rows of the identity; what does not depend
on the row (the whole forward pass) stays outside and is computed once. Where the rows take much
memory, or their number is unknown, it is one op, `map_rows`, that takes some rows at a time.
"""

from __future__ import annotations

from typing import Any

from graphad import tree
from graphad.derivatives.forward import jvp
from graphad.derivatives.reverse import _connected, _variables, grad, pull_back, vjp
from graphad.errors import GradientError, ShapeError, UseError
from graphad.ir.hooks import also_of_functions, hooks
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, describe


@also_of_functions
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
    rows = hooks.load("batching.stacking").for_rows(found, seed, seeds)
    return OPS["reshape"](rows, (*y.shape, *x.shape))


def _by_columns(y: Variable, x: Variable, disconnected: str) -> Variable | None:
    if pull_back({y: Variable(y.type)}, [x], ())[x] is None:
        return _by_rows(y, x, disconnected)
    seed = Variable(x.type, name="column")
    seeds = OPS["reshape"](OPS["eye"](x.size, dtype=x.dtype), (x.size, *x.shape))
    columns = hooks.load("batching.stacking").for_rows(jvp(y, x, seed), seed, seeds)
    return OPS["reshape"](OPS["moveaxis"](columns, 0, -1), (*y.shape, *x.shape))


@also_of_functions
def hessian(cost: Variable, wrt: Any, *, disconnected: str = "raise") -> Any:
    """Second derivatives of the scalar `cost`: for one variable an array of shape
    wrt.shape + wrt.shape; for a container, the structure of `wrt` inside that of `wrt`.

    Forward over reverse: the gradient's derivative along each element of a variable. Raises as
    `grad` does.

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
            None if g is None else jacobian(g, v, mode="forward", disconnected="zero")
            for v in variables
        ]
        for g in first
    ]
    if structure == tree.LEAF:
        return second[0][0]
    return structure.unflatten([structure.unflatten(row) for row in second])


@also_of_functions
def hvp(cost: Variable, wrt: Any, vectors: Any) -> Any:
    """Hessian-vector product: the derivative of the gradient along `vectors` (forward over
    reverse), without the Hessian; containers `wrt` and `vectors` have equal structure.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.hvp((x**3).sum(), x, ga.constant([1.0, 10.0])).eval({x: [1.0, 2.0]})
    array([  6., 120.])
    """
    return jvp(grad(cost, wrt), wrt, vectors)


def ggnvp(outputs: Any, loss: Any, wrt: Any, vectors: Any) -> Any:
    """Product of a vector with the generalised Gauss-Newton matrix Jᵀ·H·J.

    outputs   Variables that depend on `wrt` with Jacobian J: a model's predictions
    loss      a scalar Variable, or a function from `outputs` to one; H is its Hessian by `outputs`
    wrt, vectors   containers of equal structure

    One pass forward and one back; for a convex loss the matrix is positive semidefinite. What the
    loss depends on besides `outputs` is taken as constant. Source: N. Schraudolph, "Fast curvature
    matrix-vector products for second-order gradient descent" (2002).

    >>> import graphad as ga
    >>> x = ga.vector("x", shape=(2,))
    >>> y = x**2  # J = diag(2x); the loss ½Σy² has H = 1
    >>> ga.ggnvp(y, 0.5 * (y**2).sum(), x, [1.0, 1.0]).eval({x: [1.0, 2.0]})
    array([ 4., 16.])
    """
    leaves = _variables(outputs, "ggnvp", "outputs")[0]
    cost = loss(outputs) if callable(loss) and not isinstance(loss, Variable) else loss
    along = tree.flatten(jvp(leaves, wrt, vectors))[0]
    slopes = grad(cost, leaves, disconnected="zero")
    curved = jvp(slopes, leaves, along)
    return vjp(leaves, wrt, curved)


@also_of_functions
def elementwise_grad(y: Variable, x: Variable) -> Variable:
    """∂y_i/∂x_i, in the shape of `x`, of a function that works element by element.

    y, x: Variables of the same shape. It is the diagonal of the Jacobian where that is diagonal,
    computed as the gradient of Σy; where y_i depends on other elements of x, these contributions
    are added up: then use `jacobian`. Raises ShapeError for different shapes, GradientError for
    integers, DisconnectedError where `y` does not depend on `x`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.elementwise_grad(ga.sin(x) * x, x).eval({x: [0.0, 1.0]}).round(3)
    array([0.   , 1.382])
    """
    for value in (y, x):
        if not isinstance(value, Variable):
            raise UseError(
                f"elementwise_grad of {type(value).__name__}",
                remedy="pass two Variables, the result and what it depends on",
            )
    clash = any(isinstance(a, int) and isinstance(b, int) and a != b
                for a, b in zip(y.type.shape, x.type.shape, strict=False))  # fmt: skip
    if y.ndim != x.ndim or clash:
        raise ShapeError(
            f"elementwise_grad: y is {y.type}, x is {x.type}",
            cause="an elementwise function keeps the shape",
            remedy="for other functions use ga.jacobian, or ga.vjp(y, x, ga.ones_like(y))",
        )
    found: Variable = vjp(y, x, OPS["ones_like"](y), disconnected="raise")
    return found
