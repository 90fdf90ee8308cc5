"""Indices that take everything, and sums with an array that is mostly zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.passes import simplify

X, V = ga.matrix("x", shape=("n", 5)), ga.vector("v", shape=(5,))
I = ga.vector("i", dtype="int64", shape=("n",))  # noqa: E741


def names(*outputs: Any) -> list[str]:
    return [n.op.name for n in simplify(ga.Graph.of(outputs))[0].nodes]


def test_indices_that_take_everything() -> None:
    assert names(X[:, None]) == names(X[None, :, None]) == ["expand_dims"]
    assert names(X[1:, None]) == ["getitem"]
    gradient = ga.grad(ga.sum(ga.exp(X[:, None]) * V[None, :, None]), V)
    assert "unslice" not in names(gradient)


def test_sums_with_places() -> None:
    y = ga.exp(X)
    gradient = ga.grad(ga.sum(y) + ga.sum(X[ga.arange(X.shape[0]), I]), X)
    assert "scatter_add" not in names(gradient) and "index_add" in names(gradient)


CASES: dict[str, Any] = {
    "rows": lambda: ga.grad(ga.sum(ga.exp(X)) + ga.sum(X[ga.arange(X.shape[0]), I] ** 2), X),
    "repeated": lambda: ga.grad(ga.sum(ga.exp(V)) + ga.sum(ga.sin(V[I])), V),
    "read again": lambda: [(y := ga.exp(X)), ga.index_add(y, [0], 1.0), y * 2],
    "a view of itself": lambda: ga.index_add(y := ga.exp(X), slice(None, 1), y[-1:]),
    "a view of another": lambda: ga.index_add(ga.exp(X).T, 0, X[:, 0]),
    "slices": lambda: ga.index_add(ga.exp(X), slice(1, 2), X[1:2]) * 2,
    "a result": lambda: [y := ga.index_add(ga.exp(X), (0, 1), 3.0), y + 1],
    "of an input": lambda: [ga.index_add(X, [0, 0], 1.0), X + 1],
    "twice": lambda: ga.index_add(ga.index_add(ga.exp(X), [0], 1.0), [0], 2.0),
}


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("name", CASES)
def test_values(name: str, backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    outputs = CASES[name]()
    f, reference = (ga.function([X, V, I], outputs, backend=b, unused="ignore", debug=True)
                    for b in (backend, "interpreter"))  # fmt: skip
    x, v = np.linspace(-1, 1, 20).reshape(4, 5), np.linspace(0, 1, 5)
    for i in ([0, 1, 2, 3], [4, 4, -1, 0], [2, 2, 2, 2]):
        arrays = [x.copy(), v.copy(), np.array(i)]
        found, expected = f(*arrays), reference(*arrays)
        for a, b in zip(*[r if isinstance(r, list) else [r] for r in (found, expected)],
                        strict=True):  # fmt: skip
            np.testing.assert_allclose(a, b, rtol=1e-14)
        np.testing.assert_array_equal(arrays[0], x)


def test_it_works_in_place() -> None:
    f = ga.function([X, I], ga.index_add(ga.exp(X), (ga.arange(X.shape[0]), I), 1.0))
    assert "array(" not in f.source and f.plan.steps[-1].reuse is not None
