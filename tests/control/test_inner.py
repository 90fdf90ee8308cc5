"""Loops, branches and run-time indices in the steps of a loop: one piece of machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import kernels

pytestmark = pytest.mark.skipif(not kernels.is_possible(), reason="no vector registers")
X = np.random.default_rng(0).normal(size=(6, 3))
a, xs, n = ga.scalar("a"), ga.matrix("xs", (6, 3)), ga.scalar("n", dtype="int64")
GIVEN = {a: 0.6, xs: X, n: -1}
ONES = np.ones(3)


def codes(f: Any) -> list[bool]:
    """Is each loop of the program machine code?"""
    loops = [v for v in f._compiled.program.bound.values() if type(v).__name__ == "Loop"]
    return [code is not None for loop in loops for code in loop.machine.variants.values()]


def native(outputs: Any) -> list[bool]:
    """Values as by the interpreter; is each loop machine code?"""
    inputs, given = [*GIVEN], [*GIVEN.values()]
    f = ga.function(inputs, outputs, backend="llvm", unused="ignore")
    g = ga.function(inputs, outputs, backend="interpreter", unused="ignore")
    for ours, theirs in zip(f(*given), g(*given), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
        assert np.shape(ours) == np.shape(theirs)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
    return codes(f)


def scan_in_scan(c: Any, x: Any) -> Any:
    return ga.scan(lambda d, v: (ga.sin(d * a) + v * x, d.sum()), c, x)


def scans_of_numbers(c: Any, x: Any) -> Any:
    (d, k), (ys, big) = ga.scan(
        lambda d, v: ((d[0] * 0.5 + v, d[1] + 1), (d[0], d[1] > 1)), (c[0], np.int64(0)), x,
        reverse=True,
    )  # fmt: skip
    return c * 0.5 + d * k, (ys, big)


def three_deep(c: Any, x: Any) -> Any:
    def inner(d: Any, v: Any) -> Any:
        return ga.fori_loop(0, 3, lambda i, e: e * a + v * x[i], d), None

    return ga.scan(inner, c, x)[0], c


def two_branches(c: Any, x: Any) -> Any:
    found = ga.cond(x.sum() > 0, lambda c: (ga.sin(c) * 2, c[0]), lambda c: (c * x, c[1] * a), c)
    return found


def three_branches(c: Any, x: Any) -> Any:
    which = ga.clip((c[0] * 3).astype("int64"), 0, 2)
    cases: list[Callable[[Any], Any]] = [lambda c: c, lambda c: c * a, lambda c: c[::-1] + x]
    return ga.switch(which, cases, c), c


def branch_with_a_loop(c: Any, x: Any) -> Any:
    return ga.cond(c.sum() > 1, lambda d: ga.scan(lambda e, v: (e * v, None), d, x)[0],
                   lambda d: d + x, c), x[0]  # fmt: skip


def indices(c: Any, x: Any) -> Any:
    k = (x[0] > 0).astype("int64") - n - 1
    return c * a + xs[k], (xs[k, n], c[n], xs[k, 1:])


BODIES: dict[str, Any] = {f.__name__: f for f in (
    scan_in_scan, scans_of_numbers, three_deep, two_branches, three_branches, branch_with_a_loop,
    indices)}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str) -> None:
    last, ys = ga.scan(BODIES[name], ONES, xs)
    found = ga.tree.flatten([last, ys])[0]
    assert native(found) == [True]
    cost = sum([v.sum() for v in found if v.dtype.kind == "f"])
    slopes = ga.grad(cost, [a, xs], disconnected="zero")
    assert all(native(slopes))
    curve = ga.grad((slopes[1] ** 2).sum(), [a, xs], disconnected="zero")
    native(curve)


def test_loops_of_unknown_length() -> None:
    last, ys = ga.scan(
        lambda c, x: (ga.while_loop(lambda z: (z * z).sum() > 1.0, lambda z: z * a, c + x), c),
        ONES, xs,
    )  # fmt: skip
    assert native([last, ys]) == [True]
    native(ga.grad(last.sum() + ys.sum(), [a, xs]))  # what is recorded has no known size
    last = ga.fori_loop(0, 5, lambda i, c: ga.fori_loop(1, i, lambda j, d: d * a + j, c), ONES)
    assert native([last]) == [True]
    until = {"until": lambda e, y: e > 0.1}
    stop = ga.scan(lambda c, x: (ga.scan(lambda e, v: (e * a + v, None), c, x, **until)[0], None),
                   a, xs)[0]  # fmt: skip
    assert native([stop]) == [True]


def test_errors_are_those_of_python() -> None:
    places = ga.vector("places", dtype="int64")
    y, _ = ga.scan(lambda c, i: (c + xs[i], None), np.zeros(3), places)
    f = ga.function([xs, places], y, backend="llvm")
    np.testing.assert_allclose(f(X, [0, -6, 5]), X[0] + X[-6] + X[5])
    assert codes(f) == [True]
    for wrong in (6, -7):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds"):
            f(X, [0, wrong, 1])
    np.testing.assert_allclose(f(X, [2]), X[2])
    y, _ = ga.scan(lambda c, i: (ga.switch(i, [lambda c: c, lambda c: 2 * c], c), None), ONES,
                   places)  # fmt: skip
    f = ga.function([places], y, backend="llvm")
    np.testing.assert_allclose(f([0, 1, 1]), 4 * ONES)
    with pytest.raises(IndexError, match="index 2 with 2 branches"):
        f([0, 2])
    y, _ = ga.scan(
        lambda c, x: (ga.while_loop(lambda z: z < 10, lambda z: z * 2, c + 1, max_steps=2), None),
        a, xs,
    )  # fmt: skip
    f = ga.function([a, xs], y, backend="llvm", unused="ignore")
    with pytest.raises(ga.errors.ConvergenceError, match="max_steps=2"):
        f(1.0, X)


# ---- programs of single numbers ----------------------------------------------------------------
def newton(x: Any) -> Any:
    return ga.while_loop(
        lambda r: abs(r**3 - x) > 1e-10, lambda r: r - (r**3 - x) / (3 * r * r), x
    )


def growing(x: Any) -> Any:
    return ga.while_loop(lambda c: c < 10.0, lambda c: c * 1.002 + ga.sin(c * x) * 1e-4, x)


def power(x: Any) -> Any:
    k = ga.clip((x * 2).astype("int64"), 0, 6)
    return ga.fori_loop(0, k, lambda i, c: c * x + i, 1.0)


def chosen(x: Any) -> Any:
    return ga.cond(x > 1, lambda: ga.sqrt(x), lambda: ga.scan(
        lambda c, _: (ga.sin(c), c), x, length=5)[1].sum())  # fmt: skip


@pytest.mark.parametrize("program", [newton, growing, power, chosen])
def test_numbers_and_loops_are_one_function(program: Any) -> None:
    x = ga.scalar("x")
    y = program(x)
    slope = ga.grad(y, x)
    outputs = [y, slope, ga.jvp(y, [x], [2.0]), y > 2]
    f = ga.function([x], outputs, backend="llvm")
    g = ga.function([x], outputs, backend="interpreter")
    assert "in one native function" in f.source
    for value in (9.5, 0.7, 2.0, 9.99, 3.0):
        ours, theirs = f(value), g(value)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
        assert [type(v) for v in ours] == [type(v) for v in theirs]
    # where a loop was longer than there was room for, loops are functions of their own since
    assert ("in one native function" in f.source) == (program is not growing)


def test_errors_of_programs_of_numbers() -> None:
    x = ga.scalar("x")
    y = ga.while_loop(lambda c: c < 10.0, lambda c: c * 2.0, x, max_steps=3)
    f = ga.function([x], [y, ga.grad(y, x)], backend="llvm")
    assert f(3.0) == [12.0, 4.0]
    for _ in range(2):
        with pytest.raises(ga.errors.ConvergenceError, match="max_steps=3"):
            f(0.1)
    assert f(3.0) == [12.0, 4.0]


def test_sizes_computed_outside_of_the_loop() -> None:
    """The gradient of a slice is put into zeros of a size that the loop is given as a number."""
    rows = ga.matrix("rows", shape=(None, 3))
    first = ga.tanh(rows) * a
    out, _ = ga.scan(lambda c, i: (ga.sin(c[:, 1:].sum() + c), None), first, length=3)
    results = [out, *ga.grad(out.sum(), [rows, a])]
    f, g = (ga.function([rows, a], results, backend=b) for b in ("llvm", "interpreter"))
    for ours, theirs in zip(f(X / 9, 0.3), g(X / 9, 0.3), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert all(codes(f))


@pytest.mark.parametrize("body", [
    lambda c, k: c[:k].sum() + c, lambda c, k: c + ga.zeros((k,)).sum() + ga.ones((k, 2)).sum(),
    lambda c, k: c + ga.broadcast_to(c[0], (k, 3)).sum(axis=0),
    lambda c, k: c + ga.arange(k).sum(), lambda c, k: c + ga.repeat(c, k).sum(),
    lambda c, k: c + c[k::-1].sum(), lambda c, k: c.at[:k].set(2.0),
    lambda c, k: c.at[k].add(c[0]),
])  # fmt: skip
def test_sizes_that_are_known_when_the_loop_runs(body: Callable[[Any, Any], Any]) -> None:
    out, seen = ga.scan(lambda c, k: (body(c, k), c * 0.5), xs[0], np.array([2, 1, 0]))
    native([out, seen, ga.grad(out.sum() + seen.sum(), xs)])
