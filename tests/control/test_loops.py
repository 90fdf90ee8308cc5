"""while_loop, fori_loop, map, reduce, associative_scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import check_grads
from graphad.testing.gradients import compiled

XS = np.random.default_rng(1).normal(size=(5, 2))
BACKENDS = ("interpreter", "numpy", "llvm")


def _newton(a: Any) -> Any:
    return ga.while_loop(lambda x: abs(x * x - a) > 1e-13, lambda x: (x + a / x) / 2, a)


def _pair(a: Any) -> Any:
    def body(c: Any) -> Any:
        return {"i": c["i"] + 1, "x": ga.sin(c["x"] * a) + c["i"].astype("float64")}

    return ga.while_loop(lambda c: c["i"] < 3, body, {"i": np.int64(0), "x": a})["x"]


def _powers(a: Any) -> Any:
    return ga.fori_loop(1, 4, lambda i, c: c * ga.sin(a) + i * a, 1.0)


def _nested(a: Any) -> Any:
    def body(i: Any, c: Any) -> Any:
        return ga.while_loop(lambda d: d < 3.0, lambda d: d * (1.5 + 0.1 * a) + i, c)

    return ga.fori_loop(0, 3, body, a) * ga.fori_loop(0, 2, lambda i, c: c + a**2, 0.0)


@pytest.mark.parametrize("f", [_newton, _pair, _powers, _nested], ids=lambda f: f.__name__)
def test_gradients(f: Any) -> None:
    check_grads(f, [np.float64(0.7)], order=2, rtol=1e-6, runner=compiled)


def test_values_on_each_backend() -> None:
    a = ga.scalar("a")
    found = [f(a) for f in (_newton, _pair, _powers, _nested)]
    slopes = [ga.grad(y, a) for y in found]
    results = [ga.function([a], [*found, *slopes], backend=b)(0.7) for b in BACKENDS]
    np.testing.assert_allclose(results[0][0], np.sqrt(0.7), rtol=1e-12)
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-13)


def test_while_without_steps() -> None:
    x = ga.vector("x")
    y = ga.while_loop(lambda v: v.sum() > 1e9, lambda v: v * 2, x)
    f = ga.function([x], [y, ga.grad(y.sum(), x)])
    given = np.array([1.0, 2.0])
    value, slope = f(given)
    assert [list(value), list(slope)] == [[1.0, 2.0], [1.0, 1.0]]
    assert not np.shares_memory(value, given)


def test_many_steps_are_recorded() -> None:
    a = ga.scalar("a")
    x, _ = ga.while_loop(
        lambda c: c[1] < 20000, lambda c: (c[0] * a + 1, c[1] + 1), (0.0 * a, np.int64(0))
    )
    value, slope = ga.function([a], [x, ga.grad(x, a)])(0.5)
    assert float(value) == 2.0 and float(slope) == pytest.approx(4.0)


def test_max_steps() -> None:
    a = ga.scalar("a")
    y = ga.while_loop(lambda x: x > 0, lambda x: x - 1, a, max_steps=5)
    f = ga.function([a], y)
    assert float(f(4.5)) == -0.5
    with pytest.raises(ga.errors.ConvergenceError, match="max_steps=5"):
        f(7.0)


def test_while_body_that_changes_its_carry() -> None:
    with pytest.raises(ga.errors.DTypeError, match=r"init is int64\[\], after one step") as caught:
        ga.while_loop(lambda x: x < 10, lambda x: x * 1.5, 1)
    assert "test_loops.py:" in str(caught.value)
    with pytest.raises(ga.errors.ShapeError, match="not a scalar bool"):
        ga.while_loop(lambda x: x < 10, lambda x: x + 1, np.zeros(3))


def test_fori_bounds_at_run_time() -> None:
    n, x = ga.scalar("n", dtype="int64"), ga.vector("x")
    y = ga.fori_loop(n, x.shape[0], lambda i, c: c + x[i] * i.astype("float64"), 0.0)
    f = ga.function([n, x], [y, ga.grad(y, x)])
    assert float(f(1, [1.0, 2.0, 4.0])[0]) == 10.0
    assert list(f(1, [1.0, 2.0, 4.0])[1]) == [0.0, 1.0, 2.0]
    assert float(f(5, [1.0, 2.0, 4.0])[0]) == 0.0


def test_map_and_reduce() -> None:
    def f(xs: Any) -> Any:
        return [
            ga.map(lambda row: {"a": ga.sin(row).sum(), "b": row * row[0]}, xs),
            ga.reduce(lambda a, b: a * b + 1.0, xs),
            ga.reduce(lambda a, b: a + ga.sin(b[0]) * a, xs, np.float64(0.5)),
        ]

    check_grads(f, [XS], order=2, runner=compiled)
    x = ga.matrix("x", (5, 2))
    assert ga.map(lambda r: r * 2, x).eval({x: XS}) == pytest.approx(XS * 2)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(n: int, reverse: bool) -> None:
    rows = np.random.default_rng(n).normal(size=(n, 2, 2))
    expected = rows.copy()
    order = range(n - 2, -1, -1) if reverse else range(1, n)
    for i in order:
        pair = (rows[i], expected[i + 1]) if reverse else (expected[i - 1], rows[i])
        expected[i] = pair[0] @ pair[1]
    for shape in ((n, 2, 2), (None, 2, 2)):
        x = ga.tensor("x", shape=shape)
        y = ga.associative_scan(lambda a, b: a @ b, x, reverse=reverse)
        np.testing.assert_allclose(ga.function([x], y)(rows), expected, rtol=1e-12)


def test_associative_scan_is_differentiated() -> None:
    def f(xs: Any) -> Any:
        pairs = {"a": xs[:, 0], "b": xs[:, 1]}

        def step(p: Any, q: Any) -> Any:
            return {"a": p["a"] * q["a"], "b": q["a"] * p["b"] + q["b"]}

        return ga.associative_scan(step, pairs)

    check_grads(f, [XS], order=2, runner=compiled)
    check_grads(f, [XS], order=1, sizes="unknown", runner=compiled)


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda: ga.map(2, XS), ga.errors.UseError, "f is int"),
        (lambda: ga.reduce(ga.add, np.zeros((0, 2))), ga.errors.ShapeError, "give init="),
        (
            lambda: ga.associative_scan(lambda a, b: a[0] + b[0], XS),
            ga.errors.ShapeError,
            "all rows",
        ),
        (lambda: ga.associative_scan(ga.add, [XS, XS[:2]]), ga.errors.ShapeError, "5, 2"),
        (lambda: ga.fori_loop(0.5, 3, lambda i, c: c, 0.0), ga.errors.UseError, "lower"),
    ],
)
def test_refused(build: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind) as caught:
        build()
    assert words in str(caught.value)
