"""Random loop programs against the same steps unrolled: values and derivatives on each backend.

Both modes, and the four ways to combine them to second order, element by element; and slopes by
finite differences of the unrolled program's values and gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from unrolled import Unrolled

import graphad as ga
from graphad.testing import interpret
from graphad.testing.numeric import central

BACKENDS = ("numpy", "llvm", "auto", "interpreter")
EVERY_DAY, SECOND, ALL = 24, 6, 500
FORMULAS = ("sin", "tanh", "mul", "add", "where", "max", "roll", "sum", "matmul", "keep", "pick")
NESTED = ("cond", "switch", "scan", "back", "until", "taps", "fori", "while", "map", "reduce")


class Body:
    """A body drawn once: statements on vectors of three elements, the same at every call."""

    def __init__(self, rng: np.random.Generator, depth: int = 0) -> None:
        self.depth = depth
        self.statements = [self._statement(rng) for _ in range(rng.integers(2, 6 - depth))]
        self.picks = rng.integers(0, 100, size=4)

    def _statement(self, rng: np.random.Generator) -> tuple[str, Any, Any]:
        weights = [1.0] * len(FORMULAS) + [(0.4, 0.1, 0.0)[self.depth]] * len(NESTED)
        kind = str(rng.choice((*FORMULAS, *NESTED), p=np.array(weights) / sum(weights)))
        inner = Body(rng, self.depth + 1) if kind in NESTED else None
        return kind, rng.integers(0, 100, size=3), inner

    def __call__(self, L: Any, carry: Any, x: Any, w: Any) -> Any:
        """((a, b), y) from ((a, b), x); all are vectors of three elements."""
        pool = [*carry, x, w[0]]
        for kind, picks, inner in self.statements:
            p, q = (pool[i % len(pool)] for i in picks[:2])
            made = self._formula(kind, p, q, w, int(picks[2])) if inner is None else (
                self._nested(L, kind, p, q, w, inner))  # fmt: skip
            pool.append(made)
        a, b, y = (pool[-1 - i % min(4, len(pool))] for i in self.picks[:3])
        return (ga.tanh(a + 0.1 * carry[1]), b * 0.5 if self.picks[3] % 2 else carry[0]), y

    def _formula(self, kind: str, p: Any, q: Any, w: Any, pick: int) -> Any:
        return {
            "sin": lambda: ga.sin(p + q),
            "tanh": lambda: ga.tanh(p) * q,
            "mul": lambda: p * q * 0.5,
            "add": lambda: p - 0.3 * q,
            "where": lambda: ga.where(p > 0.1, ga.sqrt(ga.where(p > 0.1, p, 1.0)), q),
            "max": lambda: ga.maximum(p, q) - p.max(),
            "roll": lambda: ga.concatenate([p[1:], q[:1]]),
            "sum": lambda: p + (p * q).sum() * 0.1,
            "matmul": lambda: w @ p * 0.5,
            "keep": lambda: q,
            "pick": lambda: q[(p[pick % 3] > 0).astype("int64")] * p,
        }[kind]()

    def _nested(self, L: Any, kind: str, p: Any, q: Any, w: Any, body: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            return body(L, c, x, w)

        rows = ga.stack([q, p, p * q])
        if kind == "cond":
            return L.cond(p[0] > q[1], lambda: step((p, q), p)[1], lambda: q * 0.5 + p)
        if kind == "switch":
            which = (p[0] > 0).astype("int64") + (q[0] > 0)
            return L.switch(which, [lambda: step((p, q), q)[1], lambda: w @ q, lambda: ga.sin(p)])
        if kind in ("scan", "back"):
            (a, _), ys = L.scan(step, (p, q), rows, reverse=kind == "back")
            return a + ys[1]
        if kind == "until":
            (a, _), ys = L.scan(step, (p, q), rows, until=lambda c, y: c[0][0] > 0.1)
            return a + ys[0]
        if kind == "taps":
            last, ys = L.scan(lambda c, x: ({"h": ga.tanh(step(c["h"], x)[1])}, c["h"][1]),
                              {"h": ga.stack([q, p])}, rows, taps={"h": (-1, -2)})  # fmt: skip
            return last["h"][0] - ys[2]
        if kind == "fori":
            return L.fori_loop(0, 2, lambda i, c: ga.tanh(step((c, q), p)[1] + i), p)
        if kind == "map":
            return L.map(lambda x: step((x, q), p)[1], rows).sum(axis=0)
        if kind == "reduce":
            return L.reduce(lambda c, x: ga.tanh(step((c, x), q)[1] + c), rows, p)
        return L.while_loop(
            lambda c: (abs(c[0]).sum() > 0.5) & (c[1] < 3),
            lambda c: (ga.tanh(step((c[0], q), p)[1]) * 0.5, c[1] + 1),
            (p, np.int64(0)),
        )[0]


class Program:
    """A loop over rows around a random body, in the graph and unrolled."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.body, self.steps = Body(rng), int(rng.integers(1, 5))
        self.reverse = bool(rng.integers(2))
        self.policy = rng.choice(np.array([*[None] * 9, "sqrt", "none", 2], dtype=object))
        self.ends = float(rng.uniform(-1, 1)) if rng.integers(3) == 0 else None
        self.truncate = int(rng.integers(1, 4)) if rng.integers(4) == 0 else None
        n = self.steps
        self.inputs = [ga.matrix("w", (3, 3)), ga.vector("a", 3), ga.vector("b", 3),
                       ga.matrix("xs", (n, 3))]  # fmt: skip
        self.given = self.inputs  # of the program in the graph: some know no sizes
        if seed % 3 == 2:
            self.given = [ga.matrix("w"), ga.vector("a"), ga.vector("b"), ga.matrix("xs")]
        if seed % 3 == 1:
            self.given = [*self.inputs[:3], ga.matrix("xs", (None, 3))]
        self.arrays = [rng.normal(size=(3, 3)) / 2, *rng.normal(size=(2, 3)),
                       rng.normal(size=(n, 3))]  # fmt: skip
        self.weights = [np.cos(1 + np.arange(v.size)).reshape(v.shape) for v in self.arrays]

    def made(self, L: Any, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """(a cost, results) by the loops of L."""
        w, a, b, xs = inputs
        until = None if self.ends is None else lambda c, y: c[0].sum() > self.ends
        (c, d), ys = L.scan(lambda s, x: self.body(L, s, x, w), (a, b), xs, until=until,
                            reverse=self.reverse, checkpoint=self.policy,
                            truncate=self.truncate)  # fmt: skip
        return ga.sin(c).sum() + (d**2).sum() + (ys * ga.cos(ys)).sum(), [c, d, ys]

    def derivatives(self, cost: Any, inputs: Sequence[Any], order: int) -> list[list[Any]]:
        """Gradient and slope; then four times what the Hessian does to the weights."""
        first = ga.grad(cost, inputs, disconnected="zero")
        along = ga.jvp(cost, inputs, self.weights)
        found = [first, [along]]
        if order == 2:
            product = sum([(g * v).sum() for g, v in zip(first, self.weights, strict=True)])
            found.append(ga.grad(product, inputs, disconnected="zero"))
            found.append(ga.jvp(first, inputs, self.weights))
            found.append(ga.grad(along, inputs, disconnected="zero"))
            found.append([ga.jvp(along, inputs, self.weights)])
        return found


def check(seed: int, order: int, slopes: bool = False) -> None:
    program, backend = Program(seed), BACKENDS[seed % 4]
    given, inputs, arrays = program.given, program.inputs, program.arrays
    cost, results = program.made(ga, given)
    found = [cost, *results, *flat(program.derivatives(cost, given, order))]
    f = ga.function(given, found, backend=backend, unused="ignore")
    cost, results = program.made(Unrolled(inputs, arrays), inputs)
    parts = program.derivatives(cost, inputs, order)
    wanted = interpret(inputs, [cost, *results, *flat(parts)])(*arrays)
    scale = max([1.0, *[float(np.max(np.abs(v))) for v in wanted]])
    for i, (ours, theirs) in enumerate(zip(f(*arrays), wanted, strict=True)):
        np.testing.assert_allclose(ours / scale, theirs / scale, rtol=1e-9, atol=1e-12,
                                   err_msg=f"result {i}")  # fmt: skip
    if slopes and program.truncate is None:  # else derivatives are no slopes
        value = interpret(inputs, [cost])
        gradient = interpret(inputs, parts[0])
        known = wanted[1 + len(results) :]
        assert_slope(central(value, arrays, program.weights, 1e-5), [known[4]])
        assert_slope(central(gradient, arrays, program.weights, 1e-5), known[9:13])


def assert_slope(numeric: Sequence[Any], symbolic: Sequence[Any]) -> None:
    size = max([1.0, *[float(np.max(np.abs(v))) for v in symbolic]])
    for a, b in zip(numeric, symbolic, strict=True):
        np.testing.assert_allclose(a / size, b / size, atol=1e-7)


def flat(parts: Sequence[Sequence[Any]]) -> list[Any]:
    return [v for part in parts for v in part]


@pytest.mark.parametrize("seed", range(EVERY_DAY))
def test_values_and_first_derivatives(seed: int) -> None:
    check(seed, order=1)


@pytest.mark.parametrize("seed", range(SECOND))
def test_second_derivatives(seed: int) -> None:
    check(seed, order=2, slopes=True)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(SECOND, ALL))
def test_more_random_loops(seed: int) -> None:
    check(seed, order=2, slopes=True)


def test_the_programs_are_worth_something() -> None:
    """Most kinds of statements are met, and every second program has loops in its loop."""
    bodies = [Program(seed).body for seed in range(60)]
    inside = [kind for body in bodies for kind in kinds(body)]
    assert {*FORMULAS, *NESTED} <= set(inside)
    assert sum(any(kind in NESTED for kind in kinds(body)) for body in bodies) >= 30


def kinds(body: Body) -> list[str]:
    inside = [k for _, _, inner in body.statements if inner for k in kinds(inner)]
    return [kind for kind, _, _ in body.statements] + inside
