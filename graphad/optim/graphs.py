"""Training steps as graph: from a loss and shared variables to the updates of `ga.function`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad import tree
from graphad.derivatives.reverse import grad
from graphad.errors import GradientError, UseError
from graphad.ir.make import shared
from graphad.ir.op import OPS
from graphad.ir.variable import Shared, Variable, describe
from graphad.optim.rules import Rule, like
from graphad.optim.schedules import clip_by_norm

Updates = dict[Shared, Variable]


def updates_of(
    rule: Rule, loss: Variable, params: Any, lr: Any, max_norm: float | None, gradients: Any
) -> Updates:
    """{parameter, memory or step counter: its next value}."""
    places, structure = tree.flatten(params)
    for path, place in zip(structure.paths("params"), places, strict=True):
        if not isinstance(place, Shared):
            what = describe(place) if isinstance(place, Variable) else type(place).__name__
            raise UseError(
                f"{path} is {what}, not a shared variable",
                cause="a graph is trained by updates of shared variables",
                remedy="make parameters with ga.shared(value); to minimise a function of arrays, "
                f"pass the function: ga.optim.{rule.name}(fun, x0)",
            )
    found = grad(loss, list(places)) if gradients is None else _given(gradients, structure)
    if max_norm is not None:
        found = clip_by_norm(found, max_norm)
    count = shared(np.zeros((), "int64"), name=f"{rule.name}.step")
    rate = lr(count) if callable(lr) and not isinstance(lr, Variable) else lr
    updates: Updates = {}
    for i, (p, g) in enumerate(zip(places, found, strict=True)):
        updates |= _one(rule, p, g, count + 1, like(rate, _real(p)), p.name or f"p{i}")
    counted = callable(lr) or rule.name.startswith("adam")
    return {**updates, count: count + 1} if counted else updates


def _real(p: Variable) -> Variable:
    return p.real if p.dtype.kind == "c" else p


def _one(rule: Rule, p: Shared, g: Variable, t: Variable, lr: Any, name: str) -> Updates:
    """The updates of one parameter; a complex one is a pair of real ones."""
    if p.dtype.kind == "c":
        # ∂u/∂x - i·∂u/∂y: against its conjugate u falls
        at, slope = _pair(p), _pair(OPS["conj"](g))
    else:
        at, slope = p, g
    zeros = np.zeros(p.type.shape, p.type.dtype)
    start = np.stack([zeros.real, zeros.imag]) if p.dtype.kind == "c" else zeros
    memory = {
        slot: shared(np.full_like(start, value), name=f"{name}.{slot}")
        for slot, value in rule.start.items()
    }
    moved, new = rule.step(t, lr, at, slope, memory)
    if p.dtype.kind == "c":
        moved = (moved[0] + 1j * moved[1]).astype(p.dtype)
    return {p: moved, **{memory[slot]: value for slot, value in new.items()}}


def _pair(z: Variable) -> Any:
    return OPS["stack"]([z.real, z.imag])


def _given(gradients: Any, structure: tree.Structure) -> list[Any]:
    leaves, found = tree.flatten(gradients)
    if found != structure:
        raise GradientError(
            f"gradients= has the structure {found!r}",
            cause=f"the parameters are {structure!r}",
            remedy="give one gradient for each parameter, in the same containers",
        )
    return leaves
