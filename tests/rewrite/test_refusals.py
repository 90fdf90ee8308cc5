"""What rewriting must leave alone: arrows that look true and are not, and strong zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.evaluate import evaluate
from graphad.rewrite.passes import simplify
from graphad.testing.graphs import assert_same_graph

X, Y = (ga.vector(name, shape=("n",)) for name in "xy")
S, M, N = ga.scalar("s"), ga.matrix("m", shape=(2, 3)), ga.matrix("k", shape=("n", 3))
R1, R2 = ga.vector("r1"), ga.vector("r2")


def _vector(dtype: str) -> ga.Variable:
    return ga.vector(dtype, shape=("n",), dtype=dtype)


F, C, I, U = (_vector(dtype) for dtype in ("float32", "complex128", "int64", "uint8"))  # noqa: E741
T, T2, U2, B = (_vector(dtype) for dtype in ("int8", "int8", "uint8", "bool"))
INPUTS = [X, Y, S, M, N, R1, R2, F, C, I, U, T, T2, U2, B]
const, to = ga.constant, ga.broadcast_to
strong = ga.OPS["strong_multiply"]

REFUSED: dict[str, list[ga.Variable]] = {
    "a NaN or an infinity would be lost": [
        X * 0, X / X, X - X, 0 / X, ga.exp(ga.log(X)), ga.square(ga.sqrt(X)),
        X * X / X, (X - Y) + Y, ga.minimum(X, np.inf), ga.where(X == X, X, 0.0),
    ],
    "the type would change": [
        F * const(1.0), F + const(0.0), I / 1, B * 1, B + 0, U * const(1), I ** const(1.0),
        S * const([1.0]), ga.sum(T, axis=()), U - const(0), S + const([[0.0, 0.0]]),
    ],
    "integers wrap around, unsigned ones have no sign, powers of integers may fail": [
        abs(-U), I + -U, I - -T, -T * -I, -T / -T2, -U / -U2, I + ga.astype(-U, "int64"),
        B * const(-1), const(0) - B, I ** const(-1), (I * 2) * 3,
    ],
    "zeros of two signs are not one number": [
        X - const(-0.0), M + np.array([0.0, -0.0, 0.0]), M - np.array([-0.0, 0.0, 0.0]),
        C - const(complex(0.0, -0.0)), C + const(complex(-0.0, 0.0)),
    ],
    "the elements of the constant differ": [
        M * np.array([1.0, 1.0, 2.0]), M * np.full(3, np.nan), M + np.array([0.0, 1.0, 0.0]),
        ga.where(np.array([True, False, True]), M, N[:2]), M ** np.array([2.0, 2.0, 1.0]),
    ],
    "sizes that may differ at run time": [
        ga.where(R1 > 0, R2, R2), R1.reshape(R2.shape), to(R1, R2.shape), R1 + to(S, R2.shape),
        ga.sum_to_shape(R1, R2.shape), ga.sum_to_shape(N, (1, 3)), to(M, (2, 2, 3)) + M,
    ],
    "it moves elements": [
        ga.flip(M, 0), ga.flip(ga.flip(M, 0), 1), ga.transpose(M), M[:1], M[None, 1:], M[::-1],
        M[:2], M.reshape((3, 2)), to(ga.expand_dims(M, 1), (2, 5, 3)),
        to(ga.expand_dims(M, 1), (2, 2, 3)),
        ga.squeeze(ga.expand_dims(M, 0)[:, :1], 1),
    ],
    "a cast loses digits or range": [
        X.astype("float32").astype("float64"), X.astype("int64").astype("float64"),
        I.astype("int32").astype("int64"), I.astype("float64").astype("int64"), I.astype("bool"),
        ga.logical_not(ga.logical_not(X)), B.astype("int64").astype("bool"),
    ],
    "the branch depends on the data": [ga.where(S > 0, X, Y), ga.where(B, X, Y)],
}  # fmt: skip


@pytest.mark.parametrize(
    "expression", [e for group in REFUSED.values() for e in group], ids=lambda e: repr(e)[:60]
)
def test_left_alone(expression: ga.Variable) -> None:
    graph = ga.Graph(INPUTS, [expression])
    rewritten, report = simplify(graph)
    assert_same_graph(rewritten, graph)
    assert not report.fired


# ---- strong zeros -------------------------------------------------------------------------------

STRONG = [
    strong(X, Y), strong(X, 1.0 / Y), strong(X, const(np.inf)), strong(X, const(np.nan)),
    strong(const(0.0), X), strong(X, const([1.0, np.inf])[0] * Y), strong(X, ga.log(Y)),
    strong(ga.where(B, X, 0.0), Y), strong(M, const([1.0, np.nan, 2.0])),
    strong(const([0.0, 1.0, 2.0]), M), strong(const([0.0, -0.0, 0.0]), M),
]  # fmt: skip


def count(graph: ga.Graph, name: str) -> int:
    return sum(node.op.name == name for node in graph.nodes)


@pytest.mark.parametrize("expression", STRONG, ids=repr)
def test_a_strong_product_stays_strong(expression: ga.Variable) -> None:
    assert count(simplify(ga.Graph(INPUTS, [expression]))[0], "strong_multiply") == 1


def test_a_strong_product_keeps_its_zero() -> None:
    """Rules around it (broadcasts, signs, merging) never make 0 · ∞ a NaN."""
    wide = to(S, X.shape)
    products = [
        strong(wide, 1.0 / X), strong(to(const(0.0), X.shape), 1.0 / X), -strong(wide, 1.0 / X),
        strong(wide, 1 / X) * 3.0, strong(ga.negative(-wide), ga.log(X)), strong(wide * 1, X**-1),
        strong(wide + 0.0, -(1 / X)), strong(0.0 - wide, 1.0 / X)[:], strong(wide, 1 / X).sum(),
    ]  # fmt: skip
    graph, _ = simplify(ga.Graph([S, X], products))
    for value in evaluate(graph, [np.float64(0.0), np.array([0.0, -0.0, 1.0])]):
        assert not np.any(value), value


HARD: list[tuple[Any, list[float], list[float]]] = [
    (lambda x: ga.where(x > 0, ga.sqrt(x), 0), [-1.0, 0.0, 4.0], [0.0, 0.0, 0.25]),
    (lambda x: ga.where(x > 0, ga.log(x), x), [-2.0, 0.0, 4.0], [1.0, 1.0, 0.25]),
    (lambda x: ga.where(x == 0, 1.0, ga.sin(x) / x), [0.0], [0.0]),
    (lambda x: ga.where(x < 10, x, ga.exp(x)), [1.0, 1000.0], [1.0, np.inf]),
    (lambda x: ga.where(x < 10, ga.exp(x), 7.0), [1000.0], [0.0]),
    (lambda x: ga.where(x > 0, x**-0.5, 2 * x), [0.0, 1.0], [2.0, -0.5]),
    (lambda x: ga.where(x > 0, 1.0 / x, 0) * 1.0 + 0.0, [0.0, 2.0], [0.0, -0.25]),
    (lambda x: ga.where(x[:, None] > 0, ga.log(x)[:, None] @ ga.ones((1, 2)), 0.0), [0.0, 2.0],
     [0.0, 1.0]),
]  # fmt: skip


@pytest.mark.parametrize("sizes", [(None,), ("n",), "exact"])
@pytest.mark.parametrize(("f", "at", "slope"), HARD)
def test_the_branch_not_taken_leaves_no_trace(
    f: Any, at: list[float], slope: list[float], sizes: Any
) -> None:
    x = ga.vector("x", shape=(len(at),) if sizes == "exact" else sizes)
    gradient = ga.grad(ga.sum(f(x)), x)
    for backend in ("auto", "numpy", "interpreter"):
        found = ga.function([x], gradient, backend=backend)(at)
        np.testing.assert_allclose(found, slope, rtol=1e-15)


def test_strong_contractions_keep_their_mark() -> None:
    x, w = ga.matrix("x", shape=(2, 3)), ga.matrix("w", shape=(3, 2))
    cost = ga.where(x @ w > 0, ga.log(x) @ w, 0.0).sum()
    graph = ga.Graph([x, w], ga.grad(cost, [x, w]))
    marked = [n.op.params.get("strong") for n in graph.nodes if n.op.name == "matmul"]
    kept = [n.op.params.get("strong") for n in simplify(graph)[0].nodes if n.op.name == "matmul"]
    assert sorted(map(str, kept)) == sorted(map(str, marked)) and {(0,), (1,)} & set(kept)
