"""SciPy's minimisers on nested parameters, with exact derivatives.

At each point the function is run once: value, gradient and the products with the Hessian that
Newton's methods ask for come from the same forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphad.derivatives.forward import jvp
from graphad.derivatives.reverse import grad
from graphad.errors import UseError
from graphad.functional.gradients import scalar_output
from graphad.functional.record import Record
from graphad.libraries import scipy
from graphad.optim.loops import Result, State, _gradients, evaluator
from graphad.optim.vectors import Array, Layout

PLAIN = ("Nelder-Mead", "Powell", "COBYLA", "COBYQA")  # these take no derivatives
FIRST = ("CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP")
SECOND = ("Newton-CG", "trust-ncg", "trust-krylov", "trust-constr", "dogleg", "trust-exact")
DENSE = ("dogleg", "trust-exact")  # these want the Hessian itself
KEPT = 64  # points whose value and gradient are remembered: a line search may return to one


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    *,
    method: str = "L-BFGS-B",
    args: tuple[Any, ...] = (),
    jac: bool = False,
    tol: float | None = None,
    bounds: Any = None,
    callback: Callable[[State], Any] | None = None,
    history: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Minimise a function of arrays by a method of ``scipy.optimize.minimize``.

    fun       maps x, and `args`, to a real number, written with NumPy; with ``jac=True`` to
              (value, gradient)
    x0        the start: an array or any container of arrays; the result has the same form.
              Integers become floats, complex entries count as pairs of real numbers
    method    "L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP" use the gradient, "Newton-CG", "trust-ncg",
              "trust-krylov", "trust-constr" also products with the Hessian, "dogleg" and
              "trust-exact" the Hessian, "Nelder-Mead", "Powell", "COBYLA", "COBYQA" the value only
    tol, bounds, options   as SciPy has them; bounds are pairs (low, high), one for each number in
              the order of the flattened x0, or one pair for all
    callback  gets a `State` after each iteration; returning True ends it
    history   keep the value after each iteration

    Raises UseError for an unknown method, and MissingLibraryError without SciPy.

    >>> import numpy as np, graphad as ga
    >>> found = ga.optim.minimize(lambda x: np.sum((x - [1.0, 2.0]) ** 2), np.zeros(2))
    >>> found.x.round(6), found.success
    (array([1., 2.]), True)
    """
    known = {name.lower(): name for name in (*PLAIN, *FIRST, *SECOND)}
    if str(method).lower() not in known:
        raise UseError(f"method={method!r}", remedy=f"choose one of {', '.join(known.values())}")
    method = known[method.lower()]
    if jac and method in SECOND:
        raise UseError(
            f"jac=True with {method}",
            cause="that method differentiates the gradient, which it finds itself",
            remedy="pass the function that returns the value only",
        )
    layout = Layout(x0)
    points = _Points(fun, args, jac, layout, second=method in SECOND)
    watch = _Watch(points, layout, callback)
    found = scipy("optimize").minimize(
        points.pair if method not in PLAIN else points.value,
        layout.vector(x0).astype("float64"),
        method=method,
        jac=True if method not in PLAIN else None,
        hessp=points.product if method in SECOND and method not in DENSE else None,
        hess=points.matrix if method in DENSE else None,
        tol=tol,
        bounds=_bounds(bounds, layout.size),
        callback=watch,
        options=dict(options or {}),
    )
    kept = np.array(watch.values) if history else np.empty(0)
    reason = str(found.message)
    x = layout.container(np.asarray(found.x))
    count = int(getattr(found, "nit", len(watch.values)))
    return Result(x, float(found.fun), count, reason, bool(found.success), kept, found)


def _bounds(bounds: Any, size: int) -> Any:
    """One pair stands for all numbers."""
    one = isinstance(bounds, tuple) and len(bounds) == 2 and not np.ndim(bounds[0])
    return [bounds] * size if one else bounds


class _Points:
    """What is known of the function at the points that were asked for lately."""

    def __init__(
        self, fun: Callable[..., Any], args: tuple[Any, ...], jac: bool, layout: Layout,
        second: bool,
    ) -> None:  # fmt: skip
        self.fun, self.args, self.layout, self.second = fun, args, layout, second
        self.evaluate = evaluator(fun, args, jac, layout)
        self.found: dict[bytes, tuple[float, Array | None]] = {}
        self.at = b""
        self.run: Record | None = None

    def keep(self, key: bytes, value: float, gradient: Array | None) -> None:
        """Note what was found, and forget the oldest."""
        self.found[key] = value, gradient
        if len(self.found) > KEPT:
            del self.found[next(iter(self.found))]

    def value(self, x: Array) -> float:
        """The value alone, for methods without derivatives."""
        if x.tobytes() not in self.found:
            value = float(self.fun(self.layout.container(x), *self.args))
            self.keep(x.tobytes(), value, None)
        return self.found[x.tobytes()][0]

    def pair(self, x: Array) -> tuple[float, Array]:
        """Value and gradient."""
        if x.tobytes() not in self.found:
            if self.second:
                self.linearize(x)
            else:
                value, gradient = self.evaluate(x, 0)
                self.keep(x.tobytes(), value, gradient.astype("float64"))
        value, found = self.found[x.tobytes()]
        assert found is not None
        return value, found

    def linearize(self, x: Array) -> None:
        """Run the function at x; value and gradient come from that run, products will."""
        start = self.layout.container(x)
        self.run = Record(self.fun, (start, *self.args), {}, 0, "minimize")
        value, gradient = self.run.finish(_value_and_slope)
        vector = self.layout.vector(gradient, "the gradient", covector=True)
        self.keep(x.tobytes(), float(value), vector.astype("float64"))
        self.at = x.tobytes()

    def product(self, x: Array, v: Array) -> Array:
        """The Hessian at x times v."""
        if self.at != x.tobytes():
            self.linearize(x)
        assert self.run is not None
        moved = self.run.finish(_moved_slope, self.layout.container(v))
        return self.layout.vector(moved, "the product", covector=True).astype("float64")

    def matrix(self, x: Array) -> Array:
        """The Hessian at x."""
        return np.stack([self.product(x, row) for row in np.eye(len(x))])


def _value_and_slope(out: Any, wrt: Any) -> Any:
    value = scalar_output(out, "minimize", "the function")
    return value, grad(value, wrt, disconnected="zero")


def _moved_slope(out: Any, wrt: Any, v: Any) -> Any:
    return jvp(grad(out, wrt, disconnected="zero"), wrt, v)


class _Watch:
    """SciPy's callback: notes the value after each iteration, and asks the user's."""

    def __init__(
        self, points: _Points, layout: Layout, callback: Callable[[State], Any] | None
    ) -> None:
        self.points, self.layout, self.callback = points, layout, callback
        self.values: list[float] = []

    def __call__(self, x: Array, *_: Any) -> None:
        x = np.asarray(x)
        value, gradient = self.points.found.get(x.tobytes(), (None, None))
        self.values.append(self.points.value(x) if value is None else value)
        if self.callback is None:
            return
        slopes = None if gradient is None else _gradients(self.layout, gradient)
        state = State(len(self.values), self.layout.container(x), self.values[-1], slopes)
        if self.callback(state) is True:
            raise StopIteration
