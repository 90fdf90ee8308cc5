"""Branches: only the taken one runs, and only it is differentiated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import check_grads

BACKENDS = ("interpreter", "numpy", "llvm")


def test_only_the_taken_branch_runs() -> None:
    ran: list[str] = []

    def noted(name: str) -> Any:
        def note(x: Any) -> Any:
            ran.append(name)
            return np.asarray(x)

        return ga.primitive(note, outputs=lambda t: t)

    left, right = noted("left"), noted("right")
    x = ga.scalar("x")
    y = ga.cond(x > 0, left, right, x)
    for backend in BACKENDS:
        f = ga.function([x], y, backend=backend)
        ran.clear()
        f(1.0), f(-1.0)
        assert ran == ["left", "right"]


def test_outside_is_outside_and_inside_is_inside() -> None:
    """A branch without arguments keeps its own nodes; what was built before is an operand."""
    x = ga.vector("x", 3)
    h = ga.exp(x)
    y = ga.cond(x[0] > 0, lambda: ga.sin(h).sum(), lambda: ga.cos(h).sum())
    graph = ga.Graph.of([y])
    assert [n.op.name for n in graph.nodes if n.op.name in ("exp", "sin", "cos", "sum")] == ["exp"]
    slopes = ga.function([x], [ga.grad(y, h), ga.grad(y, x)])
    at = np.array([0.5, -0.2, 0.1])
    by_h, by_x = slopes(at)
    np.testing.assert_allclose(by_h, np.cos(np.exp(at)))
    np.testing.assert_allclose(by_x, np.cos(np.exp(at)) * np.exp(at))


@pytest.mark.parametrize("at", [-1.3, 0.7])
def test_gradients(at: float) -> None:
    def f(x: Any, w: Any) -> Any:
        def left(v: Any) -> Any:
            return {"a": ga.sin(v["w"] * x), "b": [v["x"] ** 2]}

        def right(v: Any) -> Any:
            return {"a": v["w"] * 2.0, "b": [ga.exp(v["x"]) * v["w"].sum()]}

        return ga.cond(x > 0, left, right, {"x": x, "w": w})

    check_grads(f, [np.float64(at), np.array([0.3, 0.4])], order=2)


def test_switch() -> None:
    def f(x: Any) -> Any:
        def g(i: int) -> Any:
            return ga.switch(
                i, [ga.sin, lambda v: v**3, lambda v: ga.cond(v > 1, ga.exp, ga.cos, v)], x
            )

        return [g(0), g(1), g(2)]

    check_grads(f, [np.float64(0.6)], order=2)
    check_grads(f, [np.float64(1.6)], order=2)


def test_disconnected_branches_give_zeros() -> None:
    x, z = ga.scalar("x"), ga.scalar("z")
    y = ga.cond(x > 0, lambda a, b: a * a, lambda a, b: b * 3, x, z)
    f = ga.function([x, z], ga.grad(y, [x, z]), unused="ignore")
    assert [float(v) for v in f(2.0, 1.0)] == [4.0, 0.0]
    assert [float(v) for v in f(-2.0, 1.0)] == [0.0, 3.0]


def test_zeros_are_strong() -> None:
    """Nothing of sqrt at 0 is seen where another branch was taken, however it is reached."""
    x = ga.scalar("x")
    root = ga.sqrt(x)
    y = ga.cond(x > 0, lambda: root * 2, lambda: 0 * x)
    slope = ga.grad(y, x)
    for backend in BACKENDS:
        f = ga.function([x], [slope, ga.grad(slope, x)], backend=backend)
        assert [float(v) for v in f(0.0)] == [0.0, 0.0]
        assert float(f(4.0)[0]) == 0.5


def test_sizes_may_differ_at_run_time() -> None:
    x = ga.vector("x")
    y = ga.cond(x.sum() > 0, lambda v: v[1:], lambda v: v[:-2], x)
    f = ga.function([x], [y, ga.grad((y**2).sum(), x)])
    assert [list(v) for v in f([1.0, 2.0, 3.0])] == [[2.0, 3.0], [0.0, 4.0, 6.0]]
    assert [list(v) for v in f([-1.0, -2.0, -3.0])] == [[-1.0], [-2.0, 0.0, 0.0]]


def test_index_out_of_range() -> None:
    i, x = ga.scalar("i", dtype="int64"), ga.scalar("x")
    f = ga.function([i, x], ga.switch(i, [ga.sin, ga.cos], x))
    with pytest.raises(ga.errors.IndexingError, match="index 2 with 2 branches"):
        f(2, 1.0)


def test_different_branches_are_named() -> None:
    x = ga.scalar("x")
    with pytest.raises(ga.errors.DTypeError) as caught:
        ga.cond(x > 0, lambda v: {"h": v}, lambda v: {"h": v.astype("float32")}, x)
    text = str(caught.value)
    assert "result['h'] is float32[] and float64[]" in text
    assert text.count("test_branches.py:") >= 2 and "astype" in text
    with pytest.raises(ga.errors.ShapeError, match="broadcast_to"):
        ga.cond(x > 0, lambda v: v, lambda v: ga.stack([v, v]), x)
    with pytest.raises(ga.errors.GraphError, match="different containers"):
        ga.cond(x > 0, lambda v: [v], lambda v: [v, v], x)


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda x: ga.cond(x > 0, ga.sin, ga.cos, 1.0), ga.errors.UseError, "not a scalar"),
        (lambda x: ga.cond(True, 3, ga.cos, x), ga.errors.UseError, "true_fn is int"),
        (lambda x: ga.switch(0, [], x), ga.errors.UseError, "pass a list of functions"),
        (lambda x: ga.switch(0.5, [ga.sin], x), ga.errors.UseError, "not an integer scalar"),
        (lambda x: ga.switch(0, [ga.sin, 2], x), ga.errors.UseError, "fns[1] is int"),
    ],
)
def test_refused(build: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind) as caught:
        build(ga.vector("x", 2))
    assert words in str(caught.value)


def test_python_if_names_cond() -> None:
    x = ga.scalar("x")
    with pytest.raises(ga.errors.UseError, match=r"ga\.cond"):
        if x > 0:
            pass
