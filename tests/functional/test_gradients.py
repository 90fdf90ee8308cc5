"""grad, value_and_grad, elementwise_grad of Python functions."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import GradientError, TracerError, UseError
from graphad.functional import proved

Point = namedtuple("Point", "x y")


@dataclass
class Layer:
    w: Any
    b: Any


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_a_number_gives_a_number() -> None:
    slope = ga.grad(lambda x: x**3)
    for _ in range(3):  # node by node, compiled, compiled
        assert type(slope(2.0)) is np.float64
        assert slope(2.0) == 12.0


def test_the_dtype_and_shape_are_those_of_the_argument() -> None:
    x = np.ones((2, 3), "float32")
    for _ in range(3):
        found = ga.grad(lambda x: np.sum(x * 2.0))(x)
        assert found.dtype == np.float32 and found.shape == (2, 3)


def test_nested_transformations_do_not_confuse_their_variables() -> None:
    assert ga.grad(lambda x: x * ga.grad(lambda y: x + y)(x))(3.0) == 1.0
    assert ga.grad(lambda x: x * ga.grad(lambda y: x + y)(1.0))(3.0) == 1.0
    assert ga.grad(lambda x: x * ga.grad(lambda y: x * y)(x))(3.0) == 6.0
    assert ga.grad(lambda x: ga.grad(lambda y: x * x * y)(2.0) * x)(3.0) == 27.0


def test_derivatives_of_derivatives() -> None:
    f = np.tanh
    orders = [f]
    for _ in range(4):
        orders.append(ga.grad(orders[-1]))
    t = np.tanh(0.3)
    close(orders[1](0.3), 1 - t**2)
    close(orders[2](0.3), -2 * t * (1 - t**2))
    close(orders[3](0.3), (1 - t**2) * (6 * t**2 - 2))
    close(orders[4](0.3), (1 - t**2) * (16 * t - 24 * t**3))


def test_containers_keep_their_structure() -> None:
    def f(p: Any) -> Any:
        return p["a"][0] * p["b"].x ** 2 + np.sum(p["layer"].w) * p["b"].y + p["a"][1][0]

    p = {"b": Point(2.0, 3.0), "a": [5.0, (1.0,)], "layer": Layer(np.ones(2), None)}
    p["layer"].b = np.zeros(0)
    found = ga.grad(f)(p)
    assert list(found) == ["b", "a", "layer"]
    assert found["b"] == Point(20.0, 2.0) and found["a"] == [4.0, (1.0,)]
    assert isinstance(found["layer"], Layer)
    close(found["layer"].w, [3.0, 3.0])


def test_argnums_and_argnames() -> None:
    def f(x: Any, y: Any, *, z: Any = 1.0) -> Any:
        return x * y**2 * z

    assert ga.grad(f, 1)(2.0, 3.0) == 12.0
    assert ga.grad(f, -1)(2.0, 3.0) == 12.0
    assert ga.grad(f, (1, 0))(2.0, 3.0) == (12.0, 9.0)
    assert ga.grad(f, argnames="z")(2.0, 3.0, z=4.0) == 18.0
    assert ga.grad(f, argnames="y")(2.0, 3.0) == 12.0
    assert ga.grad(f, argnames=("z", "x"))(2.0, 3.0, z=4.0) == {"z": 18.0, "x": 36.0}
    assert ga.grad(f, 1)(2.0, y=3.0) == 12.0


def test_has_aux_hands_on_anything() -> None:
    def f(x: Any) -> Any:
        return x * x, {"double": 2 * x, "note": "done", "array": np.arange(2)}

    for _ in range(3):
        slope, aux = ga.grad(f, has_aux=True)(3.0)
        assert slope == 6.0 and aux["double"] == 6.0 and aux["note"] == "done"
        (value, aux), slope = ga.value_and_grad(f, has_aux=True)(3.0)
        assert (value, slope, aux["double"]) == (9.0, 6.0, 6.0)


def test_a_function_that_draws_noise_is_fresh_at_each_call() -> None:
    rng, same = np.random.default_rng(0), np.random.default_rng(0)
    slope = ga.grad(lambda x: np.sum(x * rng.normal(size=3)))
    for _ in range(5):
        close(slope(np.ones(3)), same.normal(size=3))


def test_captured_arrays_and_numbers_may_change() -> None:
    a, state = np.array([1.0, 2.0]), {"rate": 1.0}
    slope = ga.grad(lambda x: np.sum(a * x) * state["rate"])
    for i in range(6):
        a[0], state["rate"] = i, 0.5 * i
        close(slope(np.ones(2)), np.array([i, 2.0]) * 0.5 * i)


def test_a_captured_array_may_change_during_the_call() -> None:
    def f(x: Any) -> Any:
        buffer = np.zeros(2)
        total = 0.0
        for i in range(3):
            buffer[:] = i
            total = total + np.sum(buffer * x)
        return total

    for _ in range(3):
        close(ga.grad(f)(np.ones(2)), [3.0, 3.0])


def test_assignment_differentiates() -> None:
    def f(x: Any) -> Any:
        x[0] = x[1] * 3
        x[1] *= 2
        return np.sum(x * x)

    x = np.array([1.0, 2.0, 3.0])
    for _ in range(3):
        close(ga.grad(f)(x), [0.0, 2 * 9 * 2 + 2 * 4 * 2, 6.0])
    close(x, [1.0, 2.0, 3.0])  # the caller's array is not touched


def test_assignment_follows_views() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        row, flat = y[0], y.reshape(-1)
        before = row.copy()
        row[0] = x[1, 1]
        y[0, 1] = 7 * x[1, 0]
        flat[3] = 0.0
        return np.sum(row * before) + np.sum(flat * np.arange(4.0)) + np.sum(y.T[1])

    def by_numpy(x: Any) -> Any:
        return f(np.array(x))

    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    value, slope = ga.value_and_grad(f)(x)
    close(value, by_numpy(x))
    for i in np.ndindex(2, 2):
        e = np.zeros((2, 2))
        e[i] = 1e-6
        central = (by_numpy(x + e) - by_numpy(x - e)) / 2e-6
        np.testing.assert_allclose(slope[i], central, rtol=1e-8)


def test_control_flow_on_values() -> None:
    def f(x: Any) -> Any:
        if x < 0:
            return -x
        n = 0
        while x > 1:
            x, n = x / 2, n + 1
        return x ** (n + 1)

    def by_hand(x: float) -> float:
        n = 0
        v = x
        while v > 1:
            v, n = v / 2, n + 1
        return (n + 1) * v**n / 2**n

    slope = ga.grad(f)
    for x in (0.7, 5.0, 11.0, 5.0, 0.7, 5.0):
        close(slope(x), by_hand(x))
    assert slope(-2.0) == -1.0


def test_recursion_and_early_return() -> None:
    def power(x: Any, n: int) -> Any:
        return 1.0 if n == 0 else x * power(x, n - 1)

    assert ga.grad(power)(2.0, 5) == 80.0
    assert ga.grad(power)(2.0, 0) == 0.0


def test_functions_may_be_longer_than_pythons_recursion() -> None:
    def f(x: Any) -> Any:
        for _ in range(3000):
            x = np.sin(x)
        return x

    x, slope = 0.5, 1.0
    for _ in range(3000):
        x, slope = np.sin(x), slope * np.cos(x)
    close(ga.grad(f)(0.5), slope)


def test_complex_arguments() -> None:
    for _ in range(3):
        assert ga.grad(lambda z: np.abs(z) ** 2)(1.0 + 2.0j) == 2.0 - 4.0j
        assert ga.grad(lambda z: z**2, holomorphic=True)(1.0 + 2.0j) == 2.0 + 4.0j


def test_what_tracers_answer() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append((f"{x[0]:.1f}", str(x), len(x), int(x[1]), float(x[0]), 2.0 in x, x[1].item()))
        assert "float64[2] traced" in repr(x)
        assert [v.ndim for v in x] == [0, 0]
        return np.sum(x)

    ga.grad(f)(np.array([1.0, 2.0]))
    assert seen == [("1.0", "[1. 2.]", 2, 2, 1.0, True, 2.0)]


def test_on_variables_it_builds_graph() -> None:
    x = ga.scalar("x")
    slope = ga.grad(lambda v: v**3)(x)
    assert isinstance(slope, ga.Variable)
    close(ga.function([x], slope)(2.0), 12.0)


def test_elementwise() -> None:
    x = np.linspace(0, 1, 5)
    close(ga.elementwise_grad(np.sin)(x), np.cos(x))
    close(ga.elementwise_grad(ga.elementwise_grad(np.sin))(x), -np.sin(x))


def test_results_are_arrays_of_their_own() -> None:
    x = np.ones(3)
    for _ in range(3):
        slope = ga.grad(lambda x: np.sum(x * x) / 2)(x)
        assert not np.shares_memory(slope, x)
        (_, aux), _ = ga.value_and_grad(lambda x: (np.sum(x), x), has_aux=True)(x)
        assert not np.shares_memory(aux, x)


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: ga.grad(lambda x: x * 1)(np.ones(3)), GradientError, ["<lambda>", "(3,)", "np.sum"]),
    (lambda: ga.grad(lambda x: x)(3), GradientError, ["'x' is 3", "3.0"]),
    (lambda: ga.grad(lambda x, y: x)(3.0, {"a": "s"}) and ga.grad(lambda x, y: x, 1)(
        3.0, {"a": "s"}), GradientError, ["y['a']"]),
    (lambda: ga.grad(lambda x: x, 2)(3.0), UseError, ["argnums=2", "takes x"]),
    (lambda: ga.grad(lambda x: x, argnames="z")(3.0), UseError, ["argnames='z'", "takes x"]),
    (lambda: ga.grad(lambda x: x, "x")(3.0), UseError, ["no position"]),
    (lambda: ga.grad(lambda x: x, (0, 0))(3.0), UseError, ["twice"]),
    (lambda: ga.grad(lambda x: None)(3.0), UseError, ["nothing was returned"]),
    (lambda: ga.grad(lambda x: (x, x))(3.0), GradientError, ["tuple", "jacobian"]),
    (lambda: ga.grad(lambda x: x > 1)(3.0), GradientError, ["bool", "float"]),
    (lambda: ga.grad(lambda x: x, has_aux=True)(3.0), UseError, ["pair"]),
    (lambda: ga.grad(lambda x: np.sum(np.array([x, x])))(3.0), UseError, ["ga.stack"]),
    (lambda: ga.value_and_grad(3.0), UseError, ["function"]),
])  # fmt: skip
def test_errors(call: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_leaked_tracer_is_named() -> None:
    kept = []

    def leaky(x: Any) -> Any:
        kept.append(2 * x)
        return x * x

    ga.grad(leaky)(2.0)
    with pytest.raises(TracerError, match="leaky"):
        float(kept[0])
    with pytest.raises(TracerError, match="leaky"):
        ga.grad(lambda y: y * kept[0])(1.0)
    with pytest.raises(TracerError, match="leaky"):
        ga.jit(lambda y: y * kept[0])(1.0)


@pytest.mark.parametrize("index", [0, slice(None)])
def test_an_array_of_numpy_refuses_traced_values(index: Any) -> None:
    """Else the derivative would be lost silently."""

    def f(x: Any) -> Any:
        buffer = np.zeros(3)
        buffer[index] = x
        return np.sum(buffer)

    with pytest.raises((UseError, ValueError)):
        ga.grad(f)(2.0)

    def right(x: Any) -> Any:
        buffer = ga.zeros(3) + 0 * x
        buffer[index] = x
        return np.sum(buffer)

    assert ga.grad(right)(2.0) == (1.0 if index == 0 else 3.0)


def test_a_gradient_that_comes_again_has_its_program_written_at_once() -> None:
    data = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * data)

    slope = ga.grad(f)
    for _ in range(2):
        slope(data)
    (program,) = proved.known_of(f).programs.values()  # type: ignore[union-attr]
    found = program.only().root.recent.function
    assert "_program" in found._compiled.__dict__ and found._tiers.spent > 0
