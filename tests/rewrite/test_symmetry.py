"""Matrices that are symmetric by their formula are found, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.passes import simplify
from graphad.rewrite.symmetry import is_symmetric

X, POINTS = ga.vector("x", shape=(4,)), ga.matrix("points", shape=(4, 2))
A, B = ga.matrix("a", shape=(4, 4)), ga.matrix("b", shape=(4, 4))
S, W = ga.scalar("s"), ga.vector("w", shape=(2,))
COLUMN, APART = X[:, None], POINTS[:, None, :] - POINTS[None, :, :]
SQUARES = (POINTS * POINTS).sum(1)

SYMMETRIC: dict[str, Callable[[], Any]] = {
    "kernel": lambda: S * ga.exp(-0.5 * ((COLUMN - X) / S) ** 2) + S * ga.eye(4),
    "distances": lambda: (APART**2).sum(-1),
    "weighted distances": lambda: ((APART / W) ** 2).sum(-1),
    "distances by products": lambda: SQUARES[:, None] + SQUARES - 2 * POINTS @ POINTS.T,
    "sum": lambda: A + A.T,
    "product": lambda: A * A.T,
    "gram": lambda: 3 * A @ A.T,
    "gram of the transpose": lambda: A.T @ A,
    "power": lambda: (A + A.T) @ (A + A.T),
    "between": lambda: A @ (B + B.T) @ A.T,
    "maximum": lambda: ga.maximum(A, A.T),
    "functions": lambda: ga.exp(A) + ga.exp(A).T,
    "even": lambda: ga.cos(A - A.T) + ga.abs(COLUMN - X),
    "two odd ones": lambda: (A - A.T) * (B - B.T) + ga.sin(COLUMN - X) * (COLUMN - X),
    "outer": lambda: ga.outer(X, X),
    "chosen": lambda: ga.where((A + A.T) > 0, B + B.T, 0.0),
    "constant": lambda: A @ A.T + np.array([[1.0, 2.0], [2.0, 3.0]]).repeat(2, 0).repeat(2, 1),
}  # fmt: skip

OTHERS: dict[str, Callable[[], Any]] = {
    "any": lambda: A,
    "difference": lambda: A - A.T,
    "two": lambda: A + B,
    "apart": lambda: ga.exp(COLUMN - X),
    "product": lambda: A @ A,
    "scaled on one side": lambda: (COLUMN * A) @ A.T,
    "product of two": lambda: A @ B.T,
    "row added": lambda: A + A.T + X,
    "column and row": lambda: COLUMN * ga.exp(X),
    "quotient": lambda: A / A.T,
    "distances of others": lambda: ((POINTS[:, None, :] - 2 * POINTS[None, :, :]) ** 2).sum(-1),
    "odd between": lambda: A @ (B - B.T) @ A.T,
    "odd": lambda: ga.sin(A - A.T),
    "beside the diagonal": lambda: A @ A.T + ga.eye(4, k=1),
    "chosen": lambda: ga.where(A > 0, B, B.T),
    "powers of two": lambda: ga.exp2(A - A.T),
    "constant": lambda: A @ A.T + np.arange(16.0).reshape(4, 4),
}  # fmt: skip


def simplified(matrix: ga.Variable) -> ga.Variable:
    return simplify(ga.Graph.of([matrix]))[0].outputs[0]


def value(matrix: ga.Variable) -> np.ndarray:
    rng = np.random.default_rng(0)
    draws = {v: rng.normal(size=v.type.shape) for v in (POINTS, A, B, W)}
    values = {X: rng.uniform(1, 2, 4), S: 1.3, **draws}
    f = ga.function(list(values), matrix, unused="ignore")
    return np.asarray(f(*values.values()))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric(name: str) -> None:
    matrix = SYMMETRIC[name]()
    assert is_symmetric(simplified(matrix))
    found = value(matrix)
    np.testing.assert_allclose(found, found.T, rtol=1e-13)


@pytest.mark.parametrize("name", OTHERS)
def test_not_symmetric(name: str) -> None:
    matrix = OTHERS[name]()
    assert not is_symmetric(simplified(matrix))
    found = value(matrix)
    assert not np.allclose(found, found.T)


def test_random_formulas() -> None:
    """What is called symmetric is so, whatever the formula."""
    rng = np.random.default_rng(1)
    binary = [ga.add, ga.subtract, ga.multiply, ga.maximum, ga.matmul, ga.divide, ga.hypot]
    unary = [ga.negative, ga.abs, ga.square, ga.tanh, ga.exp, ga.cos, ga.transpose]
    hits = 0
    for _ in range(400):
        pool = [A, A.T, B, COLUMN - X, B + B.T, ga.eye(4)]
        for _ in range(rng.integers(1, 7)):
            first, second = (pool[i] for i in rng.integers(len(pool), size=2))
            if rng.random() < 0.6:
                pool.append(binary[rng.integers(len(binary))](first, second))
            else:
                pool.append(unary[rng.integers(len(unary))](first))
        matrix = simplified(pool[-1])
        if is_symmetric(matrix):
            hits += 1
            with np.errstate(all="ignore"):
                found = value(matrix)
            np.testing.assert_allclose(found, found.T, rtol=1e-9)
    assert hits > 50


def test_depth_is_bounded() -> None:
    deep = A
    for _ in range(2000):
        deep = ga.sin(deep) + 1
    assert not is_symmetric(deep + deep.T @ ga.eye(4))
