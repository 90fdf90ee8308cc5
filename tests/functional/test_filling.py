"""Arrays made like an argument are filled by assignment, and what is put in differentiates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga

LIKE: dict[str, Callable[[Any], Any]] = {
    "np.zeros_like": np.zeros_like,
    "np.ones_like": np.ones_like,
    "np.empty_like": np.empty_like,
    "np.full_like": lambda x: np.full_like(x, 2.0),
    "ga.zeros_like": ga.zeros_like,
    "other shape": lambda x: np.zeros_like(x, shape=(4,)),
}
X = np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize("like", LIKE.values(), ids=LIKE)
def test_filling(like: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        y = like(x)
        y[0] = 0.0
        for i in range(1, 3):
            y[i] = x[i - 1] ** 2
        return np.sum(y[:3] ** 2)

    np.testing.assert_allclose(ga.grad(f)(X), [4.0, 32.0, 0.0])
    np.testing.assert_allclose(ga.hessian(f)(X), np.diag([12.0, 48.0, 0.0]))
    compiled = ga.jit(ga.value_and_grad(f))
    for scale in (1.0, 2.0):
        value, slope = compiled(scale * X)
        np.testing.assert_allclose(value, 17.0 * scale**4)
        np.testing.assert_allclose(slope, np.array([4.0, 32.0, 0.0]) * scale**3)


def test_two_arrays_are_filled_apart() -> None:
    def f(x: Any) -> Any:
        y, z = np.zeros_like(x), np.zeros_like(x)
        y[0], z[0] = x[1], 2.0 * x[2]
        return y[0] * z[0] + np.sum(y) + np.sum(z)

    np.testing.assert_allclose(ga.grad(f)(X), [0.0, 2 * 3.0 + 1.0, 2 * 2.0 + 2.0])


def test_dtype_and_branches() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x, dtype="float32")
        y[:] = x
        z = np.zeros_like(x)
        if np.sum(z) == 0:  # its value is known, as that of an argument
            z[0] = np.sum(y * y).astype("float64")
        return z[0]

    np.testing.assert_allclose(ga.grad(f)(X), 2 * X)


def test_of_a_plain_variable_it_stays_refused() -> None:
    y = ga.zeros_like(ga.vector("x", shape=(3,)))
    with pytest.raises(ga.errors.UseError, match="cannot be changed in place"):
        y[0] = 1.0


def test_the_method_trace_is_numpys() -> None:
    """What keeps the values of a Variable has another name."""
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(ga.grad(lambda x: x.trace() ** 2)(x), 10.0 * np.eye(2))
    assert ga.constant(x).trace().eval() == 5.0
