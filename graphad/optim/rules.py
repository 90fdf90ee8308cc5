"""The formula of each optimiser, written once, for graphs and for arrays.

A rule turns parameter p, gradient g, step number t = 1, 2, … and its own memory into the next p
and the next memory. It computes with operators and NumPy functions only, so that p and g may be
Variables or arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.variable import Variable

Memory = Mapping[str, Any]
Step = Callable[[Any, Any, Any, Any, Memory], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class Rule:
    """One optimiser: ``step(t, lr, p, g, memory) -> (p, memory)``; `start` is what each entry of
    the memory is filled with at first, in the shape of p."""

    name: str
    start: Mapping[str, float]
    step: Step


def like(value: Any, p: Any) -> Any:
    """A factor in the dtype of p, so that it does not widen p; Python numbers do not anyway."""
    if isinstance(value, Variable) and isinstance(p, Variable) and value.dtype != p.dtype:
        return value.astype(p.dtype)
    return value


def _within(name: str, value: float, low: float, high: float) -> None:
    """Raise unless low <= value < high; Variables are not looked into."""
    if not isinstance(value, Variable) and not low <= value < high:
        raise UseError(
            f"{name}={value!r}", remedy=f"choose a number from {low} up to (but not) {high}"
        )


def sgd(momentum: float, dampening: float, nesterov: bool) -> Rule:
    """v ← momentum·v + (1 - dampening)·g;  p ← p - lr·v, with Nesterov p - lr·(g + momentum·v)."""
    _within("momentum", momentum, 0.0, 1.0)
    _within("dampening", dampening, 0.0, 1.0)
    moving = isinstance(momentum, Variable) or momentum != 0
    if nesterov and (not moving or dampening != 0):
        raise UseError(
            "nesterov=True without momentum, or with dampening",
            remedy="give momentum=0.9, and leave dampening at 0",
        )

    def step(t: Any, lr: Any, p: Any, g: Any, memory: Memory) -> tuple[Any, dict[str, Any]]:
        if not moving:
            return p - lr * g, {}
        v = momentum * memory["velocity"] + (1.0 - dampening) * g
        return p - lr * (g + momentum * v if nesterov else v), {"velocity": v}

    return Rule("sgd", {"velocity": 0.0} if moving else {}, step)


def adam(beta1: float, beta2: float, eps: float, weight_decay: float, name: str = "adam") -> Rule:
    """m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;
    p ← p - lr·(m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps) + weight_decay·p).

    Sources: D. Kingma, J. Ba, "Adam" (2015), algorithm 1; for the decay I. Loshchilov, F. Hutter,
    "Decoupled weight decay regularization" (2019), algorithm 2.
    """
    _within("beta1", beta1, 0.0, 1.0)
    _within("beta2", beta2, 0.0, 1.0)

    def step(t: Any, lr: Any, p: Any, g: Any, memory: Memory) -> tuple[Any, dict[str, Any]]:
        m = beta1 * memory["m"] + (1.0 - beta1) * g
        v = beta2 * memory["v"] + (1.0 - beta2) * (g * g)
        t = like(t, p)
        change = m / (1.0 - beta1**t) / (np.sqrt(v / (1.0 - beta2**t)) + eps)
        if isinstance(weight_decay, Variable) or weight_decay != 0:
            change = change + weight_decay * p
        return p - lr * change, {"m": m, "v": v}

    return Rule(name, {"m": 0.0, "v": 0.0}, step)


def rmsprop(decay: float, eps: float, momentum: float, initial: float) -> Rule:
    """s ← decay·s + (1-decay)·g²;  b ← momentum·b + g/(√s + eps);  p ← p - lr·b.

    Source: T. Tieleman, G. Hinton, lecture 6.5 of "Neural networks for machine learning" (2012).
    """
    _within("decay", decay, 0.0, 1.0)
    _within("momentum", momentum, 0.0, 1.0)
    moving = isinstance(momentum, Variable) or momentum != 0

    def step(t: Any, lr: Any, p: Any, g: Any, memory: Memory) -> tuple[Any, dict[str, Any]]:
        square = decay * memory["square"] + (1.0 - decay) * (g * g)
        if not moving:
            return p - lr * g / (np.sqrt(square) + eps), {"square": square}
        b = momentum * memory["velocity"] + g / (np.sqrt(square) + eps)
        return p - lr * b, {"square": square, "velocity": b}

    start = {"square": float(initial), **({"velocity": 0.0} if moving else {})}
    return Rule("rmsprop", start, step)


def adagrad(eps: float, initial: float) -> Rule:
    """s ← s + g²;  p ← p - lr·g/(√s + eps).

    Source: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods" (2011).
    """

    def step(t: Any, lr: Any, p: Any, g: Any, memory: Memory) -> tuple[Any, dict[str, Any]]:
        square = memory["square"] + g * g
        return p - lr * g / (np.sqrt(square) + eps), {"square": square}

    return Rule("adagrad", {"square": float(initial)}, step)
