"""Iterations on arrays that find a root, a fixed point or a minimum, when the program runs.

Each takes functions of one array and returns the point, or raises ConvergenceError with the
residual that is left. After SciPy, or a solver of the user, Newton's method takes the last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad.errors import ConvergenceError, ShapeError
from graphad.libraries import scipy

Array = np.ndarray[Any, Any]
Residual = Callable[[Array], Array]  # x -> F(x), which is to be zero
Slope = Callable[[Array], tuple[Array, Array]]  # x -> (F(x), its Jacobian of shape (n, n))
Cost = Callable[[Array], tuple[Array, Array]]  # x -> (f(x), its gradient)

HALVINGS = 30  # how often a step is halved before it is given up


@dataclass(frozen=True)
class Settings:
    """How to solve. kind: "root", "fixed_point" or "minimize"; method: "newton", "iterate", a
    method of SciPy, or a function."""

    kind: str
    method: Any
    tol: float
    max_steps: int

    def near(self, x: Array, step: Array) -> bool:
        """Is a step within the tolerance?"""
        tol = max(self.tol, 4 * float(np.finfo(x.dtype).eps))
        return bool(_size(step) <= tol * (1 + _size(x)))

    def exhausted(self, x: Array, step: Array) -> bool:
        """Is a step so small that rounding may be why it makes nothing better?"""
        return bool(_size(step) <= float(np.finfo(x.dtype).eps) ** 0.5 * (1 + _size(x)))

    def failed(self, steps: int, residual: Array, why: str = "") -> ConvergenceError:
        return ConvergenceError(
            f"{self.kind}: no convergence in {steps} steps, the residual is {_size(residual):.3g}",
            cause=why,
            remedy="start nearer to the solution, or change solver=, tol= or max_steps=",
        )


def _size(x: Array) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def solve(settings: Settings, x: Array, value: Any, slope: Slope) -> Array:
    """The solution from the start `x`; `value` is what the kind of problem evaluates."""
    if settings.method == "iterate":
        return iterate(settings, x, value)
    if settings.kind == "minimize":
        if settings.method != "newton":
            x = _outside(settings, x, lambda p: _cost_and_gradient(value, p))
        return descend(settings, x, value, slope)
    if settings.method != "newton":
        x = _outside(settings, x, lambda p: slope(p)[0])
    return newton(settings, x, slope)


def iterate(settings: Settings, x: Array, function: Residual) -> Array:
    """x ← f(x) until it stays."""
    why = "x ← f(x) contracts too slowly, or not at all"
    step = x
    for count in range(settings.max_steps):
        new = function(x)
        step, x = new - x, new
        if not np.all(np.isfinite(x)):
            raise settings.failed(count + 1, step, why)
        if settings.near(x, step):
            return x
    raise settings.failed(settings.max_steps, step, why)


def newton(settings: Settings, x: Array, slope: Slope) -> Array:
    """x ← x - J⁻¹F, the step halved until |F| gets smaller. Converges to the root near the start,
    quadratically where J is regular."""
    residual, jacobian = slope(x)
    for count in range(settings.max_steps):
        if not (np.all(np.isfinite(residual)) and np.all(np.isfinite(jacobian))):
            raise settings.failed(count, residual, "F is not finite here")
        step, regular = _newton_step(jacobian, residual)
        step = step.reshape(x.shape)
        if regular and settings.near(x, step):
            return np.asarray(x - step, x.dtype)
        exhausted = regular and settings.exhausted(x, step)
        for _ in range(HALVINGS):
            trial = np.asarray(x - step, x.dtype)
            new_residual, new_jacobian = slope(trial)
            if np.linalg.norm(new_residual) < np.linalg.norm(residual):
                break
            step = step / 2
        else:
            if exhausted:
                return x
            raise settings.failed(count, residual, "|F| has a minimum here, not a root")
        x, residual, jacobian = trial, new_residual, new_jacobian
    raise settings.failed(settings.max_steps, residual)


def _newton_step(jacobian: Array, residual: Array) -> tuple[Array, bool]:
    """J⁻¹F, and whether it solves the linear system: not where J is singular."""
    try:
        step = np.linalg.solve(jacobian, residual.ravel())
    except np.linalg.LinAlgError:
        step = np.asarray(np.linalg.lstsq(jacobian, residual.ravel(), rcond=None)[0])
    rest = jacobian @ step - residual.ravel()
    return step, bool(_size(rest) <= 0.5 * _size(residual))


def descend(settings: Settings, x: Array, cost: Cost, slope: Slope) -> Array:
    """Newton's method with H + λ·1 in place of H where H is not positive definite, and halved
    steps until the cost gets smaller. Source: Nocedal & Wright, "Numerical Optimization", 3.4."""
    value, _ = cost(x)
    gradient, hessian = slope(x)
    for count in range(settings.max_steps):
        if not (np.all(np.isfinite(gradient)) and np.all(np.isfinite(hessian))):
            raise settings.failed(count, gradient, "the gradient is not finite here")
        step, shift = _descent_step(hessian, gradient.ravel())
        step = step.reshape(x.shape)
        if shift == 0 and settings.near(x, step):
            return np.asarray(x - step, x.dtype)
        exhausted = shift == 0 and settings.exhausted(x, step)
        slack = 8 * np.finfo(x.dtype).eps * abs(float(value))
        for _ in range(HALVINGS):
            trial = np.asarray(x - step, x.dtype)
            new_value, _ = cost(trial)
            if new_value <= value - 1e-4 * np.sum(step * gradient) + slack:
                break
            step = step / 2
        else:
            if exhausted:
                return x
            raise settings.failed(count, gradient, "no step makes the cost smaller")
        x, value = trial, new_value
        gradient, hessian = slope(x)
    raise settings.failed(
        settings.max_steps, gradient, "the Hessian may be singular, or there may be no minimum"
    )


def _descent_step(hessian: Array, gradient: Array) -> tuple[Array, float]:
    """(H + λ)⁻¹g with the first λ, of 0 and growing numbers, that makes it positive definite."""
    shift, eye = 0.0, np.eye(len(gradient), dtype=hessian.dtype)
    scale = max(1e-3 * _size(np.diag(hessian)), 1e-6)
    while True:
        try:
            np.linalg.cholesky(hessian + shift * eye)
            return np.linalg.solve(hessian + shift * eye, gradient), shift
        except np.linalg.LinAlgError:
            shift = max(4 * shift, scale)


# ---- solvers from outside ----------------------------------------------------------------------
def _cost_and_gradient(cost: Cost, x: Array) -> tuple[float, Array]:
    value, gradient = cost(x)
    return float(value), gradient


def _outside(settings: Settings, x: Array, function: Callable[[Array], Any]) -> Array:
    """The point that SciPy, or the user's solver, finds; without a look at its verdict."""
    if callable(settings.method):
        found = np.asarray(settings.method(function, x), x.dtype)
        if found.shape != x.shape:
            raise ShapeError(
                f"{settings.kind}: the solver returned an array of shape {found.shape}",
                cause=f"it was called with a start of shape {x.shape}",
                remedy="return the solution in the shape of the start",
            )
        return found
    optimize = scipy("optimize")

    def flat(point: Array) -> Any:
        made = function(np.asarray(point, x.dtype).reshape(x.shape))
        if isinstance(made, tuple):
            return made[0], np.asarray(made[1], float).ravel()
        return np.asarray(made, float).ravel()

    start = np.asarray(x, float).ravel()
    with np.errstate(all="ignore"):
        if settings.kind == "minimize":
            found = optimize.minimize(flat, start, jac=True, method=settings.method)
        else:
            found = optimize.root(flat, start, method=settings.method)
    return np.asarray(found.x, x.dtype).reshape(x.shape)
