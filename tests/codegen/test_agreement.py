"""Kernels and blocks agree with the interpreter: each group of random graphs on its own.

A group is fed with the interpreter's values of its operands, so that errors do not add up from
group to group. What it may differ by is computed alongside (tests/rounding.py): nothing where it
moves, compares, or takes + − × ÷ √; 4 units in the last place for each other function; sums and
products by what another order may give. Machine code gives the same bits for 1, 2 and 4 threads.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from rounding import bounds, gap

import graphad as ga
from graphad.codegen import blocks, entry, llvm, nest, processor
from graphad.codegen.folding import position
from graphad.codegen.grouping import grouping
from graphad.codegen.kernels import Kernels
from graphad.codegen.native import fused_plan
from graphad.codegen.unfit import Unfit
from graphad.ir.evaluate import evaluate
from graphad.plan.group import Group
from graphad.rewrite.passes import simplify
from graphad.testing import programs
from graphad.testing.programs import RandomProgram

pytest.importorskip("llvmlite")

Array = np.ndarray[Any, Any]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e-40, 1e300, -1e22, 1e5,
                    1.0, -1.0, 700.0, -745.0])  # fmt: skip
EVERYDAY, ALL = 40, 2000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Axes longer than a vector; several blocks, chunks and threads for arrays of that size."""
    monkeypatch.setattr(programs, "SIZES", {"n": 19, "m": 3, "one": 1, "none": 0})
    for module, name, value in ((nest, "BLOCK", 16), (entry, "BLOCK", 16), (entry, "CHUNK", 32),
                                (entry, "RELEASE", 100), (entry, "SHARE", 150),
                                (blocks, "SMALLEST", 16), (blocks, "BUDGET", 1),
                                (blocks, "SHARE", 0)):  # fmt: skip
        monkeypatch.setattr(module, name, value)


# ---- graphs ----------------------------------------------------------------------------------
def drawn(seed: int) -> tuple[ga.Graph, list[Array]]:
    """A random graph, rewritten or as built, with gradients or without; its arguments."""
    rng = np.random.default_rng(seed)
    made = RandomProgram(rng.integers(0, 2**16, 200), smooth=seed % 4 == 0)
    outputs = list(made.outputs)
    if made.smooth:
        cost = sum([ga.sum(v * ga.cos(v)) for v in outputs])
        outputs += ga.grad(cost, made.inputs, disconnected="zero")
    graph = ga.Graph(made.inputs, outputs)
    if seed % 3:
        graph, _ = simplify(graph)
    return graph, [a if made.smooth else _with_special(rng, a) for a in made.arrays]


def _with_special(rng: np.random.Generator, array: Array) -> Array:
    """Zeros, infinities, NaN, subnormal and huge numbers at a third of the places."""
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):
        numbers = rng.choice(SPECIAL, array.shape).astype(array.dtype)
    return np.where(rng.uniform(size=array.shape) < 0.3, numbers, array)


def interpreted(graph: ga.Graph, arrays: Sequence[Array]) -> dict[ga.Variable, Array]:
    """The interpreter's value of every variable."""
    computed = [v for node in graph.nodes for v in node.outputs]
    found = evaluate(ga.Graph(graph.inputs, computed), arrays)
    constants = {v: v.value for node in graph.nodes for v in node.inputs
                 if isinstance(v, ga.ir.variable.Constant)}  # fmt: skip
    given = dict(zip(graph.inputs, map(np.asarray, arrays), strict=True))
    return {**constants, **given, **dict(zip(computed, found, strict=True))}


# ---- groups ----------------------------------------------------------------------------------
Compute = Callable[[Sequence[Any], Sequence[Array]], Sequence[Array]]


def by_kernels(graph: ga.Graph) -> Iterator[tuple[Group, Compute]]:
    """Each group in machine code; bits are the same for 1, 2 and 4 threads."""
    plan = fused_plan(graph)
    groups = [] if plan is None else [step.group for step in plan.steps if step.group is not None]
    kernels = Kernels(groups, 4).functions if groups else []
    for group, kernel in zip(groups, kernels, strict=True):
        yield group, functools.partial(_on_threads, kernel, group)


def _on_threads(
    kernel: Any, group: Group, operands: Sequence[Any], like: Sequence[Array]
) -> Sequence[Array]:
    results = []
    if group.product is not None:  # what is multiplied is given as a product
        made = position(group)
        operands = [None, operands[made], *operands[:made], *operands[made + 1 :]]
    for threads in (1, 2, 4):
        kernel.__self__.threads = threads
        results.append([np.empty(a.shape, a.dtype) for a in like])
        kernel(*operands, *results[-1])
    bits = [[a.tobytes() for a in found] for found in results]
    assert bits[0] == bits[1] == bits[2]
    return results[0]


def by_blocks(graph: ga.Graph) -> Iterator[tuple[Group, Compute]]:
    """Each group by NumPy in blocks."""
    made = grouping(graph, 4)
    for group, function in (made[1] if made else {}).items():
        yield group, functools.partial(_in_blocks, function)


def _in_blocks(function: Any, operands: Sequence[Any], like: Sequence[Array]) -> Sequence[Array]:
    with np.errstate(all="ignore"):
        found = function(*operands)
    return [np.asarray(a) for a in (found if len(like) > 1 else (found,))]


def checked(seed: int, groups: Callable[[ga.Graph], Iterator[tuple[Group, Compute]]]) -> Counter:
    """Compare all groups of one graph; how many results there were, and of which kind."""
    graph, arrays = drawn(seed)
    values = interpreted(graph, arrays)
    count: Counter[str] = Counter()
    for group, compute in groups(graph):
        operands = [values[v][()] if not v.ndim else np.ascontiguousarray(values[v])
                    for v in group.arguments]  # fmt: skip
        try:
            results = compute(operands, [values[v] for v in group.outputs])
        except Unfit:  # no elements, or sizes that broadcast only now
            count["unfit"] += 1
            continue
        allowed = bounds(group, values)
        for variable, result in zip(group.outputs, results, strict=True):
            compare(seed, group, result, values[variable], allowed[variable])
            count["exact" if not np.any(allowed[variable]) else "near"] += 1
            count["special"] += not np.all(np.isfinite(values[variable]))
            count["open"] += bool(np.any(np.isinf(allowed[variable])))
    return count


def compare(seed: int, group: Group, found: Array, expected: Array, allowed: Array) -> None:
    """Within bounds; where these are 0, the same number with the same sign."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    apart = gap(found, expected)
    wrong = apart > allowed
    if found.dtype.kind == "f":
        wrong |= (allowed == 0) & (np.signbit(found) != np.signbit(expected)) & (expected == 0)
    if np.any(wrong):
        i = np.unravel_index(np.argmax(wrong), wrong.shape)
        names = [node.op.name for node in group.nodes]
        raise AssertionError(f"seed {seed}, {group} of {names}: {found[i]!r}, not {expected[i]!r} "
                             f"± {allowed[i]:.3g}")  # fmt: skip


RUNS = {"kernels": by_kernels, "blocks": by_blocks}


@pytest.fixture
def bits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Vectors of at most so many bits."""
    monkeypatch.setenv(processor.VARIABLE, str(request.param))
    llvm.look_again()
    yield request.param
    llvm.look_again()


def all_of(seeds: Iterable[int], groups: Any) -> Counter[str]:
    return sum((checked(seed, groups) for seed in seeds), Counter())


@pytest.mark.parametrize("groups", RUNS.values(), ids=RUNS)
def test_groups_of_random_graphs(groups: Any) -> None:
    count = all_of(range(EVERYDAY), groups)
    assert min(count["exact"], count["near"]) > EVERYDAY // 2 and count["special"] > 2, count
    assert count["open"] < count["near"] // 5, count  # where anything would be right


@pytest.mark.parametrize("bits", [128, 256], indirect=True)
def test_groups_with_narrower_vectors(bits: int) -> None:
    assert llvm.width() <= bits and all_of(range(10), by_kernels)


@pytest.mark.full
@pytest.mark.parametrize("groups", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("start", range(0, ALL, 100))
def test_groups_of_many_random_graphs(start: int, groups: Any) -> None:
    assert all_of(range(start, start + 100), groups)


@pytest.mark.full
@pytest.mark.parametrize("bits", [128, 256], indirect=True)
@pytest.mark.parametrize("start", range(0, ALL // 4, 100))
def test_many_groups_with_narrower_vectors(start: int, bits: int) -> None:
    assert all_of(range(start, start + 100), by_kernels)
