"""Python functions that draw from a generator, transformed: called at once, and compiled."""

from typing import Any

import numpy as np
import pytest

import graphad as ga

ONES = np.ones(3)


def pair(seed: int = 0) -> tuple[Any, Any]:
    return ga.random.default_rng(seed), np.random.default_rng(seed)


@pytest.mark.parametrize("calls", [1, 2, 12])
def test_grad_draws_in_each_call(calls: int) -> None:
    rng, theirs = pair()
    slope = ga.grad(lambda x: (x * rng.normal(size=3)).sum())
    for _ in range(calls):
        np.testing.assert_allclose(slope(ONES), theirs.normal(size=3))
    assert rng.state == theirs.bit_generator.state


def test_value_and_grad() -> None:
    rng, theirs = pair()
    f = ga.value_and_grad(lambda x: (x * rng.normal(size=3)).sum())
    for _ in range(12):
        noise = theirs.normal(size=3)
        value, slope = f(ONES)
        assert value == pytest.approx(noise.sum())
        np.testing.assert_allclose(slope, noise)
    assert rng.state == theirs.bit_generator.state


@pytest.mark.parametrize("transform", [ga.jit, lambda f: ga.jit(ga.grad(f))])
def test_compiled(transform: Any) -> None:
    rng, theirs = pair()
    f = transform(lambda x: (x * rng.normal(size=3)).sum())
    for _ in range(6):
        noise, found = theirs.normal(size=3), f(ONES)
        np.testing.assert_allclose(found, noise if np.ndim(found) else noise.sum())
    assert rng.state == theirs.bit_generator.state


def test_unused_draws_shift_nothing_at_once_either() -> None:
    rng, theirs = pair()

    def f(x: Any) -> Any:
        rng.normal(size=5)
        return x * rng.normal()

    slope = ga.grad(f)
    for _ in range(6):
        assert slope(1.0) == pytest.approx(theirs.normal())


def test_decisions_by_chance_at_once() -> None:
    rng, theirs = pair()
    slope = ga.grad(lambda x: x if x * rng.random() < 0.5 else 2 * x)
    found = [slope(1.0) for _ in range(12)]
    assert found == [1.0 if u < 0.5 else 2.0 for u in theirs.random(12)]


def test_decisions_by_chance_in_jit_say_what_to_write() -> None:
    rng, theirs = pair()
    f = ga.jit(lambda x: x if x * rng.random() < 0.5 else 2 * x)
    with pytest.raises(ga.errors.TracerError, match="decides by a random number") as caught:
        f(1.0)
    assert "ga.cond" in caught.value.remedy and "test_functions.py:" in caught.value.where
    g = ga.jit(lambda x: ga.cond(rng.random() < 0.5, lambda: x, lambda: 2 * x) if x > 0 else x)
    rng.state = theirs.bit_generator.state
    for _ in range(6):
        assert g(1.0) == (1.0 if theirs.random() < 0.5 else 2.0)
    assert g(-1.0) == -1.0


def test_vmap_of_grad() -> None:
    rng, _ = pair()
    f = ga.vmap(ga.grad(lambda x: (x * rng.normal(size=3)).sum()))
    first, second = f(np.ones((2, 3))), f(np.ones((2, 3)))
    assert len({row.tobytes() for row in [*first, *second]}) == 4


def test_a_generator_inside_the_function_starts_anew() -> None:
    def f(x: Any) -> Any:
        return (x * ga.random.default_rng(3).normal(size=3)).sum()

    wanted = np.random.default_rng(3).normal(size=3)
    for transform in (ga.grad, lambda g: ga.jit(ga.grad(g))):
        for _ in range(4):
            np.testing.assert_allclose(transform(f)(ONES), wanted)


def test_functions_alike_keep_their_generators_and_shared_variables_apart() -> None:
    """Programs are found again by content, to which the cells belong."""
    first, second = ga.random.default_rng(1), ga.random.default_rng(2)
    f, g = ga.grad(lambda x: x * first.normal()), ga.grad(lambda x: x * second.normal())
    found = [(f(1.0), g(1.0)) for _ in range(4)]
    theirs = [np.random.default_rng(s).normal(size=4) for s in (1, 2)]
    np.testing.assert_allclose(found, np.transpose(theirs))
    v, w = ga.shared(1.0), ga.shared(5.0)
    f, g = ga.grad(lambda x: x * v), ga.grad(lambda x: x * w)
    assert [(f(1.0), g(1.0)) for _ in range(4)] == [(1.0, 5.0)] * 4


@pytest.mark.parametrize("transform", [ga.grad, ga.value_and_grad, ga.jit])
def test_errors_tell_the_line(transform: Any) -> None:
    rng = ga.random.default_rng(0)
    f = transform(lambda x: rng.normal(0.0, x) * x)
    g = transform(lambda x: ga.log(ga.assert_(x > 0, "positive", value=x)))
    for function in (f, g):
        with pytest.raises(ga.GraphadError) as caught:
            function(-1.0)
        assert "test_functions.py:" in caught.value.where


def test_effects_happen_once_in_each_call() -> None:
    seen: list[float] = []

    def see(value: Any) -> None:
        seen.append(float(value))

    for transform in (ga.grad, ga.value_and_grad, ga.jit, lambda f: ga.jit(ga.grad(f))):
        seen.clear()
        f = transform(lambda x: ga.callback(see, x) ** 2)
        for i in range(8):
            f(float(i))
        assert seen == [float(i) for i in range(8)]
