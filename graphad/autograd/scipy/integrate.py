"""`odeint`: solutions of differential equations, differentiated by the equation of the adjoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import graphad.autograd.numpy as np
from graphad.autograd.extend import defvjp_argnums, primitive
from graphad.autograd.misc.flatten import flatten
from graphad.autograd.operators import make_vjp
from graphad.libraries import scipy


@primitive
def odeint(
    func: Callable[..., Any], y0: Any, t: Any, func_args: Sequence[Any] = (), **kwargs: Any
) -> Any:
    """y(t) with dy/dt = func(y, t, *func_args) and y(t[0]) = y0, as ``scipy.integrate.odeint``.

    y0 has shape (d,), t (n,), the result (n, d). Differentiable in y0, t and func_args: along the
    way back the adjoint equation is solved, with the same settings (`rtol`, `atol`, …).

    Source: F. Fröhlich et al., "Scalable inference of ordinary differential equation models of
    biochemical processes" (2019), section 2.4.2.

    >>> from graphad.autograd import grad
    >>> def end(rate):
    ...     found = odeint(lambda y, t, rate: -rate * y, np.array([1.0]), np.array([0.0, 1.0]),
    ...                    (rate,), rtol=1e-10, atol=1e-10)
    ...     return np.sum(found[-1])
    >>> round(float(end(2.0)), 6), round(float(grad(end)(2.0)), 6)
    (0.135335, -0.135335)
    """
    return scipy("integrate").odeint(func, y0, t, tuple(func_args), **kwargs)


def _back(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], list[Any]]:
    """What y0, t and func_args receive: one solution of the adjoint from each time to the one
    before. Its state is y, then the cotangents of y, of t, and of the flattened arguments."""
    func, _, t, *rest = args
    func_args = tuple(rest[0]) if rest else ()
    count, d = np.shape(ans)
    flat, unflatten = flatten(func_args)

    def rate(y: Any, time: Any, flat: Any) -> Any:
        return func(y, time, *unflatten(flat))

    def adjoint(state: Any, time: Any, flat: Any) -> Any:
        pull, moved = make_vjp(rate, (0, 1, 2))(state[:d], time, flat)
        return np.hstack([moved, *pull(-state[d : 2 * d])])

    def back(g: Any) -> list[Any]:
        u, u_start, u_flat = g[-1], 0.0, np.zeros(np.shape(flat))
        u_times = []
        for i in range(count - 1, 0, -1):
            moving = np.dot(func(ans[i], t[i], *func_args), g[i])  # of the time of measuring
            u_times.append(moving)
            start = np.hstack([ans[i], u, u_start - moving, u_flat])
            times = np.array([t[i], t[i - 1]])
            end = odeint(adjoint, start, times, (flat,), **kwargs)[1]
            u, u_start, u_flat = end[d : 2 * d] + g[i - 1], end[2 * d], end[2 * d + 1 :]
        u_times.append(u_start)
        found = {1: u, 2: np.hstack(u_times[::-1]), 3: unflatten(u_flat)}
        return [found.get(k) for k in argnums]

    return back


defvjp_argnums(odeint, _back)
