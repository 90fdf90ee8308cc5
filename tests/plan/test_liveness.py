"""No value is read after its memory was overwritten or freed: plans carried out with poison.

`carry_out` does what a plan says, literally: a step that works in place writes into the array it
takes over, and what is freed is filled with garbage, so that a wrong plan gives wrong numbers or
fails one of the checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

import graphad as ga
from graphad.ir.evaluate import evaluate
from graphad.ir.variable import Constant
from graphad.plan import Plan, make_plan
from graphad.rewrite.passes import simplify
from graphad.testing.programs import RandomProgram
from graphad.testing.samples import all_cases, inputs_for

Array = np.ndarray[Any, Any]
GARBAGE = 113


def carry_out(plan: Plan, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of a plan, by running its steps with everything that it allows."""
    held = dict(enumerate(np.asarray(a) for a in arrays))
    freed: set[int] = set()
    for value in plan.values:
        if isinstance(value.variable, Constant):
            held[value.number] = value.variable.value
    for step in plan.steps:
        for number in step.inputs:
            assert number in held and number not in freed, f"v{number} is read after its end"
        operands = [held[n] for n in step.inputs]
        with np.errstate(all="ignore"):
            results = step.node.op.evaluate(np, operands)
        for number, result in zip(
            step.outputs, results if len(step.outputs) > 1 else (results,), strict=True
        ):
            held[number] = place(plan, step, number, np.asarray(result), held)
        for number in step.frees:
            assert plan.values[number].kind == "step" and number not in freed
            assert step.reuse is None or number != step.reuse
            freed.add(number)
            owners = [n for n in held if n not in freed and held[n] is held[number]]
            if plan.values[number].root == number and not owners:
                poison(held[number])
        if step.reuse is not None:
            freed.add(step.reuse)
    roots = {v.root for v in plan.values if v.kind == "step" and v.number not in freed}
    kept = {plan.values[n].root for n in plan.outputs}
    owned = {n for n in roots if plan.values[n].kind == "step"}
    assert owned <= kept, "something is never freed"
    assert not freed & set(plan.outputs)
    return [held[n].copy() for n in plan.outputs]


def place(plan: Plan, step: Any, number: int, result: Array, held: dict[int, Array]) -> Array:
    """Where a result lives: in memory of its own, in that of `reuse`, or in that of its root."""
    value = plan.values[number]
    for operand in step.inputs:
        if np.may_share_memory(result, held[operand]) and np.shares_memory(result, held[operand]):
            assert value.root == plan.values[operand].root, f"v{number} is an undeclared view"
    if step.reuse is None:
        return result if value.root != number else np.array(result)
    target = held[step.reuse]
    taken = plan.values[step.reuse]
    assert taken.kind == "step" and taken.root == taken.number and value.root == number
    assert (target.shape, target.dtype) == (result.shape, result.dtype)
    np.copyto(target, result)
    return target


def poison(array: Array) -> None:
    """Garbage into memory that is given back."""
    if array.dtype == np.bool_:
        np.logical_not(array, out=array)
    else:
        array[...] = GARBAGE


def check_plan(inputs: Sequence[Any], outputs: Sequence[Any], arrays: Sequence[Any]) -> None:
    graph = ga.Graph(inputs, outputs)
    originals = [np.array(a) for a in arrays]
    for version in (graph, simplify(graph)[0]):
        expected = evaluate(version, arrays)
        for found, wanted in zip(carry_out(make_plan(version), arrays), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    for array, original in zip(arrays, originals, strict=True):
        np.testing.assert_array_equal(array, original)


# ---- plans made by hand -------------------------------------------------------------------------

X, Y = ga.matrix("x", shape=(3, 3)), ga.matrix("y", shape=(3, 3))
ARRAYS = [np.arange(9.0).reshape(3, 3), np.arange(9.0)[::-1].reshape(3, 3).copy()]


def same(x: Any) -> Any:
    return ga.exp(x * 0.1)


HAND_MADE = {
    "a chain in place": lambda x, y: [ga.sin(ga.cos(same(x)))],
    "the operand is read later": lambda x, y: [ga.sin(a := same(x)), a * y],
    "a view is read later": lambda x, y: [ga.sin(a := same(x)) @ a.T],
    "a view of a view is read later": lambda x, y: [ga.sin(a := same(x)), a.T[1:].ravel() * 2],
    "the operand and its own transpose": lambda x, y: [(a := same(x)) + a.T],
    "a view and then its root in place": lambda x, y: [ga.sin(a := same(x)).sum(), a[::-1].sum()],
    "the result is a view of what could be overwritten": lambda x, y: [ga.sin(a := same(x)), a.T],
    "twice the same operand": lambda x, y: [(a := same(x)) * a],
    "a view of a view of a view in place": lambda x, y: [ga.sin(same(x)[1:].T[::-1]) + y[:, 1:]],
    "the second operand dies": lambda x, y: [y - same(x)],
    "both operands die": lambda x, y: [same(x) - same(y)],
    "a broadcast operand keeps its size": lambda x, y: [same(x)[:1] * same(y), same(x)[0] * y],
    "another dtype": lambda x, y: [same(x) > 1.5, same(x).astype("float32")],
    "an unused branch": lambda x, y: [same(x), ga.where(x > 3, same(y), same(x))],
    "inputs themselves": lambda x, y: [x, x.T, x, y[0]],
    "diamonds": lambda x, y: [(a := same(x)), (b := ga.sin(a)), a * b, (a * b)[0] + a[1]],
    "a long life": lambda x, y: [ga.sin(a := same(x)) + ga.cos(ga.sin(ga.cos(y))) * 2 - a.T],
    "scalars": lambda x, y: [same(x)[0, 0] * same(x)[1, 1] + same(x).sum()],
    "a reduction of a view in place": lambda x, y: [ga.sin(same(x)[1:]).sum(axis=0) * 3.0],
    "constants": lambda x, y: [ga.constant(np.ones((3, 3))), ga.constant(np.ones((3, 3))).T + x],
}  # fmt: skip


@pytest.mark.parametrize("make", HAND_MADE.values(), ids=HAND_MADE)
def test_hand_made(make: Any) -> None:
    check_plan([X, Y], make(X, Y), ARRAYS)


@pytest.mark.parametrize("make", HAND_MADE.values(), ids=HAND_MADE)
def test_gradients_of_hand_made(make: Any) -> None:
    outputs = [v for v in make(X, Y) if v.dtype.kind == "f"]
    cost = sum(ga.sum(ga.sin(v)) for v in outputs)
    check_plan([X, Y], [*outputs, *ga.grad(cost, [X, Y], disconnected="zero")], ARRAYS)


@pytest.mark.parametrize("make", HAND_MADE.values(), ids=HAND_MADE)
def test_unknown_sizes(make: Any) -> None:
    x, y = ga.matrix("x"), ga.matrix("y")
    outputs = make(x, y)
    check_plan([x, y], outputs, ARRAYS)


# ---- random plans -------------------------------------------------------------------------------

NUMBERS = st.lists(st.integers(0, 2**16 - 1), min_size=40, max_size=200)


@given(NUMBERS, st.booleans())
def test_random_plans(numbers: list[int], smooth: bool) -> None:
    made = RandomProgram(numbers, smooth)
    note(repr(made))
    check_plan(made.inputs, made.outputs, made.arrays)


@given(NUMBERS)
def test_random_plans_of_gradients(numbers: list[int]) -> None:
    made = RandomProgram(numbers, smooth=True)
    note(repr(made))
    cost = sum(ga.sum(v * ga.cos(v)) for v in made.outputs)
    slopes = ga.grad(cost, made.inputs, disconnected="zero")
    check_plan(made.inputs, [*made.outputs, *slopes], made.arrays)


# ---- the checks can fail ------------------------------------------------------------------------


def broken(**changes: Any) -> Plan:
    """A plan of three steps with one of them changed."""
    a = same(X)
    plan = make_plan(ga.Graph([X, Y], [ga.sin(a) + a.T]))
    steps = list(plan.steps)
    at = next(i for i, step in enumerate(steps) if step.node.op.name == "sin")
    steps[at] = steps[at]._replace(**changes)
    return plan._replace(steps=tuple(steps))


def test_a_wrong_plan_is_noticed() -> None:
    good = broken()
    expected = carry_out(good, ARRAYS)[0]
    number = next(s.inputs[0] for s in good.steps if s.node.op.name == "sin")
    np.testing.assert_array_equal(expected, evaluate(good.graph, ARRAYS)[0])
    with pytest.raises(AssertionError, match="read after its end"):
        carry_out(broken(reuse=number), ARRAYS)
    with pytest.raises(AssertionError, match="read after its end"):
        carry_out(broken(frees=(number,)), ARRAYS)


def test_an_undeclared_view_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ga.OPS.families["transpose"], "is_view", False)
    with pytest.raises(AssertionError, match="undeclared view"):
        carry_out(make_plan(ga.Graph([X], [X.T + 1.0])), ARRAYS[:1])


@pytest.mark.parametrize("sizes", ["static", "unknown"])
def test_every_op_declares_its_views(sizes: str) -> None:
    for case in all_cases():
        inputs = inputs_for(case.arrays, sizes)
        carry_out(make_plan(ga.Graph(inputs, case.build(*inputs))), case.arrays)
