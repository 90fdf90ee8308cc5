"""Products of several matrices are taken in their cheapest order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.chains import improve
from graphad.testing import assert_same_graph

A, B, V = ga.matrix("a"), ga.matrix("b"), ga.vector("v")
M, N, P, Q = (ga.matrix(n, s) for n, s in (("m", (5, 80)), ("n", (80, 6)), ("p", (6, 70)),
                                           ("q", (70, 2))))  # fmt: skip
T = ga.tensor("t", shape=(3, 6, 6))
INPUTS = [A, B, V, M, N, P, Q, T]


@pytest.mark.parametrize(("before", "after"), [
    (A @ B @ V, A @ (B @ V)), (V @ (A @ B), V @ A @ B), (A @ B @ A @ V, A @ (B @ (A @ V))),
    (M @ (N @ P) @ Q, M @ (N @ (P @ Q))), (M @ N @ P @ Q, M @ (N @ (P @ Q))),
    (V @ (A @ B) @ A, V @ A @ B @ A),
])  # fmt: skip
def test_cheaper_orders(before: Any, after: Any) -> None:
    assert_same_graph(improve(ga.Graph(INPUTS, [before])), ga.Graph(INPUTS, [after]))


SHARED = A @ B


@pytest.mark.parametrize("outputs", [
    [A @ B @ A], [A @ (B @ V)], [V @ A @ B], [SHARED @ V, SHARED], [SHARED @ V, SHARED.sum()],
    [M @ N @ P], [T @ T @ T], [(A @ B * 2) @ V], [V @ A @ V], [(A @ V) @ (B @ V)],
])  # fmt: skip
def test_left_alone(outputs: Any) -> None:
    """Nothing to gain, sizes unknown, stacks, partial products that are read elsewhere."""
    graph = ga.Graph(INPUTS, outputs)
    assert_same_graph(improve(graph), graph)


def test_values_and_gradients() -> None:
    rng = np.random.default_rng(0)
    inputs = [A, B, V, M, N, P, Q]
    arrays = [
        rng.normal(size=s) for s in ((7, 7), (7, 7), (7,), *[x.type.shape for x in (M, N, P, Q)])
    ]
    y = ga.sum((A @ B @ V) ** 2) + ga.sum((M @ (N @ P) @ Q) ** 2) + ga.sum(V @ (A @ B))
    outputs = [y, *ga.grad(y, inputs)]
    found, expected = (ga.function(inputs, outputs, backend=b)(*arrays)
                       for b in ("numpy", "interpreter"))  # fmt: skip
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())
