"""Linear systems are solved by what is known of their matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.systems import improve, triangle

pytest.importorskip("scipy")
N = 150
A, B, V = ga.matrix("a", shape=(N, N)), ga.matrix("b", shape=(N, 3)), ga.vector("v", shape=(N,))
SMALL = ga.matrix("s", shape=(5, 5))


def names(*outputs: ga.Variable) -> list[str]:
    return [n.op.name for n in improve(ga.Graph.of(outputs)).nodes]


def values() -> dict[ga.Variable, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, N))
    return {A: x @ x.T + N * np.eye(N) + np.tril(x), B: rng.normal(size=(N, 3)),
            V: rng.normal(size=N), SMALL: x[:5, :5] + 5 * np.eye(5)}  # fmt: skip


def test_triangles() -> None:
    lower = ga.linalg.cholesky(A)
    graph = improve(ga.Graph.of([ga.linalg.solve(lower, B), ga.linalg.solve(lower.T, B)]))
    kinds = [n.op.params["triangle"] for n in graph.nodes if n.op.name == "solve"]
    assert sorted(kinds) == ["lower", "upper"]
    assert triangle(lower + lower) == "" and triangle(A) == ""


def test_factors_are_shared() -> None:
    solve = ga.linalg.solve
    assert names(solve(A, B), solve(A, V)).count("lu") == 1
    assert "solve" not in names(solve(A, B), solve(A.T, V))
    assert "lu" not in names(solve(A, B), solve(SMALL, SMALL), solve(SMALL.T, SMALL))


def gram(a: ga.Variable) -> ga.Variable:
    return a @ a.T + np.eye(N)


def test_a_cholesky_factor_serves_symmetric_systems() -> None:
    solve, root = ga.linalg.solve, ga.linalg.cholesky
    symmetric = gram(A)
    found = improve(ga.Graph.of([solve(symmetric, V), solve(symmetric.T, B), root(symmetric)]))
    solved = [n for n in found.nodes if n.op.name == "solve"]
    assert [n.op.params["triangle"] for n in solved] == ["lower", "upper"] * 2
    assert names(solve(symmetric, V), root(symmetric + 1)).count("solve") == 1
    kinds = improve(ga.Graph.of([solve(A, V), root(A)])).nodes  # which part of A is read differs
    assert all(not n.op.params.get("triangle") for n in kinds)
    small = SMALL @ SMALL.T
    assert names(solve(small, SMALL), root(small)).count("solve") == 1


def test_a_cholesky_factor_of_what_is_replaced() -> None:
    """inv(K) @ B is a system of K, and K itself made of a system."""
    inner = gram(A) + ga.linalg.inv(gram(B @ B.T)) @ np.eye(N) * 0
    symmetric = inner @ inner.T
    y = ga.linalg.solve(symmetric, V) + ga.linalg.cholesky(symmetric) @ V
    given = values()
    found, expected = (ga.function([A, B, V], y, backend=b)(*[given[v] for v in (A, B, V)])
                       for b in ("numpy", "interpreter"))  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_inverses() -> None:
    inv = ga.linalg.inv
    for out in (inv(A) @ B, inv(A) @ V, B.T @ inv(A)):
        assert "solve" in names(out) and "inv" not in names(out)
    assert "inv" in names(inv(A) @ B, inv(A) @ inv(A))  # merged, or wanted for itself
    inverse = inv(A)
    assert "inv" in names(inverse @ B, inverse)


CASES: dict[str, Any] = {
    "cholesky": lambda: ga.linalg.solve(ga.linalg.cholesky(A), B),
    "transposed": lambda: ga.linalg.solve(ga.linalg.cholesky(A).T, B),
    "two": lambda: ga.linalg.solve(A, B) + ga.linalg.solve(A.T, V)[:, None],
    "inverse": lambda: ga.linalg.inv(A) @ B + (ga.linalg.inv(A) @ V)[:, None],
    "from the right": lambda: B.T @ ga.linalg.inv(A),
    "log-likelihood": lambda: V @ ga.linalg.solve(A @ A.T, V)
    + ga.sum(ga.log(ga.diagonal(ga.linalg.cholesky(A @ A.T)))),
    "symmetric": lambda: ga.linalg.solve(gram(A), B)
    + ga.linalg.cholesky(gram(A)) @ ga.linalg.solve(gram(A).T, V)[:, None],
    "small": lambda: ga.linalg.solve(SMALL, SMALL.T) + ga.linalg.solve(SMALL.T, SMALL),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_values_and_gradients(name: str, backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    inputs = [A, B, V, SMALL]
    y = CASES[name]()
    outputs = [y, *ga.grad(ga.sum(y * y), inputs, disconnected="zero")]
    found, expected = (ga.function(inputs, outputs, backend=b, unused="ignore")(*values().values())
                       for b in (backend, "interpreter"))  # fmt: skip
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10 * np.abs(b).max(initial=1e-300))


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("name", ["inverse", "two"])
def test_singular_matrices(name: str) -> None:
    f = ga.function([A, B, V], CASES[name](), unused="ignore")
    with pytest.raises(np.linalg.LinAlgError):
        f(np.zeros((N, N)), np.ones((N, 3)), np.ones(N))
