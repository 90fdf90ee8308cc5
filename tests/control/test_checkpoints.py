"""What is kept of a loop for its gradient: every policy gives the same derivatives."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.families.loopkept import segments
from graphad.testing import check_grads
from graphad.testing.gradients import compiled

POLICIES: list[Any] = ["none", 1, 2, 3, 100, "sqrt", ("slots", 1), ("slots", 2), ("bytes", 100),
                       ("bytes", 10**6)]  # fmt: skip
RNG = np.random.default_rng(5)
W, H, XS = RNG.normal(size=(3, 3)) / 2, RNG.normal(size=3), RNG.normal(size=(7, 3))


def _loop(policy: Any, **keywords: Any) -> Any:
    def f(w: Any, h: Any, xs: Any) -> Any:
        def body(c: Any, x: Any) -> Any:
            return {"h": ga.tanh(w @ c["h"] + x), "n": c["n"] + 1}, (c["h"] * x).sum()

        last, ys = ga.scan(body, {"h": h, "n": np.int64(0)}, xs, checkpoint=policy, **keywords)
        return last["h"], ys

    return f


EVERY_DAY = ("none", 3, ("slots", 2))


@pytest.mark.parametrize(
    "policy", [p if p in EVERY_DAY else pytest.param(p, marks=pytest.mark.full) for p in POLICIES],
    ids=str,
)  # fmt: skip
def test_gradients_equal_those_of_all(policy: Any) -> None:
    w, h, xs = ga.matrix("w", (3, 3)), ga.vector("h", 3), ga.matrix("xs", (None, 3))
    ends = {"until": lambda c, y: abs(y) > 1.0}
    for keywords in ({}, {"reverse": True}, ends, {**ends, "reverse": True}):
        found = []
        for p in (None, policy):
            last, ys = _loop(p, **keywords)(w, h, xs)
            first = ga.grad((last**2).sum() + (ys**3).sum(), [w, h, xs])
            second = ga.grad((first[0] ** 2).sum() + (first[2] ** 2).sum(), [w, h, xs])
            found.append([*first, *second])
        f = ga.function([w, h, xs], found)
        for steps in (7, 1, 0):
            for a, b in zip(*f(W, H, XS[:steps]), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("policy", ["sqrt", ("slots", 2)], ids=str)
def test_against_finite_differences(policy: Any) -> None:
    check_grads(_loop(policy), [W, H, XS], order=2, runner=compiled)


@pytest.mark.parametrize("steps", [0, 1, 2, 9, 10, 101])
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_segments_cover_all_steps_backwards(policy: Any, steps: int) -> None:
    def advance(state: Any, lo: int, hi: int) -> Any:
        assert state[0] == lo < hi
        return [np.int64(hi)]

    found = list(segments(policy, steps, [np.int64(0)], advance))
    order = [i for lo, hi, _ in found for i in range(hi - 1, lo - 1, -1)]
    assert order == list(range(steps - 1, -1, -1))
    assert all(state[0] == lo for lo, _, state in found)


def test_slots_repeat_as_little_as_they_must() -> None:
    """C(s + r, s) segments with s slots: no step is computed more than r times."""
    for slots, repeats in ((1, 4), (2, 3), (3, 3), (5, 2)):
        steps = slots * math.comb(slots + repeats, slots)
        times = np.zeros(steps, int)

        def advance(state: Any, lo: int, hi: int, times: Any = times) -> Any:
            times[lo:hi] += 1
            return state

        list(segments(("slots", slots), steps, [np.float64(0)], advance))
        assert times.max() <= repeats


@pytest.mark.parametrize("order", ["first", "reverse over reverse", "forward over reverse"])
def test_memory_grows_with_the_root(order: str) -> None:
    h, w = ga.vector("h", 64), ga.vector("w", 64)

    def peak(policy: Any, steps: int) -> int:
        last, _ = ga.scan(lambda c, _: (ga.sin(c * w), None), h, length=steps, checkpoint=policy)
        wanted = ga.grad(last.sum(), w)
        if order == "reverse over reverse":
            wanted = ga.grad((wanted * np.arange(64)).sum(), w)
        elif order == "forward over reverse":
            wanted = ga.jvp(wanted, [w], [np.arange(64.0)])
        f = ga.function([h, w], wanted, backend="numpy")
        f(np.ones(64), np.ones(64))
        tracemalloc.start()
        f(np.ones(64), np.ones(64))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    all_ratio = peak(None, 3600) / peak(None, 400)
    root_ratio = peak("sqrt", 3600) / peak("sqrt", 400)
    assert 7 < all_ratio < 10 and root_ratio < 4


@pytest.mark.parametrize("policy", ["some", 0, -1, True, ("slots", 0), ("parts", 2), 1.5], ids=str)
def test_refused(policy: Any) -> None:
    with pytest.raises(ga.errors.UseError, match="checkpoint="):
        ga.scan(lambda c, x: (c, None), 0.0, length=2, checkpoint=policy)


@pytest.mark.parametrize("until", [None, lambda c, y: abs(y) > 1.0], ids=["all", "until"])
def test_third_derivatives_of_loops_in_loops(until: Any) -> None:
    """In whatever mode, with a policy for each loop, or none."""
    w, h, xs = ga.matrix("w", (3, 3)), ga.vector("h", 3), ga.tensor("xs", (None, 2, 3))

    def inner(c: Any, x: Any) -> Any:
        return ga.tanh(w @ c + x), (c * x).sum()

    found = []
    for policy in (None, 2):

        def outer(c: Any, rows: Any, policy: Any = policy) -> Any:
            c, ys = ga.scan(inner, c, rows, checkpoint=policy)
            return c, ys.sum()

        last, ys = ga.scan(outer, h, xs, checkpoint=policy, until=until)
        first = ga.grad(last.sum() + (ys**2).sum(), [w, h, xs])
        second = ga.jvp(first, [w, xs], [W, XS[:4].reshape(2, 2, 3)[:1] * ga.ones((3, 2, 3))])
        third = ga.grad((second[0] ** 2).sum() + second[2].sum(), [w, h, xs])
        found.append([*second, *third])
    f = ga.function([w, h, xs], found)
    rows = RNG.normal(size=(3, 2, 3))
    for ours, theirs in zip(*f(W, H, rows), strict=True):
        scale = float(np.max(np.abs(ours)))
        np.testing.assert_allclose(theirs / scale, ours / scale, rtol=1e-9, atol=1e-12)


def test_rules_of_its_own_in_a_body() -> None:
    """Where a cotangent is clipped, second derivatives are not symmetric."""
    a, xs, c0 = ga.scalar("a"), ga.vector("xs"), ga.scalar("c")
    found = []
    for policy in (None, "sqrt"):

        def body(c: Any, x: Any) -> Any:
            return ga.sin(ga.grad_clip(c * a, -0.5, 0.5) + x), None

        last, _ = ga.scan(body, c0, xs, checkpoint=policy)
        slope = ga.grad(last**2, [a, c0, xs])
        found.append([*slope, ga.grad(slope[0], a), ga.jvp(slope[0], [a, c0], [1.0, 0.3])])
    f = ga.function([a, c0, xs], found)
    for ours, theirs in zip(*f(1.3, 0.4, np.linspace(0.1, 2, 6)), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-10)


@pytest.mark.parametrize("policy", ["none", 3, "sqrt", ("slots", 2), ("bytes", 100)], ids=str)
def test_loops_without_sequences(policy: Any) -> None:
    a, n = ga.scalar("a"), ga.scalar("n", dtype="int64")
    found = []
    for p in (None, policy):
        root = ga.while_loop(lambda c: c < 20.0, lambda c: c * a + ga.sin(c), a, checkpoint=p)
        most = ga.while_loop(lambda c: c < 20.0, lambda c: c * a + ga.sin(c), a, checkpoint=p,
                             max_steps=50)  # fmt: skip
        power = ga.fori_loop(0, n, lambda i, c: ga.sin(c * a) + i, a, checkpoint=p)
        for y in (root, most, power):
            slope = ga.grad(y, a)
            found.append([y, slope, ga.grad(slope, a), ga.jvp(y, [a], [2.0])])
    for backend in ("numpy", "llvm"):
        f = ga.function([a, n], found, backend=backend)
        for given in ((1.3, 10), (1.3, 1), (25.0, 0)):
            results = f(*given)
            np.testing.assert_allclose(results[3:], results[:3], rtol=1e-10)
    for loop in (lambda p: ga.while_loop(lambda c: c < 1, lambda c: c + 1, a, checkpoint=p),
                 lambda p: ga.fori_loop(0, 3, lambda i, c: c + 1, a, checkpoint=p)):  # fmt: skip
        with pytest.raises(ga.errors.UseError, match="checkpoint='all but one'"):
            loop("all but one")


@pytest.mark.parametrize("policy", [None, "none", 2, "sqrt"], ids=str)
def test_effects_happen_once(policy: Any) -> None:
    seen: list[float] = []
    a, xs = ga.scalar("a"), ga.vector("xs")
    show = ga.callback
    last, _ = ga.scan(
        lambda c, x: (ga.sin(show(lambda z: seen.append(float(z)), c) * a) + x, None), 0.0, xs,
        checkpoint=policy,
    )  # fmt: skip
    slope = ga.grad(last, a)
    curve = ga.grad(slope, a)
    for backend in ("numpy", "llvm"):
        f = ga.function([a, xs], [last, slope, curve], backend=backend)
        seen.clear()
        f(0.5, np.arange(1.0, 7.0))
        assert len(seen) == 6 and len(set(seen)) == 6


@pytest.mark.parametrize("until", [None, lambda c, y: c > 3], ids=["all", "until"])
@pytest.mark.parametrize("truncate", [None, 2])
def test_effects_happen_once_for_several_gradients(until: Any, truncate: Any) -> None:
    """A loop and all those that record for its gradients are one."""
    seen: list[float] = []
    a, xs = ga.scalar("a"), ga.vector("xs")
    last, ys = ga.scan(
        lambda c, x: (ga.callback(lambda z: seen.append(float(z)), c * a + x), c * c), 0.0, xs,
        until=until, truncate=truncate,
    )  # fmt: skip
    f = ga.function([a, xs], [last, ys, ga.grad(last, a), ga.grad(ys.sum(), [a, xs])])
    f(0.5, np.arange(1.0, 7.0))
    assert seen == [1.0, 2.5, 4.25, 6.125, 8.0625, 10.03125][: 6 if until is None else 3]
