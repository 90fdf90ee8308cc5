"""Draws in bodies of loops and branches: carried from step to step, and on to what follows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga

BACKENDS = ["auto", "interpreter", "llvm"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return str(request.param)


def pair(seed: int = 0) -> tuple[Any, Any]:
    return ga.random.default_rng(seed), np.random.default_rng(seed)


X = ga.scalar("x")


def test_each_step_draws_its_own_numbers(backend: str) -> None:
    rng, theirs = pair()

    def step(c: Any, _: Any) -> Any:
        y = c + rng.normal(0.0, X)
        return y, y

    last, ys = ga.scan(step, 0.0, length=5)
    after = rng.random()
    tangent = ga.jvp(ys, X, ga.constant(1.0))
    f = ga.function([X], [last, ys, after, ga.grad(last * last, X), tangent], backend=backend)
    for _ in range(2):
        z = theirs.normal(size=5)
        wanted = [2 * z.sum(), np.cumsum(2 * z), theirs.random(), 4 * z.sum() ** 2, np.cumsum(z)]
        for got, value in zip(f(2.0), wanted, strict=True):
            np.testing.assert_allclose(got, value, rtol=1e-12)
    assert rng.state == theirs.bit_generator.state


def test_a_gradient_alone_draws_what_the_loop_draws(backend: str) -> None:
    rng, theirs = pair()
    last, _ = ga.scan(lambda c, _: (c + rng.normal(0.0, X), None), 0.0, length=3)
    further = rng.normal(0.0, X)
    f = ga.function([X], ga.grad(last + 10 * further, X), backend=backend)
    for _ in range(2):
        assert f(1.0) == pytest.approx(theirs.normal(size=3).sum() + 10 * theirs.normal())


def test_a_loop_that_is_not_used_shifts_nothing(backend: str) -> None:
    rng, theirs = pair()
    unused = ga.fori_loop(0, 3, lambda i, c: c + rng.normal(), 0.0)
    f = ga.function([], rng.normal(), backend=backend)
    assert [f(), f()] == list(theirs.normal(size=2))
    assert unused.ndim == 0


def test_the_branch_taken_draws(backend: str) -> None:
    rng, theirs = pair()
    p = ga.scalar("p", dtype="bool")
    y = ga.cond(p, lambda: rng.normal(0.0, X) + rng.random(), lambda: X * 1)
    f = ga.function([p, X], [y, rng.random(), ga.grad(y, X)], backend=backend)
    for taken in (True, False, True):
        slope = theirs.normal() if taken else 1.0
        value = 2.0 * slope + (theirs.random() if taken else 0.0)
        np.testing.assert_allclose(f(taken, 2.0), [value, theirs.random(), slope])
    assert rng.state == theirs.bit_generator.state


def test_switch_with_a_generator_for_each_branch(backend: str) -> None:
    first, second = ga.random.default_rng(1).split()
    i = ga.scalar("i", dtype="int64")
    y = ga.switch(i, [lambda: first.random(), lambda: second.random(), lambda: ga.constant(0.0)])
    f = ga.function([i], y, backend=backend)
    ours = [first.state, second.state]
    f(2)
    assert [first.state, second.state] == ours
    f(1)
    assert first.state == ours[0] and second.state != ours[1]


def test_while_draws_until_its_condition_fails(backend: str) -> None:
    rng, theirs = pair()
    total, count = ga.while_loop(
        lambda c: c[0] < 2.0, lambda c: (c[0] + rng.random(), c[1] + 1), (0.0, 0)
    )
    f = ga.function([], [total, count, rng.random()], backend=backend)
    for _ in range(3):
        value, steps = 0.0, 0
        while value < 2:
            value, steps = value + theirs.random(), steps + 1
        np.testing.assert_allclose(f(), [value, steps, theirs.random()])


def test_loops_and_branches_inside_loops(backend: str) -> None:
    rng, theirs = pair()

    def outer(c: Any, _: Any) -> Any:
        s = ga.fori_loop(0, 3, lambda i, a: a + rng.normal(), 0.0)
        t = ga.cond(s > 0, lambda: rng.random(), lambda: ga.constant(0.0))
        return c + s + t, ga.map(lambda v: v + rng.random(), np.zeros(2))

    total, rows = ga.scan(outer, 0.0, length=4)
    f = ga.function([], [total, rows, rng.random()], backend=backend)
    for _ in range(2):
        value, found = 0.0, []
        for _ in range(4):
            s = sum(theirs.normal() for _ in range(3))
            value += s + (theirs.random() if s > 0 else 0.0)
            found.append(theirs.random(size=2))
        got = f()
        assert got[0] == pytest.approx(value) and got[2] == theirs.random()
        np.testing.assert_array_equal(got[1], found)


def test_derivatives_of_noisy_loops(backend: str) -> None:
    """First and second order, against finite differences with the same random numbers."""
    rng, _ = pair()
    last, _ = ga.scan(lambda c, _: (ga.tanh(c * rng.normal(1.0, X)), None), X, length=4)
    slope = ga.grad(last, X)
    f = ga.function([X], [last, slope, ga.grad(slope, X)], backend=backend)

    def at(x: float) -> Any:
        f.reset_rng(3)
        return f(x)

    up, down, here = at(0.5 + 1e-5), at(0.5 - 1e-5), at(0.5)
    assert here[1] == pytest.approx((up[0] - down[0]) / 2e-5, rel=1e-6)
    assert here[2] == pytest.approx((up[1] - down[1]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("most", [1, 2, 50])
def test_truncated_loops_draw_each_number_once(backend: str, most: int) -> None:
    """The last steps, which are made again for their derivatives, draw what they drew."""
    rng, theirs = pair()
    shown: list[float] = []

    def step(c: Any, _: Any) -> Any:
        y = ga.callback(lambda v: shown.append(float(v)), c + X * rng.exponential())
        return y, y * y

    last, ys = ga.scan(step, X, length=40, until=lambda c, y: c > 6.0, truncate=most)
    outputs = [last, ys, rng.random(), ga.grad(last, X), ga.grad(ys.sum(), X)]
    f = ga.function([X], outputs, backend=backend)
    for _ in range(3):
        z, c = [], [1.5]
        while c[-1] <= 6:
            z.append(theirs.exponential())
            c.append(c[-1] + 1.5 * z[-1])
        start = 1.0 if len(z) <= most else 0.0
        moved = start + np.cumsum(z[-most:])
        wanted = [c[-1], np.square(c[1:]), theirs.random(), moved[-1],
                  2 * (moved * c[1:][-most:]).sum()]  # fmt: skip
        shown.clear()
        for got, value in zip(f(1.5), wanted, strict=True):
            np.testing.assert_allclose(got, value, rtol=1e-12)
        np.testing.assert_array_equal(shown, c[1:])
    assert rng.state == theirs.bit_generator.state


def test_dropout_in_a_loop(backend: str) -> None:
    rng, theirs = pair()
    x = ga.vector("x", shape=(6,))
    _, ys = ga.scan(lambda c, _: (c, ga.nn.dropout(x, 0.5, rng=rng)), 0.0, length=3)
    kept = ga.function([x], ys, backend=backend)(np.ones(6)) > 0
    np.testing.assert_array_equal(kept, theirs.random((3, 6)) >= 0.5)


def test_split_streams_do_not_see_each_other() -> None:
    """A loop with a stream of its own leaves the other generator where it was."""
    rng = ga.random.default_rng(0)
    (inner,) = rng.spawn(1)
    before = rng.state
    total = ga.fori_loop(0, 5, lambda i, c: c + inner.normal(), 0.0)
    ga.function([], total)()
    assert rng.state == before


DISCRETE: dict[str, Callable[[Any], Any]] = {
    "scan": lambda rng: ga.scan(lambda c, _: (c + X * rng.poisson(X), None), 0.0, length=2)[0],
    "cond": lambda rng: ga.cond(X > 0, lambda: X * rng.poisson(X), lambda: X),
    "checkpoint": lambda rng: ga.checkpoint(lambda v: v * rng.poisson(v))(X),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_draws_refuse_derivatives_inside_too(name: str) -> None:
    with pytest.raises(ga.errors.GradientError, match=r"random\.poisson"):
        ga.grad(DISCRETE[name](ga.random.default_rng(0)), X)


def test_jit_of_a_function_that_draws() -> None:
    rng, theirs = pair()
    f = ga.jit(lambda x: x * rng.normal(size=3))
    for _ in range(3):
        np.testing.assert_allclose(f(np.full(3, 2.0)), 2.0 * theirs.normal(size=3))


# ---- derivatives without what they are derivatives of ------------------------------------------
def walk_of(rng: Any, checkpoint: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        return ga.tanh(c) + rng.normal(0.0, X) + rng.gamma(2.0, X), None

    return ga.scan(step, 0.1, length=20, checkpoint=checkpoint)[0]


@pytest.mark.parametrize("checkpoint", ["all", "none", "sqrt", 5, ("slots", 3), ("bytes", 2000)])
def test_loops_that_are_computed_again_draw_the_same(checkpoint: Any, backend: str) -> None:
    rng, _ = pair()
    last = walk_of(rng, checkpoint)
    slope = ga.grad(last, X)
    f = ga.function([X], [last, slope, rng.random()], backend=backend)
    alone = ga.function([X], slope, backend=backend)

    def at(x: float) -> Any:
        f.reset_rng(3)
        return f(x)

    value, got, after = at(0.5)
    assert got == pytest.approx((at(0.5 + 1e-6)[0] - at(0.5 - 1e-6)[0]) / 2e-6, rel=1e-6)
    theirs, c = np.random.default_rng(3), 0.1
    for _ in range(20):
        c = np.tanh(c) + theirs.normal(0.0, 0.5) + theirs.gamma(2.0, 0.5)
    state = theirs.bit_generator.state
    assert value == pytest.approx(c) and after == theirs.random()
    alone.reset_rng(3)
    assert alone(0.5) == pytest.approx(got)
    assert rng.state == state  # where the loop leaves it


def test_gradients_of_copies_draw_anew_in_each_call() -> None:
    """With givens nothing is left of the forward pass: a new stream follows."""
    rng, z = ga.random.default_rng(0), ga.scalar("z")
    y = ga.checkpoint(lambda h: ga.sin(h * rng.normal()))(X)
    f = ga.function([z], ga.grad(y, X), givens={X: 2 * z})
    found = [f(1.0) for _ in range(4)]
    assert len(set(found)) == 4
    f.reset_rng(0)
    assert [f(1.0) for _ in range(4)] == found
    noise = np.random.default_rng(0).normal()
    assert found[0] == pytest.approx(noise * np.cos(2 * noise))
