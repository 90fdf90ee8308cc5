"""Random programs of many ops: batched = row by row, in value and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import compiled, interpret
from graphad.testing.programs import RandomProgram

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:numpy")
SEEDS = [*range(40), *[pytest.param(seed, marks=pytest.mark.full) for seed in range(40, 500)]]


def program(seed: int, smooth: bool) -> RandomProgram:
    numbers = np.random.default_rng(seed).integers(0, 2**16, 60)
    return RandomProgram(numbers.tolist(), smooth=smooth)


def stacks_of(made: RandomProgram, seed: int) -> tuple[dict[Any, Any], list[list[np.ndarray]]]:
    """(some of the inputs → stacks, the arguments of each row). Floats are moved a little."""
    rng = np.random.default_rng(seed)
    chosen = rng.random(len(made.inputs)) < 0.7
    chosen[rng.integers(len(chosen))] = True
    rows: list[list[np.ndarray]] = [[] for _ in range(3)]
    stacks = {}
    for variable, array, mapped in zip(made.inputs, made.arrays, chosen, strict=True):
        moved = [array] * 3
        if mapped and array.dtype.kind == "f":
            noise = [1 + 1e-6 * rng.normal(size=array.shape) for _ in range(3)]
            moved = [(array * factor).astype(array.dtype) for factor in noise]
        for row, given in zip(rows, moved, strict=True):
            row.append(given)
        if mapped:
            size = rng.choice(np.array([None, "rows", 3], object))
            stacks[variable] = (ga.tensor(None, (size, *variable.type.shape), variable.dtype),
                                np.stack(moved))  # fmt: skip
    return stacks, rows


def check(made: RandomProgram, outputs: list[Any], seed: int, bound: float) -> None:
    stacks, rows = stacks_of(made, seed)
    variables = {v: stack for v, (stack, _) in stacks.items()}
    names = {s.type.shape[0] for s in variables.values() if not isinstance(s.type.shape[0], int)}
    if 3 in [s.type.shape[0] for s in variables.values()] and any(d.name for d in names):
        return  # a name and a number: refused
    batched = ga.vectorize_graph(outputs, variables)
    inputs = [variables.get(v, v) for v in made.inputs]
    arrays = [stacks[v][1] if v in stacks else a
              for v, a in zip(made.inputs, made.arrays, strict=True)]  # fmt: skip
    one = interpret(made.inputs, outputs)
    expected = list(zip(*[one(*row) for row in rows], strict=True))
    for runner in (interpret, compiled):
        for value, column, old, new in zip(
            runner(inputs, batched)(*arrays), expected, outputs, batched, strict=True
        ):
            wanted = np.stack(column) if new.ndim > old.ndim else column[0]
            assert np.shape(value) == wanted.shape and value.dtype == wanted.dtype
            np.testing.assert_allclose(value, wanted, rtol=bound, atol=bound)


@pytest.mark.parametrize("seed", SEEDS)
def test_values(seed: int) -> None:
    """All dtypes, empty arrays, infinities and NaN."""
    made = program(seed, smooth=False)
    sizes = {a.dtype.itemsize for _, a in made.values if a.dtype.kind == "f"}
    bound = 2e-2 if 2 in sizes else 2e-4 if 4 in sizes else 1e-9
    check(made, made.outputs, seed, bound)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients(seed: int) -> None:
    made = program(seed, smooth=True)
    cost = sum(ga.sum(v * ga.cos(v)) for v in made.outputs)
    slopes = ga.grad(cost, made.inputs, disconnected="zero")
    check(made, slopes, seed, 1e-7)
