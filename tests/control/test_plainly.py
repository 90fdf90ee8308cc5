"""Loops in Python with plain products in the place of those that keep zeros."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen.scanned import Loop

RNG = np.random.default_rng(2)
W, ZEROS, ROWS = np.eye(3) / 2, np.array([1.0, 0, -2]), np.array([[0.0, 1, 0]] * 3)

# Bodies whose gradients multiply zeros and what may be infinite.
BODIES: dict[str, Any] = {
    "quotient": lambda c, x, w: (p := c @ w * x) / (p.sum() + 3.0),
    "sqrt": lambda c, x, w: ga.where(c > 0, ga.sqrt(ga.where(c > 0, c, 0.0)), 0.0) @ w + x,
    "log": lambda c, x, w: ga.where(c > 0, ga.log(c), 0.0) @ w * 0.5 + x,
}


def quick_loops(f: Any) -> list[Loop]:
    bound = f._compiled.program.bound.values()
    return [v for v in bound if isinstance(v, Loop) and v._made.get("quick") is not None]


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str) -> None:
    w, c, xs = ga.matrix("w", (3, 3)), ga.vector("c", 3), ga.matrix("xs", (None, 3))
    body = BODIES[name]
    last, ys = ga.scan(lambda h, x: ((new := body(h, x, w)), new.sum()), c, xs)
    outputs = [last, *ga.grad((last**2).sum() + ys.sum(), [w, c, xs])]
    f = ga.function([w, c, xs], outputs)
    g = ga.function([w, c, xs], outputs, backend="interpreter")
    for given in ((W, ZEROS, ROWS), (W, ZEROS + 4, ROWS + 1), (W, ZEROS * np.nan, ROWS)) * 4:
        for ours, theirs in zip(f(*given), g(*given), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    (loop,) = quick_loops(f)
    if name == "quotient":
        assert loop.doubts == 0  # there was a NaN often enough
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_allclose(again(W, ZEROS, ROWS)[1], f(W, ZEROS, ROWS)[1])
    assert quick_loops(again)


def test_not_where_a_nan_could_be_lost_or_bits_matter() -> None:
    c, xs = ga.vector("c", 3), ga.matrix("xs", (None, 3))
    last, _ = ga.scan(lambda h, x: (x / (h + 2), None), c, xs)
    slope = ga.grad(last.sum(), c)
    given = np.ones(3), np.ones((4, 3))
    for options in ({"precision": "exact"}, {"deterministic": True}, {"backend": "numpy"}):
        f = ga.function([c, xs], slope, **options)
        f(*given)
        assert not quick_loops(f)
    f = ga.function([c, xs], slope)
    f(*given)
    assert quick_loops(f)
    back, _ = ga.scan(
        lambda g, r: (ga.maximum(ga.ops.elementwise.strong_multiply(g, r), 0.0), None), c, xs
    )
    f = ga.function([c, xs], back)
    f(*given)
    assert not quick_loops(f)
