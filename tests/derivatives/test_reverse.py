"""grad and vjp: what they take, what they give, and what they refuse."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import (
    DisconnectedError,
    DTypeError,
    GradientError,
    GraphadError,
    ShapeError,
    UseError,
)
from graphad.testing import interpret

x, y = ga.vector("x", shape=(3,)), ga.vector("y", shape=(3,))
s = ga.scalar("s")
AT = {x: np.array([1.0, 2.0, 3.0]), y: np.array([0.5, -1.0, 2.0]), s: 0.7}


def at(variable: Any) -> Any:
    """The value of a variable at the point AT."""
    return interpret(list(AT), [variable])(*AT.values())[0]


# ---- values ---------------------------------------------------------------------------------


def test_gradient_is_graph_with_the_type_of_the_variable() -> None:
    g = ga.grad((x * y).sum(), x)
    assert isinstance(g, ga.Variable) and g.type is x.type
    assert at(g).tolist() == AT[y].tolist()


def test_equal_but_distinct_subexpressions_have_separate_gradients() -> None:
    a, b = ga.exp(s), ga.exp(s)
    cost = a * a + 3.0 * b
    by_a, by_b = ga.grad(cost, [a, b])
    assert at(by_a) == 2 * np.exp(0.7) and at(by_b) == 3.0


def test_a_gradient_inside_of_the_cost() -> None:
    """d/dx of x · d(x + y)/dy is 1: names and nesting are not confused."""
    u, v = ga.scalar("x"), ga.scalar("x")
    inner = ga.grad(u + v, v, disconnected="zero")
    (value,) = interpret([u], [ga.grad(u * inner, u)])(5.0)
    assert value == 1.0
    inner = ga.grad(u * v * v, v)  # 2uv
    outer = ga.grad(u * inner, u)  # d(2u²v)/du = 4uv
    assert interpret([u, v], [outer])(3.0, 5.0)[0] == 60.0


def test_intermediates_can_be_asked_for() -> None:
    a = ga.exp(x)
    b = a * y
    by_b, by_a, by_x = ga.grad((b * b).sum(), (b, a, x))
    values = AT[x], AT[y]
    np.testing.assert_allclose(at(by_b), 2 * np.exp(values[0]) * values[1], rtol=1e-14)
    np.testing.assert_allclose(at(by_a), 2 * np.exp(values[0]) * values[1] ** 2, rtol=1e-14)
    np.testing.assert_allclose(at(by_x), 2 * np.exp(2 * values[0]) * values[1] ** 2, rtol=1e-14)


def test_the_cost_itself_can_be_asked_for() -> None:
    cost = x.sum()
    assert at(ga.grad(cost, cost)) == 1.0
    assert at(ga.grad(s, s)) == 1.0


def test_a_variable_listed_twice() -> None:
    first, second = ga.grad(x.sum(), [x, x])
    assert at(first).tolist() == at(second).tolist() == [1.0, 1.0, 1.0]


def test_shared_variables() -> None:
    w = ga.shared(np.array([2.0, 3.0]), name="w")
    g = ga.grad((w**2).sum(), w)
    assert interpret([w], [g])(w.value)[0].tolist() == [4.0, 6.0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_the_dtype_is_that_of_the_variable(dtype: str) -> None:
    v = ga.vector("v", dtype=dtype)
    for cost in (v.sum(), (v * 2).mean(), (v.astype("complex128") * 1j).sum(), abs(v).sum()):
        assert ga.grad(cost, v).dtype == np.dtype(dtype)
    assert ga.grad((v * np.ones(3)).sum(), v).dtype == np.dtype(dtype)


def test_complex_convention() -> None:
    """∂u/∂x - i·∂u/∂y for real u; f'(z) for analytic f."""
    z = ga.scalar("z", dtype="complex128")
    for cost, expected in [
        (z.real, 1.0), (z.imag, -1j), (abs(z), np.conj(3 + 4j) / 5), (z * z, 2 * (3 + 4j)),
        (abs(z) ** 2, 2 * np.conj(3 + 4j)), (ga.exp(z), np.exp(3 + 4j)), (z.conj(), 1.0),
    ]:  # fmt: skip
        (value,) = interpret([z], [ga.grad(cost, z)])(3 + 4j)
        np.testing.assert_allclose(value, expected, rtol=1e-14)


# ---- containers -----------------------------------------------------------------------------

Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Layer:
    weight: Any
    bias: Any


CONTAINERS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: [a, b],
    lambda a, b: (a, b),
    lambda a, b: {"w": a, "b": [b, a]},
    lambda a, b: Pair(a, (b,)),
    lambda a, b: Layer(a, {"inner": b}),
    lambda a, b: [],
    lambda a, b: ({}, [a]),
]


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_gradient_has_the_structure_of_wrt(container: Callable[[Any, Any], Any]) -> None:
    wrt = container(x, y)
    found = ga.grad((x * x * y).sum(), wrt)
    by_x, by_y = ga.grad((x * x * y).sum(), [x, y])
    leaves, structure = ga.tree.flatten(found)
    assert structure == ga.tree.flatten(wrt)[1] and type(found) is type(wrt)
    for variable, leaf in zip(ga.tree.flatten(wrt)[0], leaves, strict=True):
        assert at(leaf).tolist() == at(by_x if variable is x else by_y).tolist()


# ---- known cotangents, stop, disconnected ---------------------------------------------------


def test_known_cotangents() -> None:
    h = ga.exp(x)
    given = np.array([1.0, 10.0, 100.0])
    alone = ga.grad(None, x, known_cotangents={h: given})
    np.testing.assert_allclose(at(alone), given * np.exp(AT[x]), rtol=1e-14)
    added = ga.grad(h.sum(), x, known_cotangents={h: given})
    np.testing.assert_allclose(at(added), (given + 1) * np.exp(AT[x]), rtol=1e-14)
    cost = h.sum()
    twice = ga.grad(cost, x, known_cotangents={cost: 2.0})
    np.testing.assert_allclose(at(twice), 3 * np.exp(AT[x]), rtol=1e-14)


def test_a_graph_cut_in_two_has_the_same_gradient() -> None:
    h = ga.tanh(x * y)
    cost = (h * h).sum() + x.sum()
    start = ga.grad(cost, h)
    joined = ga.grad(None, x, known_cotangents={h: start}) + ga.grad(cost, x, stop=[h])
    np.testing.assert_allclose(at(joined), at(ga.grad(cost, x)), rtol=1e-14)


def test_stop() -> None:
    h = ga.exp(x)
    cost = (x * h).sum()
    np.testing.assert_allclose(at(ga.grad(cost, x, stop=[h])), np.exp(AT[x]), rtol=1e-14)
    full = np.exp(AT[x]) * (1 + AT[x])
    np.testing.assert_allclose(at(ga.grad(cost, x, stop=[y])), full, rtol=1e-14)
    assert at(ga.grad(cost, x, stop=[x * 1.0])).shape == (3,)
    constant = (x * ga.stop_gradient(h)).sum()
    np.testing.assert_allclose(at(ga.grad(constant, x)), np.exp(AT[x]), rtol=1e-14)


def test_disconnected_zero_and_none() -> None:
    cost = x.sum()
    by_y = ga.grad(cost, (x, y), disconnected="zero")[1]
    assert at(by_y).tolist() == [0.0, 0.0, 0.0] and by_y.type is y.type
    unknown = ga.matrix("m", dtype="float32")
    zero = ga.grad(cost, unknown, disconnected="zero")
    (value,) = interpret([unknown, x], [zero])(np.ones((2, 3), "float32"), AT[x])
    assert value.shape == (2, 3) and value.dtype == np.float32
    assert ga.grad(cost, [x, y], disconnected="none")[1] is None


CUTS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "no path": (lambda: y.sum(), ("there is no path",)),
    "a comparison": (lambda: (x > 0).astype("float64").sum(), ("greater", "x → greater →")),
    "a cast to int": (lambda: x.astype("int64").astype("float64").sum(), ("cut at astype",)),
    "argmax": (lambda: x.argmax().astype("float64"), ("cut at argmax",)),
    "an index": (lambda: y[x.astype("int64")].sum(), ("cut at astype",)),
    "stop_gradient": (lambda: ga.stop_gradient(x).sum(), ("cut at stop_gradient",)),
    "zeros_like": (lambda: ga.zeros_like(ga.vector("v") * x[0]).sum() + y.sum(), ()),
    "only the size": (lambda: ga.vector("u").sum() * 1.0 + y.sum(), ("there is no path",)),
}


@pytest.mark.parametrize("name", CUTS)
def test_disconnected_raises_and_explains(name: str) -> None:
    make, words = CUTS[name]
    with pytest.raises(DisconnectedError) as caught:
        ga.grad(make(), x)
    for word in (*words, "'x'", 'disconnected="zero"'):
        assert word in str(caught.value), str(caught.value)
    if words and "cut at" in words[0]:
        assert __file__ in str(caught.value)


def test_stop_is_named_as_the_reason() -> None:
    h = ga.exp(x)
    with pytest.raises(DisconnectedError, match="it is listed in stop"):
        ga.grad(h.sum(), x, stop=[h])


def test_zero_derivatives_are_connected() -> None:
    """Rounding and sign have a derivative: it is zero."""
    for jumps in (ga.floor(x), ga.round(x), ga.sign(x), x // 2.0, ga.where(x > 0, 1.0, x * 0.0)):
        assert at(ga.grad(jumps.sum(), x)).tolist() == [0.0, 0.0, 0.0]


# ---- vjp ------------------------------------------------------------------------------------


def test_vjp_of_several_outputs() -> None:
    outputs = {"a": x * y, "b": [ga.exp(x).sum()]}
    cotangents = {"a": np.array([1.0, 0.0, 2.0]), "b": [np.float64(3.0)]}
    by_x, by_y = ga.vjp(outputs, (x, y), cotangents)
    np.testing.assert_allclose(at(by_x), cotangents["a"] * AT[y] + 3 * np.exp(AT[x]), rtol=1e-14)
    np.testing.assert_allclose(at(by_y), cotangents["a"] * AT[x], rtol=1e-14)


def test_vjp_of_an_output_listed_twice() -> None:
    z = x * y
    found = ga.vjp([z, z], x, [np.ones(3), 2 * np.ones(3)])
    np.testing.assert_allclose(at(found), 3 * AT[y], rtol=1e-14)


def test_vjp_disconnected() -> None:
    assert at(ga.vjp(y, x, np.ones(3))).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(DisconnectedError, match=r"vjp: .* 'x'"):
        ga.vjp(y, x, np.ones(3), disconnected="raise")


# ---- bad input ------------------------------------------------------------------------------

i = ga.vector("i", dtype="int64")
BAD: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "cost with axes": (lambda: ga.grad(ga.exp(x), x), GradientError, ("(3,)", "exp", ".sum()")),
    "integer cost": (lambda: ga.grad(i.sum(), i), GradientError, ("int64",)),
    "boolean cost": (lambda: ga.grad((x > 0).all(), x), GradientError, ("bool", "all")),
    "cost that is a number": (lambda: ga.grad(3.0, x), UseError, ("float",)),
    "cost that is a function": (lambda: ga.grad(lambda v: v, x), UseError, ("function",)),
    "integer wrt": (lambda: ga.grad(x.sum(), i), GradientError, ("wrt", "int64", "'i'")),
    "integer in a container": (lambda: ga.grad(x.sum(), {"a": [x, i]}), GradientError,
        ("wrt['a'][1]", "int64", "'i'")),
    "wrt that is a name": (lambda: ga.grad(x.sum(), "x"), UseError, ("wrt is str",)),
    "wrt that is an array": (lambda: ga.grad(x.sum(), [x, np.ones(3)]), UseError,
        ("wrt[1] is ndarray",)),
    "no cost at all": (lambda: ga.grad(None, x), GradientError, ("known_cotangents",)),
    "mode": (lambda: ga.grad(x.sum(), x, disconnected="ignore"), UseError, ("'ignore'", "none")),
    "cotangent shape": (lambda: ga.vjp(x, x, np.ones(4)), ShapeError, ("(4,)", "'x'")),
    "cotangent rank": (lambda: ga.vjp(x, x, 1.0), ShapeError, ("()", "'x'")),
    "complex cotangent": (lambda: ga.vjp(x, x, np.ones(3) * 1j), DTypeError, ("complex", "'x'")),
    "number of cotangents": (lambda: ga.vjp([x, y], x, [np.ones(3)]), GradientError,
        ("2 outputs and 1 cotangents",)),
    "known cotangent": (lambda: ga.grad(None, x, known_cotangents={x: np.ones(2)}), ShapeError,
        ("(2,)", "'x'")),
    "tangent shape": (lambda: ga.jvp(x, x, np.ones(4)), ShapeError, ("(4,)", "'x'")),
    "number of tangents": (lambda: ga.jvp(x, [x, y], [np.ones(3)]), GradientError,
        ("2 variables", "1 tangents")),
    "integer jvp": (lambda: ga.jvp(x, i, i), GradientError, ("wrt", "int64", "'i'")),
    "jacobian of integers": (lambda: ga.jacobian(i, x), GradientError, ("'i'", "int64")),
    "jacobian of a list": (lambda: ga.jacobian([x], x), GradientError, ("Variable of floats",)),
    "jacobian mode": (lambda: ga.jacobian(x, x, mode="fwd"), UseError, ("'fwd'", "forward")),
    "jacobian disconnected": (lambda: ga.jacobian(x * 2.0, y), DisconnectedError, ("'y'",)),
    "hessian of a vector": (lambda: ga.hessian(x, x), GradientError, ("(3,)",)),
    "hvp shape": (lambda: ga.hvp((x * x).sum(), x, np.ones(4)), ShapeError, ("(4,)",)),
    "cotangent of a named size": (
        lambda: ga.vjp(ga.vector("b", shape=("batch",)), x, np.ones(3)),
        ShapeError, ("'b'", "batch", "(3,)")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    use, error, words = BAD[name]
    with pytest.raises(error) as caught:
        use()
    assert isinstance(caught.value, GraphadError)
    for word in words:
        assert word in str(caught.value), f"{word!r} is missing in:\n{caught.value}"
