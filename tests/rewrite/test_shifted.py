"""Maxima that are taken away by hand against overflow, and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphad as ga

X = ga.matrix("x", shape=(4, 4))
VALUE = np.random.default_rng(0).normal(size=(4, 4)) * 3
TOP = X.max(axis=1, keepdims=True)
E, L = ga.exp, ga.log


def names(*outputs: ga.Variable) -> list[str]:
    f = ga.function([X], list(outputs), backend="numpy")
    return [node.op.name for node in f.plan.graph.nodes]


SAME: dict[str, Callable[[], ga.Variable]] = {
    "kept": lambda: L(E(X - TOP).sum(1, keepdims=True)) + TOP,
    "index": lambda: L(E(X - TOP).sum(1)) + TOP[:, 0],
    "squeezed": lambda: ga.squeeze(TOP, 1) + L(E(X - TOP).sum(1)),
    "inserted": lambda: L(E(X - X.max(axis=1)[:, None]).sum(1)) + X.max(axis=1),
    "stopped": lambda: L(E(X - ga.stop_gradient(TOP)).sum(1)) + ga.stop_gradient(TOP)[:, 0],
    "whole": lambda: L(E(X - X.max()).sum()) + X.max(),
    "shares": lambda: E(X - TOP) / E(X - TOP).sum(axis=1, keepdims=True),
    "log shares": lambda: (X - TOP) - L(E(X - TOP).sum(axis=1, keepdims=True)),
}
OTHER: dict[str, Callable[[], ga.Variable]] = {
    "of another axis": lambda: L(E(X - X.max(axis=0)).sum(1)) + X.max(axis=0),
    "of all": lambda: L(E(X - X.max()).sum(1)) + X.max(),
    "of another array": lambda: L(E(X - (2 * X).max(1, keepdims=True)).sum(1)) + TOP[:, 0],
    "turned": lambda: L(E(X - TOP.reshape((1, -1))).sum(1)) + TOP[:, 0],
    "of some": lambda: L(E(X - X[:, :3].max(1, keepdims=True)).sum(1)) + X[:, :3].max(1),
    "not the first": lambda: L(E(X - TOP).sum(1)) + 2 * TOP[:, 0],
    "shares of another axis": lambda: E(X - TOP) / E(X - TOP).sum(axis=0),
    "subtracted again": lambda: (X - TOP) - L(E(X - X.max(0)).sum(axis=1, keepdims=True)),
}


@pytest.mark.parametrize("name", SAME)
def test_no_maximum_is_left(name: str) -> None:
    y = SAME[name]()
    assert not {"max", "equal"} & {*names(y, ga.grad(ga.sum(y * y), X))}


@pytest.mark.parametrize("name", OTHER)
def test_another_maximum_stays(name: str) -> None:
    assert "max" in names(OTHER[name]())


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_values_and_derivatives(name: str) -> None:
    """Against the interpreter, which computes what was written, and against differences."""
    y = {**SAME, **OTHER}[name]()
    cost = ga.sum(y * y)
    slope = ga.grad(cost, X)
    second = ga.grad(ga.sum(slope * slope), X)
    found = ga.function([X], [y, cost, slope, second], backend="numpy")(VALUE)
    written = ga.function([X], y, backend="interpreter")(VALUE)
    np.testing.assert_allclose(found[0], written, rtol=1e-13, atol=1e-13)
    f = ga.function([X], [cost, slope], backend="numpy")
    step = 1e-5
    for place in [(0, 0), (1, 2), (3, 3)]:
        ends = [VALUE.copy(), VALUE.copy()]
        for end, sign in zip(ends, (1, -1), strict=True):
            end[place] += sign * step
        high, low = f(ends[0]), f(ends[1])
        np.testing.assert_allclose((high[0] - low[0]) / (2 * step), found[2][place],
                                   rtol=1e-6, atol=1e-6)  # fmt: skip
        squares = [np.sum(v[1] ** 2) for v in (high, low)]
        np.testing.assert_allclose((squares[0] - squares[1]) / (2 * step), found[3][place],
                                   rtol=1e-5, atol=1e-5)  # fmt: skip


def test_ties_share_the_slope() -> None:
    slope = ga.function([X], ga.grad(ga.sum(SAME["index"]()), X))(np.zeros((4, 4)))
    np.testing.assert_array_equal(slope, np.full((4, 4), 0.25))


def test_a_maximum_that_is_asked_for_keeps_its_derivative() -> None:
    y = ga.sum(L(E(X - TOP).sum(1)) + TOP[:, 0])
    by_x, by_top = ga.function([X], ga.grad(y, [X, TOP]))(VALUE)
    e = np.exp(VALUE - VALUE.max(1, keepdims=True))
    np.testing.assert_allclose(by_x, e / e.sum(1, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(by_top, 0.0, atol=1e-14)
