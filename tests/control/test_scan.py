"""Scans: values and derivatives of any order against unrolled graphs and finite differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import check_grads
from graphad.testing.gradients import interpret

BACKENDS = ("interpreter", "numpy", "llvm")
RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3)) / 2
XS = RNG.normal(size=(4, 3))
H = RNG.normal(size=3)


def runner(backend: str) -> Any:
    if backend == "interpreter":
        return interpret
    return lambda inputs, outputs: ga.function(
        list(inputs), list(outputs), backend=backend, unused="ignore"
    )


def by_hand(body: Callable[..., Any], init: Any, xs: Any, steps: Any) -> Any:
    """The same loop, unrolled."""
    carry, rows = init, {}
    for i in steps:
        carry, rows[i] = body(carry, xs[i])
    return carry, ga.stack([rows[i] for i in sorted(rows)])


def cell(w: Any) -> Callable[..., Any]:
    return lambda h, x: (ga.tanh(w @ h + x), (h * x).sum())


# Each case: a function of arrays, and arrays.
def _scan(w: Any, h: Any, xs: Any) -> Any:
    return ga.scan(cell(w), h, xs)


def _backwards(w: Any, h: Any, xs: Any) -> Any:
    return ga.scan(cell(w), h, xs, reverse=True)


def _length(w: Any, h: Any, xs: Any) -> Any:
    return ga.scan(lambda c, _: (ga.sin(w @ c), c), h, length=3)


def _containers(w: Any, h: Any, xs: Any) -> Any:
    def body(carry: Any, x: Any) -> Any:
        new = {"h": ga.tanh(w @ carry["h"] + x["a"]), "n": [carry["n"][0] * x["b"].sum()]}
        return new, (carry["h"], None, {"s": new["n"][0]})

    carry, (before, nothing, more) = ga.scan(body, {"h": h, "n": [h[0]]}, {"a": xs, "b": xs * 2})
    assert nothing is None
    return carry, before, more


def _taps(w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        before, earlier = c["h"]
        new = ga.sin(before * x.sum()) + 0.5 * earlier
        return {"h": new}, new

    return ga.scan(body, {"h": h[:2]}, xs, taps={"h": (-1, -2)})


def _until(w: Any, h: Any, xs: Any) -> Any:
    return ga.scan(cell(w), h, xs, until=lambda c, y: abs(y) > 0.4)


def _until_reverse(w: Any, h: Any, xs: Any) -> Any:
    return ga.scan(cell(w), h, xs, reverse=True, until=lambda c, y: abs(y) > 0.4)


def _nested(w: Any, h: Any, xs: Any) -> Any:
    def outer(c: Any, x: Any) -> Any:
        inner, ys = ga.scan(lambda d, e: (ga.tanh(d * e + w[0, 0] * x[0]), d * x[1]), c[0], x)
        return ga.stack([inner, c[0], c[1]]), ys

    return ga.scan(outer, h, xs)


def _branch(w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        new = ga.cond(x[0] > 0, lambda c: ga.sin(w @ c), lambda c: c * x, c)
        return new, c

    return ga.scan(body, h, xs)


def _plain_y(w: Any, h: Any, xs: Any) -> Any:
    return ga.scan(lambda c, x: (c, x), h, xs)


CASES = [_scan, _backwards, _length, _containers, _taps, _until, _until_reverse, _nested, _branch,
         _plain_y]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_gradients(case: Any) -> None:
    check_grads(case, [A, H, XS], order=2, runner=runner("numpy"))


@pytest.mark.full
@pytest.mark.parametrize("backend", ("interpreter", "llvm"))
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_gradients_elsewhere(case: Any, backend: str) -> None:
    check_grads(case, [A, H, XS], order=2, runner=runner(backend))


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_few_steps(case: Any, steps: int) -> None:
    check_grads(case, [A, H, XS[:steps]], order=1, runner=interpret)


@pytest.mark.full
@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_few_steps_elsewhere(case: Any, steps: int) -> None:
    for backend in BACKENDS:
        check_grads(case, [A, H, XS[:steps]], order=2, runner=runner(backend))


def test_unknown_sizes() -> None:
    for case in (_scan, _until_reverse, _nested):
        check_grads(case, [A, H, XS], order=1, sizes="unknown", runner=runner("numpy"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_equals_unrolled(backend: str, reverse: bool = False) -> None:
    w, h, xs = ga.matrix("w", (3, 3)), ga.vector("h", 3), ga.matrix("xs", (4, 3))
    order = range(3, -1, -1) if reverse else range(4)
    pairs = (ga.scan(cell(w), h, xs, reverse=reverse), by_hand(cell(w), h, xs, order))
    costs = [last.sum() + (ys**2).sum() for last, ys in pairs]
    results = []
    for cost, (last, ys) in zip(costs, pairs, strict=True):
        first = ga.grad(cost, [w, h, xs])
        second = ga.grad(sum([(g**2).sum() for g in first]), [w, h, xs])
        results.append([last, ys, *first, *second])
    f = ga.function([w, h, xs], results, backend=backend)
    ours, theirs = f(A, H, XS)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_equals_unrolled_in_reverse() -> None:
    test_equals_unrolled("numpy", reverse=True)


def test_derivatives_are_scans() -> None:
    """A gradient of a gradient has as many nodes for 3 steps as for 3,000."""
    counts = []
    for n in (3, 3000):
        a, xs = ga.scalar("a"), ga.vector("xs", n)
        last, _ = ga.scan(lambda c, x, a=a: (ga.sin(a * c) + x, None), 0.0, xs)
        slope = ga.grad(ga.grad(last, a), a)
        counts.append(len(ga.Graph.of([slope])))
    assert counts[0] == counts[1]


def test_captured_are_differentiated() -> None:
    x = ga.scalar("x")
    h = ga.exp(x)
    last, _ = ga.scan(lambda c, _: (c * h, None), 1.0, length=3)
    assert float(ga.grad(last, h).eval({x: 0.5})) == pytest.approx(3 * np.exp(0.5) ** 2)
    assert float(ga.grad(last, x).eval({x: 0.5})) == pytest.approx(3 * np.exp(1.5))


def test_integer_carries() -> None:
    xs = ga.vector("xs", 3)

    def body(c: Any, x: Any) -> Any:
        i, s = c
        return (i + 1, s + x * i), i

    (last, total), ys = ga.scan(body, (np.int64(0), 0.0), xs)
    f = ga.function([xs], [last, total, ys, ga.grad(total, xs)])
    i, s, numbers, slope = f([1.0, 2.0, 4.0])
    assert (int(i), float(s), list(numbers), list(slope)) == (3, 10.0, [0, 1, 2], [0, 1, 2])


def test_strong_zeros_survive_the_loop() -> None:
    """Of a branch not taken in where, inside a loop, nothing is seen."""
    xs = ga.vector("xs", 3)

    def body(c: Any, x: Any) -> Any:
        return c + ga.where(x > 0, ga.sqrt(x) * c, 0.0), None

    last, _ = ga.scan(body, 1.0, xs)
    slope = ga.grad(last, xs)
    second = ga.grad(slope[1] + slope[0], xs)
    for backend in BACKENDS:
        found = ga.function([xs], [slope, second], backend=backend)([0.0, 4.0, -1.0])
        assert all(np.isfinite(v).all() for v in found)


def test_results_are_fresh() -> None:
    h, xs = ga.vector("h", 3), ga.matrix("xs", (None, 3))
    last, _ = ga.scan(lambda c, x: (c, None), h, xs)
    same, ys = ga.scan(lambda c, x: (x, x), h, xs)
    f = ga.function([h, xs], [last, same, ys])
    for steps in (0, 2):
        start, rows = H.copy(), XS[:steps].copy()
        for result, given in itertools.product(f(start, rows), (start, rows)):
            assert not np.shares_memory(result, given)


def test_pickled() -> None:
    import pickle

    a, xs = ga.scalar("a"), ga.vector("xs")
    last, _ = ga.scan(lambda c, x: (ga.sin(a * c) + x, None), 0.0, xs)
    f = ga.function([a, xs], [last, ga.grad(last, a)])
    g = pickle.loads(pickle.dumps(f))
    assert [float(v) for v in g(0.5, XS[0])] == [float(v) for v in f(0.5, XS[0])]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [2, 3, 4, 9])
def test_unrolled(unroll: int, reverse: bool) -> None:
    w, h, xs = ga.matrix("w", (3, 3)), ga.vector("h", 3), ga.matrix("xs", (4, 3))
    results = []
    for k in (1, unroll):
        last, ys = ga.scan(cell(w), h, xs, reverse=reverse, unroll=k)
        results.append([last, ys, *ga.grad(last.sum() + (ys**2).sum(), [w, h, xs])])
    for a, b in zip(*ga.function([w, h, xs], results)(A, H, XS), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    counted, _ = ga.scan(lambda c, _: (c * 2, None), 1.0, length=7, unroll=unroll, reverse=reverse)
    assert float(counted.eval()) == 128.0


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("last", [1, 3, 9])
def test_truncated(last: int, reverse: bool) -> None:
    """As if the carry were cut off before the last steps."""
    w, h, xs = ga.matrix("w", (3, 3)), ga.vector("h", 3), ga.matrix("xs", (None, 3))
    final, ys = ga.scan(cell(w), h, xs, reverse=reverse, truncate=last)
    plain, rows = ga.scan(cell(w), h, xs, reverse=reverse)
    early, late = max(4 - last, 0), min(last, 4)
    first = XS[::-1][:early] if reverse else XS[:early]
    state = H
    for x in first:
        state = np.tanh(A @ state + x)
    k, start, rest = ga.matrix("k", (3, 3)), ga.vector("s", 3), ga.matrix("r", (None, 3))
    cut, _ = ga.scan(cell(k), start, rest, reverse=reverse)
    wanted = ga.function([k, start, rest], ga.grad(cut.sum(), k))
    f = ga.function([w, h, xs], [final, ys, plain, rows, *ga.grad(final.sum(), [w, xs])])
    a, b, c, d, by_w, by_x = f(A, H, XS)
    np.testing.assert_allclose(a, c)
    np.testing.assert_allclose(b, d)
    tail = XS[:late] if reverse else XS[early:]
    np.testing.assert_allclose(by_w, wanted(A, state, tail), rtol=1e-12)
    seen = by_x[:late] if reverse else by_x[early:]
    assert np.abs(seen).sum() == pytest.approx(np.abs(by_x).sum()) and np.all(seen)


# ---- what is refused ---------------------------------------------------------------------------
def _wrong_dtype() -> Any:
    return ga.scan(lambda c, x: ({"h": c["h"] * 1.5}, None), {"h": 0}, ga.vector("x"))


def _wrong_shape() -> Any:
    return ga.scan(lambda c, x: ({"h": c["h"] * x}, None), {"h": 0.0}, ga.matrix("x", (5, 2)))


def _wrong_structure() -> Any:
    return ga.scan(lambda c, x: ({"g": c["h"]}, None), {"h": 0.0}, ga.vector("x"))


def _no_pair() -> Any:
    return ga.scan(lambda c, x: c + x, 0.0, ga.vector("x"))


def _lengths() -> Any:
    return ga.scan(lambda c, x: (c, None), 0.0, {"a": np.zeros(3), "b": np.zeros(4)})


REFUSALS = {
    _wrong_dtype: (ga.errors.DTypeError, "init['h'] is int64[], after one step it is float64[]"),
    _wrong_shape: (ga.errors.ShapeError, "after one step it is float64[2]"),
    _wrong_structure: (ga.errors.GraphError, "has another structure: {'g': float64[]}"),
    _no_pair: (ga.errors.UseError, "write `return carry, y`"),
    _lengths: (ga.errors.ShapeError, "xs['a'] has 3 steps, xs['b'] has 4"),
    lambda: ga.scan(lambda c, x: (c, None), 0.0, length=-1): (ga.errors.ShapeError, "is -1"),
    lambda: ga.scan(lambda c, x: (c, None), 0.0): (ga.errors.UseError, "give length="),
    lambda: ga.scan(3, 0.0, length=2): (ga.errors.UseError, "body is int, not a function"),
    lambda: ga.scan(lambda c, x: (c, None), "a", length=2): (ga.errors.DTypeError, "init: str"),
    lambda: ga.scan(lambda c, x: (c, None), 0.0, 1.0): (ga.errors.ShapeError, "a scalar"),
    lambda: ga.scan(lambda c, x: (c, None), 0.0, length=2, unroll=0): (
        ga.errors.UseError, "unroll=0"),
    lambda: ga.scan(lambda c, x: (c, None), 0.0, ga.vector("x"), unroll=2): (
        ga.errors.UseError, "unknown length"),
    lambda: ga.scan(lambda c, x: (c, None), 0.0, length=2, until=lambda c, y: c > 0, truncate=0): (
        ga.errors.UseError, "truncate=0"),
    lambda: ga.scan(lambda c, x: (c, None), 0.0, length=2, taps={"h": (-1,)}): (
        ga.errors.UseError, "taps names 'h'"),
}  # fmt: skip


@pytest.mark.parametrize("build", REFUSALS, ids=range(len(REFUSALS)))
def test_refused(build: Any) -> None:
    kind, words = REFUSALS[build]
    with pytest.raises(kind) as caught:
        build()
    assert words in str(caught.value)


@pytest.mark.parametrize("build", [_wrong_dtype, _wrong_shape, _wrong_structure, _no_pair])
def test_the_line_of_the_body_is_named(build: Any) -> None:
    with pytest.raises(ga.GraphadError) as caught:
        build()
    line = build.__code__.co_firstlineno + 1
    assert f"test_scan.py:{line}" in str(caught.value)


def test_lengths_known_at_run_time() -> None:
    a, b, n = ga.vector("a"), ga.vector("b"), ga.scalar("n", dtype="int64")
    last, _ = ga.scan(lambda c, x: (c + x[0] * x[1], None), 0.0, (a, b))
    f = ga.function([a, b], last)
    with pytest.raises(ga.errors.ShapeError, match="b has 3 rows"):
        f([1.0, 2.0], [1.0, 2.0, 3.0])
    counted, ys = ga.scan(lambda c, _: (c * 2, c), 1.0, length=n)
    g = ga.function([n], [counted, ys])
    assert [float(g(3)[0]), list(g(3)[1])] == [8.0, [1.0, 2.0, 4.0]]
    with pytest.raises(ga.errors.ShapeError, match="length is -2"):
        g(-2)


def test_unroll_changes_no_result() -> None:
    a, xs = ga.scalar("a"), ga.vector("xs", 7)
    ways: list[Any] = [{"until": lambda c, y: c > 3.0}, {"taps": {"h": (-1, -3)}}]
    for keywords in ways:
        found = []
        for unroll in (1, 3):
            if "taps" in keywords:
                last, ys = ga.scan(lambda c, x: ({"h": a * sum(c["h"]) + x}, x), {"h": np.ones(3)},
                                   xs, unroll=unroll, **keywords)  # fmt: skip
                last = last["h"][-1]
            else:
                last, ys = ga.scan(lambda c, x: (a * c + x, c), 0.0, xs, unroll=unroll, **keywords)
            found.append([last, ys, ga.grad(last, a)])
        for one, other in zip(*ga.function([a, xs], found)(0.9, np.arange(7.0)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_variable_of_the_body_outside_of_it() -> None:
    kept: list[Any] = []
    x, xs = ga.vector("x", 3), ga.matrix("xs", (None, 3))
    ga.scan(lambda c, r: (kept.append(c) or c * r, None), x, xs)
    with pytest.raises(ga.errors.GraphError, match="exists in it alone, return from it"):
        ga.function([x, xs], kept[0] + 1)
