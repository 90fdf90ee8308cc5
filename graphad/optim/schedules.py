"""Learning rates that change with the step, and gradients of bounded size.

A schedule is a function of the step number 0, 1, 2, …, an int when a function is minimised, an
integer Variable when a graph is trained; any Python function of that kind serves as `lr`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.errors import UseError
from graphad.ir.op import OPS
from graphad.ir.variable import Variable

Schedule = Callable[[Any], Any]


def _positive(name: str, value: Any) -> None:
    if not isinstance(value, Variable) and not value > 0:
        raise UseError(f"{name}={value!r}", remedy="give a number greater than 0")


def exponential_decay(
    lr: float, rate: float, steps: float = 1, *, staircase: bool = False
) -> Schedule:
    """lr · rate^(step / steps); with `staircase` the exponent is rounded down.

    Raises UseError for a rate or a number of steps that is not positive.

    >>> [float(exponential_decay(1.0, 0.5, 10)(step)) for step in (0, 10, 20)]
    [1.0, 0.5, 0.25]
    """
    _positive("rate", rate)
    _positive("steps", steps)

    def schedule(step: Any) -> Any:
        exponent = step / steps
        return lr * rate ** (np.floor(exponent) if staircase else exponent)

    return schedule


def inverse_time_decay(lr: float, rate: float, steps: float = 1) -> Schedule:
    """lr / (1 + rate · step / steps).

    >>> [float(inverse_time_decay(1.0, 1.0)(step)) for step in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """
    _positive("steps", steps)
    return lambda step: lr / (1.0 + rate * (step / steps))


def cosine_decay(lr: float, steps: int, *, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Half a wave of the cosine from `lr` down to `final` at `steps`, constant from there on.

    During the first `warmup` steps the rate grows linearly to `lr`, which the wave starts from.
    Raises UseError unless steps > warmup >= 0.

    >>> [round(float(cosine_decay(1.0, 10, warmup=2)(step)), 3) for step in (0, 1, 2, 6, 10, 99)]
    [0.5, 1.0, 1.0, 0.5, 0.0, 0.0]
    """
    if not 0 <= warmup < steps:
        raise UseError(
            f"steps={steps!r}, warmup={warmup!r}", remedy="give steps > warmup, warmup >= 0"
        )

    def schedule(step: Any) -> Any:
        done = np.clip((step - warmup) / (steps - warmup), 0.0, 1.0)
        wave = final + (lr - final) * 0.5 * (1.0 + np.cos(np.pi * done))
        return np.where(step < warmup, lr * (step + 1) / warmup, wave) if warmup else wave

    return schedule


def piecewise_constant(boundaries: Sequence[int], values: Sequence[float]) -> Schedule:
    """values[0] before step boundaries[0], values[1] from there to boundaries[1], and so on.

    Raises UseError unless there is one value more than boundaries, and these increase.

    >>> [float(piecewise_constant([2, 4], [1.0, 0.1, 0.01])(step)) for step in (0, 1, 2, 3, 4)]
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
        raise UseError(
            f"{len(boundaries)} boundaries and {len(values)} values",
            remedy="give increasing boundaries, and one value more than these",
        )

    def schedule(step: Any) -> Any:
        rate: Any = values[0]
        for boundary, value in zip(boundaries, values[1:], strict=True):
            rate = np.where(step < boundary, rate, value)
        return rate

    return schedule


def clip_by_norm(gradients: Any, max_norm: float) -> Any:
    """Gradients scaled down together, so that their common norm is at most `max_norm`.

    gradients   a container of Variables or of arrays; the norm is √Σ|g|² over all of them
    Returns the same container; nothing changes where the norm is small enough.
    Raises UseError for a `max_norm` that is not positive.

    >>> clip_by_norm({"w": np.array([3.0]), "b": np.array([4.0])}, 1.0)
    {'w': array([0.6]), 'b': array([0.8])}
    """
    _positive("max_norm", max_norm)
    leaves, structure = tree.flatten(gradients)
    squares = [np.sum(np.real(g * np.conj(g))) for g in leaves]
    wide = [s.astype("float64") if isinstance(s, Variable) else float(s) for s in squares]
    norm = np.sqrt(sum(wide[1:], wide[0]))
    if isinstance(norm, Variable):
        factor = OPS["where"](norm > max_norm, max_norm / norm, 1.0)
        return structure.unflatten([g * factor.astype(g.real.dtype) for g in leaves])
    scale = float(max_norm / norm) if norm > max_norm else 1.0
    return structure.unflatten([g * scale for g in leaves])
