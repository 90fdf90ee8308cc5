"""jvp: forward mode through containers, intermediates and ops that only state a vjp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import interpret

x, y = ga.vector("x", shape=(3,)), ga.vector("y", shape=(3,))
AT = {x: np.array([1.0, 2.0, 3.0]), y: np.array([0.5, -1.0, 2.0])}
T, U = np.array([1.0, 0.0, -1.0]), np.array([0.5, 2.0, 0.25])


def at(variable: Any) -> Any:
    return interpret(list(AT), [variable])(*AT.values())[0]


def test_several_inputs_and_outputs() -> None:
    outputs = {"product": x * y, "sums": [x.sum(), y.sum()]}
    found = ga.jvp(outputs, {"x": x, "y": y}, {"x": T, "y": U})
    np.testing.assert_allclose(at(found["product"]), T * AT[y] + AT[x] * U, rtol=1e-14)
    assert at(found["sums"][0]) == T.sum() and at(found["sums"][1]) == U.sum()


def test_an_output_that_does_not_depend_has_zeros() -> None:
    assert at(ga.jvp(y * 2.0, x, T)).tolist() == [0.0, 0.0, 0.0]
    i = (x > 1).sum()
    assert ga.jvp(i, x, T).type is i.type and at(ga.jvp(i, x, T)) == 0


def test_an_intermediate_is_taken_as_independent() -> None:
    h = ga.exp(x)
    np.testing.assert_allclose(at(ga.jvp(h * x, h, T)), T * AT[x], rtol=1e-14)
    both = ga.jvp(h * x, (h, x), (T, U))
    np.testing.assert_allclose(at(both), T * AT[x] + np.exp(AT[x]) * U, rtol=1e-14)


def test_tangents_may_be_variables() -> None:
    t = ga.vector("t", shape=(3,))
    first = ga.jvp(ga.sin(x), x, t)
    (value,) = interpret([x, t], [first])(AT[x], T)
    np.testing.assert_allclose(value, np.cos(AT[x]) * T, rtol=1e-14)
    (again,) = interpret([x, t], [ga.grad(first.sum(), t)])(AT[x], T)
    np.testing.assert_allclose(again, np.cos(AT[x]), rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_any_order(order: int) -> None:
    """Derivatives of exp(2x) along ones: 2ᵏ exp(2x)."""
    found = ga.exp(x * 2.0)
    for _ in range(order):
        found = ga.jvp(found, x, np.ones(3))
    np.testing.assert_allclose(at(found), 2.0**order * np.exp(2 * AT[x]), rtol=1e-13)


def test_forward_over_reverse_is_reverse_over_forward() -> None:
    def f(v: Any) -> Any:
        return (ga.tanh(v) * v.prod()).sum()

    one = ga.jvp(ga.grad(f(x), x), x, T)
    other = ga.grad(ga.jvp(f(x), x, T), x)
    np.testing.assert_allclose(at(one), at(other), rtol=1e-12)


FROM_VJP = {
    "prod": lambda v: v.prod(),
    "softmax": lambda v: ga.softmax(v),
    "logsumexp": lambda v: ga.logsumexp(v),
    "max": lambda v: v.max(),
    "abs": lambda v: abs(v),
}


@pytest.mark.parametrize("name", FROM_VJP)
@pytest.mark.parametrize("shape", [(3,), ("n",), (None,)], ids=str)
def test_a_jvp_that_is_derived_from_the_vjp(name: str, shape: tuple) -> None:
    """The cotangent that stands in for it leaves no trace: x and t are all that is needed."""
    v, t = ga.vector("v", shape=shape), ga.vector("t", shape=shape)
    f = FROM_VJP[name]
    forward = ga.jvp(f(v), v, t)
    (value,) = interpret([v, t], [forward])(AT[y], T)
    jacobian = interpret([v], [ga.jacobian(f(v), v, mode="reverse")])(AT[y])[0]
    np.testing.assert_allclose(value, jacobian @ T, rtol=1e-13, atol=1e-15)


def test_tangent_dtype_follows_the_output() -> None:
    v = ga.vector("v", dtype="float32")
    out = (v * np.float64(2)).astype("float16")
    assert ga.jvp(out, v, ga.vector("t", dtype="float32")).dtype == np.float16
