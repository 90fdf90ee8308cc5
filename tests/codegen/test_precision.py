"""``precision="exact"``: the interpreter's bits, at the speed of the NumPy program."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import UseError
from graphad.testing.programs import RandomProgram

X, S = ga.vector("x", shape=("n",)), ga.scalar("s")
A = ga.matrix("a", shape=(40, 40))
VALUES = {X: np.linspace(0.1, 3, 17), S: 0.3,
          A: np.random.default_rng(0).normal(size=(40, 40))}  # fmt: skip

FORMULAS: dict[str, Callable[[], Any]] = {
    "log1p": lambda: ga.log(1 + X),
    "reciprocal": lambda: X * (1 / (X + 1)),
    "powers": lambda: X**3 + X**4,
    "numbers": lambda: (X * 0.1) * 0.7 + 0.2 + 0.7,
    "scaled sum": lambda: ga.sum(X * 0.1),
    "softmax": lambda: ga.exp(X) / ga.sum(ga.exp(X)),
    "single numbers": lambda: ga.exp(ga.sin(S)) ** 1.5 / ga.tanh(S),
    "chain of products": lambda: A @ A @ A[0],
    "systems": lambda: ga.linalg.inv(A) @ A[0] + ga.linalg.solve(A, A[1]),
    "factors": lambda: ga.linalg.solve(A, A[1]) + ga.linalg.solve(A.T, A[2]),
    "outer": lambda: A[:, :1] @ A[:1],
    "loop": lambda: ga.scan(lambda c, x: (c * 0.9 + x * 0.1 * 3.0, c), S, X)[1],
    "branch": lambda: ga.cond(S > 0, lambda: ga.log(1 + X), lambda: X),
}  # fmt: skip


def same(found: Any, expected: Any) -> bool:
    """Equal dtypes, shapes and bits, but for those of a NaN."""
    a, b = np.asarray(found), np.asarray(expected)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    signs = np.isnan(a) | (np.signbit(a.real) == np.signbit(b.real))
    return np.array_equal(a, b, equal_nan=True) and bool(signs.all())


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_bits(name: str, backend: str) -> None:
    y = FORMULAS[name]()
    outputs = [y, *ga.grad(ga.sum(ga.sin(y)), list(VALUES), disconnected="zero")]
    given: dict[str, Any] = {"unused": "ignore"}
    exact = ga.function(list(VALUES), outputs, backend=backend, precision="exact", **given)
    expected = ga.function(list(VALUES), outputs, backend="interpreter", **given)(*VALUES.values())
    for f in (exact, pickle.loads(pickle.dumps(exact))):
        for _ in range(3):
            assert all(map(same, f(*VALUES.values()), expected))
        assert not f.wait_native() and f.options.precision == "exact"


def test_rewriting_is_what_differs() -> None:
    y = ga.log(1 + X)
    names = [[n.op.name for n in ga.function([X], y, precision=p).graph.nodes]
             for p in ("default", "exact")]  # fmt: skip
    assert names == [["log1p"], ["add", "log"]]
    rule = ga.rewrite.rule("log(1 + x) -> log1p(x)", mark="stabilising")  # asked for, so applied
    own = ga.function([X], y, precision="exact", rules=[rule])
    assert [n.op.name for n in own.graph.nodes] == ["log1p"]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_programs(seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 2**16, 150)
    made = RandomProgram(numbers.tolist(), smooth=False)
    options: list[dict[str, Any]] = [{"precision": "exact"}, {"backend": "interpreter"}]
    found, expected = (ga.function(made.inputs, made.outputs, unused="ignore", **o)(*made.arrays)
                       for o in options)  # fmt: skip
    assert all(map(same, found, expected))


def test_what_is_refused() -> None:
    with pytest.raises(UseError, match="precision='high'"):
        ga.function([X], X, precision="high")
    with pytest.raises(UseError, match="backend='llvm'"):
        ga.function([X], X, precision="exact", backend="llvm")


def test_options_are_printed() -> None:
    f = ga.function([X], X + 1, precision="exact", threads=2)
    assert "backend='auto', threads=2, precision='exact'>" in repr(f)
    assert repr(ga.function([X], X + 1)).endswith("steps, backend='auto'>")
