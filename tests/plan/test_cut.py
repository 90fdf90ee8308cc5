"""The least memory that a stretch of a graph hands on, against all other choices."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

import graphad as ga
from graphad.ir.variable import Apply, Variable
from graphad.plan import budget
from graphad.plan.cost import nbytes
from graphad.plan.cut import least_kept

pytest.importorskip("networkx")


def is_enough(
    kept: set[Variable], read: Variable, here: set[Variable], free: set[Variable],
    may_repeat: Callable[[Apply], bool],
) -> bool:  # fmt: skip
    """Can `read` be computed from what is kept?"""
    if read in kept or read in free:
        return True
    if read not in here or read.owner is None or not may_repeat(read.owner):
        return False
    return all(is_enough(kept, v, here, free, may_repeat) for v in read.owner.inputs)


@pytest.mark.parametrize("seed", range(25))
def test_no_smaller_choice_is_enough(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, before = ga.matrix("x", shape=(6, 4)), ga.exp(ga.matrix("z", shape=(6, 4)))
    made = [x, before]
    for _ in range(9):
        a, b = (made[i] for i in rng.integers(max(len(made) - 4, 0), len(made), size=2))
        kind = rng.integers(4)
        made.append([ga.sin(a), a * b, a.sum(axis=1, keepdims=True), ga.exp(a) + b][kind])
    graph = ga.Graph.of([*made[-2:]])
    nodes = [n for n in graph.nodes if n is not before.owner]
    sizes = {v: int(nbytes(v.type)) for n in nodes for v in n.outputs}
    read, free = [v for v in made[-2:] if v in sizes], {x}
    may_repeat = lambda node: node.op.name != "exp"  # noqa: E731
    found = least_kept(nodes, sizes, read, free, may_repeat)
    here = set(sizes)
    assert all(is_enough(found, v, here, free, may_repeat) for v in read)
    best = min(
        sum(sizes[v] for v in choice)
        for count in range(len(here) + 1)
        for choice in itertools.combinations(here, count)
        if all(is_enough(set(choice), v, here, free, may_repeat) for v in read)
    )
    assert sum(sizes[v] for v in found) == best


def branches(depth: int = 8) -> tuple[list[Variable], list[Variable]]:
    """Narrow places in two branches, at different distances from where these meet."""
    x = h = ga.matrix("x", shape=("n", 8))
    for _ in range(depth):
        r = (ga.tanh(ga.sin(h)) * h).sum(axis=1, keepdims=True)
        u = ga.exp(-r * r) * np.arange(8.0) + r
        for _ in range(3):
            u = ga.sin(u) * 0.5
        h = u + ga.tanh(ga.cos(h).mean(axis=1, keepdims=True) * np.arange(8.0))
    loss = h.sum()
    return [x], [loss, ga.grad(loss, x)]


def test_narrow_places_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With less computed again than by positions in the order alone; results are the same."""
    inputs, outputs = branches()
    plain = ga.function(inputs, outputs, backend="numpy")
    allowed = int(plain.plan.peak_bytes(n=1000) * 0.65)
    given = {"backend": "numpy", "memory_budget": allowed, "sizes": {"n": 1000}}
    tight = ga.function(inputs, outputs, **given)  # type: ignore[arg-type]
    monkeypatch.setattr(budget, "has_networkx", lambda: False)
    by_position = ga.function(inputs, outputs, **given)  # type: ignore[arg-type]
    assert len(plain.plan.steps) < len(tight.plan.steps) < len(by_position.plan.steps)
    assert max(f.plan.peak_bytes(n=1000) for f in (tight, by_position)) <= allowed
    a = np.random.default_rng(0).normal(size=(1000, 8))
    for found, expected in zip(tight(a), plain(a), strict=True):
        np.testing.assert_array_equal(found, expected)
