"""Random loop programs against the same steps unrolled: values and gradients on each backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga

BACKENDS = ("numpy", "llvm", "auto", "interpreter")
EVERY_DAY, ALL = 40, 500


class Body:
    """A body drawn once: statements on vectors of three elements, the same at every call."""

    def __init__(self, rng: np.random.Generator, depth: int = 0) -> None:
        self.depth = depth
        self.statements = [self._statement(rng) for _ in range(rng.integers(2, 6))]
        self.picks = rng.integers(0, 100, size=4)

    def _statement(self, rng: np.random.Generator) -> tuple[str, Any, Any]:
        kinds = ["sin", "tanh", "mul", "add", "where", "max", "roll", "sum", "matmul", "keep"]
        if self.depth == 0:
            kinds += ["cond", "scan", "fori", "while"]
        kind = str(rng.choice(kinds))
        inner = Body(rng, 1) if kind in ("cond", "scan", "fori", "while") else None
        return kind, rng.integers(0, 100, size=3), inner

    def __call__(self, carry: Any, x: Any, w: Any) -> Any:
        """((a, b), y) from ((a, b), x); all are vectors of three elements."""
        pool = [*carry, x, w[0]]
        for kind, picks, inner in self.statements:
            p, q = (pool[i % len(pool)] for i in picks[:2])
            pool.append(self._made(kind, p, q, w, inner))
        a, b, y = (pool[-1 - i % min(4, len(pool))] for i in self.picks[:3])
        return (ga.tanh(a + 0.1 * carry[1]), b * 0.5 if self.picks[3] % 2 else carry[0]), y

    def _made(self, kind: str, p: Any, q: Any, w: Any, inner: Any) -> Any:
        if kind == "sin":
            return ga.sin(p + q)
        if kind == "tanh":
            return ga.tanh(p) * q
        if kind == "mul":
            return p * q * 0.5
        if kind == "add":
            return p - 0.3 * q
        if kind == "where":
            return ga.where(p > 0.1, ga.sqrt(ga.where(p > 0.1, p, 1.0)), q)
        if kind == "max":
            return ga.maximum(p, q) - p.max()
        if kind == "roll":
            return ga.concatenate([p[1:], q[:1]])
        if kind == "sum":
            return p + (p * q).sum() * 0.1
        if kind == "matmul":
            return w @ p * 0.5
        if kind == "keep":
            return q
        if kind == "cond":
            return ga.cond(p[0] > q[1], lambda: inner((p, q), p, w)[1], lambda: q * 0.5 + p)
        if kind == "scan":
            (a, _), ys = ga.scan(lambda c, x: inner(c, x, w), (p, q), ga.stack([q, p]))
            return a + ys[1]
        if kind == "fori":
            return ga.fori_loop(0, 2, lambda i, c: ga.tanh(inner((c, q), p, w)[1] + i), p)
        found = ga.while_loop(
            lambda c: (abs(c[0]).sum() > 0.5) & (c[1] < 3),
            lambda c: (ga.tanh(inner((c[0], q), p, w)[1]) * 0.5, c[1] + 1),
            (p, np.int64(0)),
        )
        return found[0]


def check(seed: int) -> None:
    rng = np.random.default_rng(seed)
    body, steps = Body(rng), int(rng.integers(1, 5))
    reverse = bool(rng.integers(2))
    policy = rng.choice(np.array([None, "sqrt", "none"], dtype=object))
    w, a, b = ga.matrix("w", (3, 3)), ga.vector("a", 3), ga.vector("b", 3)
    xs = ga.matrix("xs", (steps, 3))
    inputs = [w, a, b, xs]
    (c, d), ys = ga.scan(
        lambda s, x: body(s, x, w), (a, b), xs, reverse=reverse, checkpoint=policy
    )
    carry, rows = (a, b), {}
    for i in reversed(range(steps)) if reverse else range(steps):
        carry, rows[i] = body(carry, xs[i], w)
    unrolled = [*carry, ga.stack([rows[i] for i in range(steps)])]
    results = []
    for last, other, stacked in ([c, d, ys], unrolled):
        cost = ga.sin(last).sum() + (other**2).sum() + (stacked * ga.cos(stacked)).sum()
        results.append([last, other, stacked, *ga.grad(cost, inputs, disconnected="zero")])
    given = rng.normal(size=(3, 3)) / 2, *rng.normal(size=(2, 3)), rng.normal(size=(steps, 3))
    f = ga.function(inputs, results[0], backend=BACKENDS[seed % 4], unused="ignore")
    g = ga.function(inputs, results[1], backend="interpreter", unused="ignore")
    for ours, theirs in zip(f(*given), g(*given), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("seed", range(EVERY_DAY))
def test_random_loops(seed: int) -> None:
    check(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(EVERY_DAY, ALL))
def test_more_random_loops(seed: int) -> None:
    check(seed)
