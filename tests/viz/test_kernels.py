"""Pictures of a plan: what a kernel computes stands in one frame, whatever its phase."""

from __future__ import annotations

import numpy as np
import pytest

import graphad as ga

pytest.importorskip("llvmlite")


def step() -> ga.Function:
    x = ga.matrix("x", shape=("n", 4))
    with ga.scope("model"):
        cost = ga.logsumexp(ga.tanh(x), axis=1).sum()
    return ga.function([x], [cost, ga.grad(cost, x)], backend="llvm")


def test_frames() -> None:
    f = step()
    names = set(f.plan.kernels.values())
    assert "kernel0 [i<n, j<4]" in names
    dot = ga.viz.to_dot(f.plan)
    assert dot.count("kernel0 [i<n, j<4]") == 1 and "gradient of kernel0" not in dot
    assert "kernel0" in ga.viz.to_mermaid(f.plan)
    assert "kernel0" not in ga.viz.to_dot(f)


def test_profiles_have_them_too() -> None:
    found = step().profile(np.ones((500, 4)), seconds=0.01)
    dot = ga.viz.to_dot(found)
    assert "kernel0 [i<n, j<4]" in dot and "share of the time" in dot


def test_without_kernels() -> None:
    x = ga.matrix("x", shape=("n", 4))
    f = ga.function([x], ga.exp(x), backend="numpy")
    assert f.plan.kernels == {} and "exp" in ga.viz.to_dot(f.plan)
