"""`fixed_point`: the solution of x = f(a)(x) by iteration, differentiated by iteration too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphad import tree
from graphad.autograd.extend import defvjp, primitive
from graphad.autograd.operators import make_vjp
from graphad.autograd.vspace import vspace


@primitive
def fixed_point(
    f: Callable[[Any], Callable[[Any], Any]],
    a: Any,
    x0: Any,
    distance: Callable[[Any, Any], Any],
    tol: float,
) -> Any:
    """x with x = f(a)(x), iterated from `x0` until distance(x, previous x) <= tol.

    Differentiable in a. Source of the gradient: with A = ∂f(a)(x)/∂x at the solution, the
    cotangent u = g + Aᵀu, itself found by iteration, is pulled back to a.

    >>> from graphad.autograd import grad
    >>> def newton_sqrt(a):
    ...     step = lambda a: lambda x: 0.5 * (x + a / x)
    ...     return fixed_point(step, a, 1.0, lambda x, y: abs(x - y), 1e-12)
    >>> newton_sqrt(4.0), round(float(grad(newton_sqrt)(4.0)), 6)
    (2.0, 0.25)
    """
    step = f(a)
    x, previous = step(x0), x0
    while distance(x, previous) > tol:
        x, previous = step(x), x
    return x


def _back(ans: Any, f: Any, a: Any, x0: Any, distance: Any, tol: Any) -> Callable[[Any], Any]:
    """What a receives."""
    pull_a, _ = make_vjp(lambda a: f(a)(ans))(a)

    def rounds(params: Any) -> Callable[[Any], Any]:
        a, x, g = params
        pull_x, _ = make_vjp(lambda x: f(a)(x))(x)
        return lambda u: tree.map_leaves(lambda p, q: p + q, pull_x(u), g)

    def back(g: Any) -> Any:
        return pull_a(fixed_point(rounds, (a, ans, g), vspace(ans).zeros(), distance, tol))

    return back


defvjp(fixed_point, None, _back, None)
