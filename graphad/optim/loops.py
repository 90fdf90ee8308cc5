"""Minimising a function of arrays step by step, by the rules of `rules.py`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import UseError
from graphad.functional import value_and_grad
from graphad.libraries import tqdm
from graphad.optim.rules import Rule
from graphad.optim.vectors import Array, Layout

Evaluate = Callable[[Any, int], tuple[float, Array]]


class State(NamedTuple):
    """Where an iteration stands: what callbacks get.

    step      how many updates were made so far
    x         the parameters, in the containers of x0
    value     the function's value there
    gradient  its gradient there, in the same containers
    """

    step: int
    x: Any
    value: float
    gradient: Any


@dataclass(frozen=True)
class Result:
    """What an optimiser found.

    x        the parameters, in the containers of x0
    value    the function's value there
    steps    how many updates were made
    reason   why it ended, in words
    success  did it end as it should: not by a value that is no number, nor by SciPy's giving up?
    history  values of the function: at the start and after each update (empty if not asked for)
    details  SciPy's own result, where SciPy computed
    """

    x: Any
    value: float
    steps: int
    reason: str
    success: bool
    history: Array = field(repr=False)
    details: Any = field(default=None, repr=False)


def evaluator(fun: Callable[..., Any], args: Any, jac: bool, layout: Layout) -> Evaluate:
    """(vector, step) -> (value, gradient vector)."""
    pair = fun if jac else value_and_grad(fun)

    def evaluate(x: Array, step: int) -> tuple[float, Array]:
        more = args(step) if callable(args) else args
        found = pair(layout.container(x), *more)
        if jac and (not isinstance(found, tuple | list) or len(found) != 2):
            raise UseError(
                f"the function returned {type(found).__name__}",
                cause="with jac=True it returns (value, gradient)",
                remedy="leave jac=True away where it returns the value only",
            )
        value, gradient = found
        return float(value), layout.vector(gradient, "the gradient", covector=True)

    return evaluate


def descend(
    rule: Rule,
    fun: Callable[..., Any],
    x0: Any,
    lr: Any,
    max_norm: float | None,
    settings: Settings,
) -> Result:
    """Follow the rule for `settings.steps` steps, or until something stops it."""
    layout = Layout(x0)
    evaluate = evaluator(fun, settings.args, settings.jac, layout)
    x = layout.vector(x0)
    memory: dict[str, Any] = {k: np.full_like(x, start) for k, start in rule.start.items()}
    value, gradient = evaluate(x, 0)
    history, step = [value], 0
    with settings.bar(rule.name) as bar:
        while True:
            reason = settings.ended(layout, step, x, history, gradient)
            if reason:
                break
            rate = lr(step) if callable(lr) else lr
            x, memory = rule.step(step + 1, rate, x, _bounded(gradient, max_norm), memory)
            step += 1
            value, gradient = evaluate(x, step)
            history.append(value)
            if bar is not None:
                bar.set_postfix_str(f"{value:.6g}", refresh=False)
                bar.update()
    kept = np.array(history) if settings.history else np.empty(0)
    fine = bool(np.isfinite(value))
    return Result(layout.container(x), value, step, reason, fine, kept)


def _bounded(gradient: Array, max_norm: float | None) -> Array:
    if max_norm is None:
        return gradient
    norm = float(np.linalg.norm(gradient))
    return gradient * gradient.dtype.type(max_norm / norm) if norm > max_norm else gradient


@dataclass(frozen=True)
class Settings:
    """How an iteration runs and when it ends; the arguments of `optim.sgd` and the others."""

    steps: int
    args: Any
    jac: bool
    callback: Callable[[State], Any] | None
    progress: bool
    gtol: float
    ftol: float
    history: bool

    def bar(self, name: str) -> Any:
        """A progress bar, or nothing, to be used in `with`."""
        return tqdm()(total=self.steps, desc=name) if self.progress else nullcontext()

    def ended(
        self, layout: Layout, step: int, x: Array, history: list[float], gradient: Array
    ) -> str:
        """The reason to stop here, or ""."""
        value = history[-1]
        if self.callback is not None:  # it sees every state, the last one as well
            now = State(step, layout.container(x), value, _gradients(layout, gradient))
            if self.callback(now) is True:
                return f"the callback returned True after {step} steps"
        if not np.isfinite(value):
            return f"the value is {value} after {step} steps: take a smaller lr"
        if self.gtol > 0 and np.max(np.abs(gradient), initial=0.0) <= self.gtol:
            return f"no element of the gradient is larger than gtol={self.gtol:g}"
        if step and self.ftol > 0:
            change = abs(history[-2] - value)
            if change <= self.ftol * max(abs(value), abs(history[-2]), 1.0):
                return f"the value changed by {change:.3g}, not more than ftol={self.ftol:g}"
        return f"{step} steps are done" if step >= self.steps else ""


def _gradients(layout: Layout, vector: Array) -> Any:
    """The containers of gradients, again with imaginary parts of their own sign."""
    found = layout.container(vector)
    return layout.container(layout.vector(found, covector=True))
