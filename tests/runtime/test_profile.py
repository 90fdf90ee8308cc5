"""Costs before running, and profiles after."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import large
from graphad.errors import InputError, UseError
from graphad.runtime import machine, profile
from graphad.viz.style import heat_colour


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "COPY", 1 << 16)
    monkeypatch.setattr(machine, "ORDER", 16)


def network(**options: Any) -> tuple[ga.Function, list[Any]]:
    x, w = ga.matrix("x", shape=("n", 8)), ga.matrix("w", shape=(8, 4))
    loss = (ga.tanh(x @ w) ** 2).sum()
    f = ga.function([x, w], [loss, ga.grad(loss, w)], **{"backend": "numpy", **options})
    rng = np.random.default_rng(0)
    return f, [rng.normal(size=(50, 8)), rng.normal(size=(8, 4))]


# ---- cost --------------------------------------------------------------------------------------
N, M = ga.vector("x", shape=("n",)).shape[0], 5
X, A = ga.vector("x", shape=("n",)), ga.matrix("a", shape=("n", 5))
COSTS = {
    "elementwise": ([X], lambda: ga.exp(X), N, 16 * N),
    "reduction": ([A], lambda: A.sum(axis=1), 5 * N, 40 * N + 8 * N),
    "product": ([A], lambda: A @ np.ones((5, 3)), 30 * N, 40 * N + 120 + 24 * N),
    "einsum": ([A], lambda: ga.einsum("ij,ik->jk", A, A), 50 * N, 40 * N + 200),
    "view": ([A], lambda: A.T, 0, 0),
    "gather": ([X], lambda: X[np.array([0, 1, 0])], 0, 8 * N + 24 + 24),
    "inner": ([A], lambda: ga.apply_along_axis(lambda r: ga.exp(r) * 2, 1, A), 10 * N, 80 * N),
    "float32": ([X], lambda: X.astype("float32"), N, 12 * N),
}  # fmt: skip


@pytest.mark.parametrize("name", COSTS)
def test_formulas(name: str) -> None:
    inputs, make, flops, moved = COSTS[name]
    found = ga.function(inputs, make(), backend="numpy").cost()
    assert (found.flops, found.bytes) == (flops, moved)


def test_scans_cost_all_their_steps() -> None:
    last, _ = ga.scan(lambda c, r: (c * r + c, None), 1.0, X)
    found = ga.function([X], last, backend="numpy").cost()
    assert found(n=100).flops == 200


def test_numbers_come_from_sizes() -> None:
    f, _ = network()
    cost = f.cost()
    assert cost(n=50).flops == cost.flops.evaluate({("name", "n"): 50})
    assert cost(n=50).peak_bytes == f.plan.peak_bytes(n=50)
    with pytest.raises(UseError, match="size n"):
        cost(m=3)
    assert "matmul" in str(cost)
    assert "peak memory" in str(cost)


def test_the_peak_is_the_plans_at_all_sizes() -> None:
    f, _ = network()
    for n in (1, 2, 7, 100):
        assert f.cost()(n=n).peak_bytes == f.plan.peak_bytes(n=n)


def test_inner_graphs_hold_memory() -> None:
    a = ga.vector("a", shape=(1000,))
    last, _ = ga.scan(lambda c, _: ((ga.exp(a) + ga.sin(a * c)).sum(), None), 1.0, length=3)
    f = ga.function([a], last, backend="numpy")
    assert f.plan.peak_bytes() >= 2 * 8000


# ---- profile -----------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", ["numpy", "auto", "llvm"])
def test_steps_make_up_the_call(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    f, arrays = network(backend=backend)
    ticks = itertools.count()  # one at each look at the clock
    monkeypatch.setattr(profile, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    found = f.profile(*arrays, seconds=1.0)
    assert len(found.steps) == len(f.plan.steps)
    steps, lines = sum(r.seconds for r in found.steps), sum(r.seconds for r in found.lines)
    assert [row.seconds for row in found.steps] == [1.0] * len(found.steps)
    assert found.seconds == len(found.steps) + 1  # the last look comes after the last step
    assert lines == pytest.approx(steps)
    cost = f.cost()(n=50)
    assert sum(r.flops or 0 for r in found.steps) == cost.flops
    assert sum(r.bytes or 0 for r in found.steps) == cost.bytes
    assert sum(r.flops or 0 for r in found.lines) == cost.flops


def test_lines_are_those_of_the_user() -> None:
    f, arrays = network()
    labels = [row.label for row in f.profile(*arrays, seconds=0.001).lines]
    assert all(re.fullmatch(r"test_profile\.py:\d+( \(derivative\))?", one) for one in labels)
    assert len(labels) == len(set(labels)) > 1


def test_tables() -> None:
    f, arrays = network()
    found = f.profile(*arrays, seconds=0.001)
    text = str(found)
    for word in ("by line", "by step", "GB/s (of copy)", "GFLOP/s (of matmul)", "matmul  test_"):
        assert word in text
    assert found._repr_html_().startswith("<table><tr><td>by line</td>")


def test_large_arrays_and_their_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "FROM", 1000)
    x = ga.vector("x", shape=("n",))
    f = ga.function([x], ga.exp(x) * x + 1, backend="numpy")
    small = f.profile(np.ones(10), seconds=0.001)
    assert [r.label.split()[0] for r in small.steps] == ["exp", "multiply", "add"]
    (row,) = f.profile(np.ones(2000), seconds=0.001).steps
    assert row.label.startswith("exp multiply add")
    assert row.flops == 6000
    assert row.bytes == 32_000 + 8  # the constant


def test_scalars_are_profiled_as_arrays() -> None:
    x = ga.scalar("x")
    found = ga.function([x], ga.sin(x) * x).profile(0.5, seconds=0.001)
    assert [r.label.split()[0] for r in found.steps] == ["sin", "multiply"]


def test_cells_stay_as_they_are() -> None:
    w = ga.shared(np.ones(3), name="w")
    f = ga.function([], w.sum(), updates={w: w * 2})
    f.profile(seconds=0.001)
    np.testing.assert_array_equal(w.value, np.ones(3))


def test_arguments_are_checked() -> None:
    f, arrays = network()
    with pytest.raises(InputError):
        f.profile(arrays[0])
    with pytest.raises(UseError, match="seconds"):
        f.profile(*arrays, seconds=0)
    interpreted, _ = network(backend="interpreter")
    with pytest.raises(UseError, match="interpreted"):
        interpreted.profile(*arrays)


# ---- pictures ----------------------------------------------------------------------------------
def test_pictures_are_coloured_by_time(tmp_path: Path) -> None:
    f, arrays = network()
    found = f.profile(*arrays, seconds=0.001)
    dot, mermaid = ga.viz.to_dot(found), ga.viz.to_mermaid(found)
    assert "share of the time" in dot
    assert dot.count(" µs, ") == mermaid.count(" µs, ") == mermaid.count("  style g") > 3
    hottest = max(found.heat.values()) / sum(found.heat.values())
    assert heat_colour(hottest) in dot
    assert "share of the time" not in ga.viz.to_dot(f)
    assert "style g" not in ga.viz.to_mermaid(f)
