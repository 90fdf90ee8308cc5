"""No derivative is silently zero: what is cut off, or has none by declaration, has a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DisconnectedError, GradientError
from graphad.ir.op import OPS
from graphad.testing import interpret
from graphad.testing.samples import Case, all_cases, inputs_for

CASES = list(all_cases())

# Functions of floats to floats through which no derivative flows, and why that is right.
WITHOUT = {
    "zeros_like": "constant", "ones_like": "constant", "full_like": "constant",
    "empty_like": "constant",
    "stop_gradient": "that is what it is for",
}  # fmt: skip

# Ops of floats to floats into which no derivative flows, and why.
CUTTING = {
    ("stop_gradient", 0): "that is what it is for",
    ("running_maximum", 0): "finds places only; the values are taken from there",
    ("running_minimum", 0): "finds places only; the values are taken from there",
    ("after", 1): "what comes first in time, but is not in the value",
    ("assert_", 1): "what the message of a failure shows",
}  # fmt: skip


def floats(values: Any) -> list[ga.Variable]:
    return [v for v in values if v.dtype.kind in "fc"]


def is_silent(case: Case) -> bool:
    """Does a derivative neither flow nor raise?"""
    inputs = inputs_for(case.arrays)
    results = floats(case.build(*inputs))
    if not floats(inputs) or not results:
        return False
    cost: Any = sum(ga.real(y).sum() for y in results)
    try:
        found = ga.grad(cost, floats(inputs), disconnected="none")
    except GradientError:
        return False
    return all(slope is None for slope in found)


def test_what_is_declared_without_derivative() -> None:
    """A function may be declared so because its samples are not smooth; then derivatives flow."""
    flowing = {case.entry.name for case in CASES if not is_silent(case)}
    silent = {case.entry.name for case in CASES} - flowing
    assert silent <= set(WITHOUT), "give it a derivative, `refuse`, or a reason here"


def test_what_is_cut_off() -> None:
    found = set()
    for case in CASES:
        for node in ga.graph.toposort(case.build(*inputs_for(case.arrays))):
            if floats(node.outputs):
                found |= {(node.op.name, i) for i, v in enumerate(node.inputs)
                          if v.dtype.kind in "fc" and node.op.cuts(i)}  # fmt: skip
    assert found <= set(CUTTING), "give it a derivative, `refuse`, or a reason here"


STEPS = ["floor", "ceil", "trunc", "rint", "fix", "round", "sign", "floor_divide", "heaviside"]


@pytest.mark.parametrize("name", STEPS)
def test_steps_have_the_derivative_zero(name: str) -> None:
    """Connected, and zero: that is the truth between the jumps, and the convention at them."""
    case: Case = next(c for c in CASES if c.entry.name == name and c.arrays[0].ndim)
    inputs = inputs_for(case.arrays)
    (y,) = case.build(*inputs)
    for v in floats(inputs):
        if (name, v.name) != ("heaviside", "x1"):  # that operand is the value at 0
            (slope,) = interpret(inputs, [ga.grad(y.sum(), v)])(*case.arrays)
            assert not slope.any() and slope.dtype == np.float64


COMPARISONS = ["equal", "less", "greater_equal", "isnan", "argmax", "argsort", "searchsorted"]


@pytest.mark.parametrize("name", COMPARISONS)
def test_what_gives_no_floats_is_disconnected(name: str) -> None:
    case: Case = next(c for c in CASES if c.entry.name == name and c.arrays[0].ndim)
    inputs = inputs_for(case.arrays)
    y = case.build(*inputs)[0]
    with pytest.raises(DisconnectedError, match="is cut at"):
        ga.grad(y.astype("float64").sum(), floats(inputs)[0])


def test_a_derivative_that_is_not_provided_raises() -> None:
    n, x = ga.scalar("n"), ga.scalar("x")
    with pytest.raises(GradientError, match=r"polygamma.*order n(.|\n)*stop_gradient"):
        ga.grad(ga.special.polygamma(n, x), n)
    assert OPS.entries["special.polygamma"].differentiable
