"""Random graphs with bad rows behind masks: all derivatives as if the bad rows were not there.

`graphad.testing.masked` builds them; NaN, infinities and zeros run through square roots,
logarithms, divisions, powers, overflowing exponentials, norms, softmax, matrix products, … before
a selection takes them out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import compiled, interpret
from graphad.testing import masked as tables
from graphad.testing.gradients import Runner
from graphad.testing.masked import MaskedProgram

CHUNK = 50
EVERYDAY = {"interpreter": 5, "compiled": 1}  # chunks
ALL = 200  # chunks, under -m full: 10 000 graphs
RUNNERS: dict[str, Runner] = {"interpreter": interpret, "compiled": compiled}


def outputs(program: MaskedProgram) -> list[ga.Variable]:
    """The cost, its gradients, its derivative along a direction, gradients of the gradients."""
    wrt = program.wrt
    shapes = [a.shape for a in program.good if a.dtype.kind == "f"]
    along = [np.cos(np.arange(np.prod(s, dtype=int))).reshape(s) for s in shapes]
    first = ga.grad(program.cost, wrt, disconnected="zero")
    slope: Any = sum((g * d).sum() for g, d in zip(first, along, strict=True))
    second = ga.grad(slope, wrt, disconnected="zero")
    return [program.cost, *first, ga.jvp(program.cost, wrt, along), *second]


def differences(seed: int, run: Runner, sizes: str) -> list[int] | None:
    """Which outputs a bad row has spoilt; None where the good rows have no finite derivative."""
    program = MaskedProgram(seed, sizes=sizes)
    call = run(program.inputs, outputs(program))
    with np.errstate(all="ignore"):
        good, bad = call(*program.good), call(*program.bad)
    if not all([np.isfinite(a).all() for a in good]):
        return None
    spoilt = []
    for k, (a, b) in enumerate(zip(good, bad, strict=True)):
        scale = max(1.0, float(np.max(np.abs(a))))
        if not (np.isfinite(b).all() and np.all(np.abs(a - b) <= 1e-7 * scale)):
            spoilt.append(k)
    return spoilt


def chunks() -> list[Any]:
    return [
        pytest.param(i, name, id=f"{name}-{i}",
                     marks=() if i < EVERYDAY[name] else pytest.mark.full)
        for name in RUNNERS for i in range(ALL)
    ]  # fmt: skip


@pytest.mark.parametrize(("chunk", "name"), chunks())
def test_bad_rows_leave_no_trace(chunk: int, name: str) -> None:
    seeds = range(chunk * CHUNK, (chunk + 1) * CHUNK)
    sizes = "unknown" if chunk % 2 == (name == "interpreter") else "static"
    found = {seed: differences(seed, RUNNERS[name], sizes) for seed in seeds}
    spoilt = {seed: outputs for seed, outputs in found.items() if outputs}
    assert not spoilt, f"seed -> outputs: {spoilt}\n{MaskedProgram(min(spoilt))!r}"
    assert sum(outputs is not None for outputs in found.values()) > 0.9 * CHUNK


# ---- each operation alone -------------------------------------------------------------------

SINGLE: list[tuple[str, tuple[str, ...], Any]] = [
    *[(f"risky {i}", (kind,), f) for i, f in enumerate(tables.RISKY) for kind in ("r", "rc")],
    *[(f"pair {i}", ("r", "r"), f) for i, f in enumerate(tables.PAIRS)],
    *[(f"{' '.join(kinds)} {i}", kinds, f) for kinds, entries in tables.ROWS_APART.items()
      for i, (_, f) in enumerate(entries)],
]  # fmt: skip


@pytest.mark.parametrize(("kinds", "f"), [s[1:] for s in SINGLE], ids=[s[0] for s in SINGLE])
def test_one_operation_under_a_mask(kinds: tuple[str, ...], f: Any) -> None:
    """Each bad number, alone, in each operand; reverse over reverse and forward over reverse."""
    rng = np.random.default_rng(0)
    rows = np.array([True, False, True, False])
    mask = ga.vector("mask", dtype="bool")
    inputs = [ga.tensor(kind, (None,) * len(tables.SIZES[kind])) for kind in kinds]
    y = f(*inputs)
    cost = np.cos(ga.where(mask if y.ndim == 1 else mask[:, None], y, 0.0)).sum()
    good = [rng.uniform(0.3, 0.7, size=tables.SIZES[kind]) for kind in kinds]
    along = [rng.normal(size=a.shape) for a in good]
    first = ga.grad(cost, inputs, disconnected="zero")
    slope: Any = sum((g * d).sum() for g, d in zip(first, along, strict=True))
    second = [*ga.grad(slope, inputs, disconnected="zero"), *ga.jvp(first, inputs, along)]
    call = interpret([mask, *inputs], [cost, *first, ga.jvp(cost, inputs, along), *second])
    expected = call(rows, *good)
    assert all(np.isfinite(a).all() for a in expected)
    for place, kind in enumerate(kinds):
        for number in tables.BAD if kind.startswith("r") else ():
            bad = [a.copy() for a in good]
            bad[place][1] = number
            bad[place][(3, 0) if kind == "rc" else 3] = number
            for a, b in zip(call(rows, *bad), expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=str(number))


def test_the_graphs_are_worth_something() -> None:
    """Many operations are reached, most graphs hold a risk, and bad rows do make NaN."""
    names: set[str] = set()
    spoilt = strong = 0
    for seed in range(100):
        program = MaskedProgram(seed)
        found = {n.op.name for n in ga.graph.toposort(outputs(program))}
        names |= found
        strong += "strong_multiply" in found or "masked_multiply" in found
        with np.errstate(all="ignore"):
            values = interpret(program.inputs, [v for _, v in program.dirty])(*program.bad)
        spoilt += any(not np.isfinite(v).all() for v in values[3:])
    assert strong > 80 and spoilt > 70
    assert len(names) > 90 and {"sqrt", "matmul", "softmax", "checkpoint", "einsum"} <= names
