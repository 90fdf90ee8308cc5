"""The results that the Autograd tutorial states, by its own kind of program."""

import itertools
from typing import Any

import numpy
import pytest

import graphad as ga
import graphad.autograd.numpy as np
from graphad.autograd import elementwise_grad, grad, value_and_grad
from graphad.autograd.extend import defvjp, primitive
from graphad.autograd.misc import flatten
from graphad.autograd.misc.optimizers import adam, sgd
from graphad.autograd.test_util import check_grads
from graphad.autograd.util import flatten as flatten_of_util


def tanh(x: Any) -> Any:
    return (1.0 - np.exp(-x)) / (1.0 + np.exp(-x))


def test_tanh_against_finite_differences() -> None:
    assert f"{grad(tanh)(1.0):.12f}" == "0.393223866483"
    numeric = (tanh(1.0001) - tanh(0.9999)) / 0.0002
    assert f"{numeric:.12f}" == "0.393223866365"


def test_derivatives_of_tanh_go_on() -> None:
    x = numpy.linspace(-7.0, 7.0, 9)
    y = tanh(x)
    first = elementwise_grad(tanh)
    second = elementwise_grad(first)
    numpy.testing.assert_allclose(first(x), (1 - y**2) / 2, rtol=1e-12)
    numpy.testing.assert_allclose(second(x), -y * (1 - y**2) / 2, rtol=1e-10, atol=1e-16)
    for order in range(3):
        f, third = tanh, x[3:6] * 1.0
        for _ in range(order + 3):
            f = elementwise_grad(f)
        assert numpy.all(numpy.isfinite(f(third)))


def test_staged_sigmoid_by_hand_and_by_graph() -> None:
    def sigmoid(x: Any) -> Any:
        y = 1.0 + np.exp(-x)
        return 1.0 / y

    t = numpy.exp(-2.0)  # the stages: z = -x, t = exp(z), y = 1 + t, s = 1/y
    y = 1.0 + t
    by_hand = (-1.0 / y**2) * 1.0 * t * -1.0
    assert f"{by_hand:.12f}" == "0.104993585404"
    assert f"{grad(sigmoid)(2.0):.12f}" == "0.104993585404"
    x = ga.scalar("x")
    assert f"{ga.grad(sigmoid(x), x).eval({x: 2.0}):.12f}" == "0.104993585404"


@pytest.mark.parametrize("function", [flatten, flatten_of_util])
def test_flatten(function: Any) -> None:
    cases: list[tuple[Any, list[float]]] = [
        ([1.0, (2.0, 3.0)], [1, 2, 3]),
        ((numpy.array([[1.0, 2.0], [3.0, 4.0]]), 5.0), [1, 2, 3, 4, 5]),
        ({"b": numpy.array([3.0, 4.0]), "a": 1.0}, [1, 3, 4]),  # keys in sorted order
        ([{"w": numpy.ones((2, 1)), "b": (0.5, [])}, 7.0], [0.5, 1, 1, 7]),
    ]
    for value, expected in cases:
        flat, unflatten = function(value)
        assert flat.dtype == "float64" and flat.tolist() == expected
        back = unflatten(flat)
        assert ga.tree.flatten(back)[1] == ga.tree.flatten(value)[1]
        numpy.testing.assert_equal(function(back)[0], flat)
    assert function([])[0].shape == (0,)


def test_flatten_is_differentiable() -> None:
    start = {"w": numpy.array([[1.0, 2.0]]), "b": 3.0}
    found = grad(lambda p: np.sum(flatten(p)[0] ** 2))(start)
    numpy.testing.assert_allclose(found["w"], [[2.0, 4.0]])
    assert found["b"] == 6.0
    flat, unflatten = flatten(start)
    slope = grad(lambda v: np.sum(unflatten(v)["w"]) * unflatten(v)["b"])(flat)
    numpy.testing.assert_allclose(slope, [3.0, 3.0, 3.0])


@primitive
def logsumexp(x: Any) -> Any:
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


def logsumexp_vjp(ans: Any, x: Any) -> Any:
    x_shape = x.shape
    return lambda g: np.full(x_shape, g) * np.exp(x - np.full(x_shape, ans))


defvjp(logsumexp, logsumexp_vjp)


def test_gradient_of_the_logsumexp_primitive() -> None:
    def example(y: Any) -> Any:
        z = y**2
        return np.sum(logsumexp(z))

    start = numpy.array([1.5, 6.7, 1e-10])
    found = grad(example)(start)
    softmax = numpy.exp(start**2 - numpy.max(start**2))
    numpy.testing.assert_allclose(found, 2 * start * softmax / softmax.sum(), rtol=1e-12)
    check_grads(example, modes=["rev"])(start)


def test_linear_regression() -> None:
    rng = numpy.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, 100)
    y = 4.0 * x + 10.0 + 0.5 * rng.normal(size=100)

    def loss(params: Any, i: int = 0) -> Any:
        w, b = params
        return np.mean((w * x + b - y) ** 2)

    w, b = sgd(grad(loss), [0.0, 0.0], num_iters=300, step_size=0.3, mass=0.0)
    exact = numpy.polyfit(x, y, 1)
    numpy.testing.assert_allclose([w, b], exact, atol=1e-4)
    assert abs(w - 4.0) < 0.3 and abs(b - 10.0) < 0.2


def test_polynomial_regression() -> None:
    rng = numpy.random.default_rng(1)
    x = rng.uniform(-3.0, 3.0, 300)
    y = x**4 - 10 * x**2 + 10 * x + rng.normal(size=300)
    scales = 3.0 ** -numpy.arange(5)
    powers = x[:, None] ** numpy.arange(5) * scales

    def loss(weights: Any, i: int = 0) -> Any:
        return np.mean((np.dot(powers, weights) - y) ** 2)

    weights = adam(grad(loss), numpy.zeros(5), num_iters=2000, step_size=0.5)
    exact = numpy.polynomial.polynomial.polyfit(x, y, 4)
    numpy.testing.assert_allclose(weights * scales, exact, atol=0.02)
    numpy.testing.assert_allclose(weights * scales, [0, 10, -10, 0, 1], atol=0.4)


@pytest.mark.parametrize("steps", [300, pytest.param(5000, marks=pytest.mark.full)])
@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_neural_net_regression(name: str, steps: int) -> None:
    rng = numpy.random.default_rng(2)
    x = numpy.linspace(-5.0, 5.0, 60)[:, None]
    y = x**3 - 20 * x + 10 + rng.normal(size=x.shape)
    y = (y - y.mean()) / y.std()
    sizes = [1, 12, 8, 1]
    start = [
        (rng.normal(size=(m, n)) / m**0.5, numpy.zeros(n)) for m, n in itertools.pairwise(sizes)
    ]
    bend = {"tanh": np.tanh, "relu": lambda h: np.maximum(h, 0.0)}[name]

    def loss(params: Any, i: int = 0) -> Any:
        h = x
        for w, b in params[:-1]:
            h = bend(np.dot(h, w) + b)
        w, b = params[-1]
        return np.mean((np.dot(h, w) + b - y) ** 2)

    # larger steps make the way chaotic: rounding then decides where it ends
    found = sgd(grad(loss), start, num_iters=steps, step_size=0.02, mass=0.9)
    # the same network and steps, written out in NumPy
    params, velocity = start, [(0 * w, 0 * b) for w, b in start]
    for _ in range(steps):
        slopes = by_hand(params, x, y, name)
        velocity = [
            (0.9 * vw - 0.1 * gw, 0.9 * vb - 0.1 * gb)
            for (vw, vb), (gw, gb) in zip(velocity, slopes, strict=True)
        ]
        params = [
            (w + 0.02 * vw, b + 0.02 * vb)
            for (w, b), (vw, vb) in zip(params, velocity, strict=True)
        ]
    numpy.testing.assert_allclose(loss(found), loss(params), rtol=1e-8)
    assert loss(found) < (0.7 if steps == 300 else 0.05) * loss(start)


def by_hand(params: Any, x: Any, y: Any, name: str) -> list[Any]:
    inputs, bent = [x], []
    for w, b in params[:-1]:
        h = inputs[-1] @ w + b
        inputs.append(numpy.tanh(h) if name == "tanh" else numpy.maximum(h, 0.0))
        bent.append(1 - inputs[-1] ** 2 if name == "tanh" else (h > 0).astype(float))
    w, b = params[-1]
    g = 2 * (inputs[-1] @ w + b - y) / len(x)
    slopes = []
    for i in range(len(params) - 1, -1, -1):
        slopes.append((inputs[i].T @ g, g.sum(axis=0)))
        if i:
            g = (g @ params[i][0].T) * bent[i - 1]
    return slopes[::-1]


def test_nested_transformations_keep_their_variables_apart() -> None:
    assert grad(lambda x: x * grad(lambda y: x + y)(x))(3.0) == 1.0
    value, slope = value_and_grad(lambda x: grad(lambda y: y**3 * x)(2.0) * x)(3.0)
    assert (value, slope) == (108.0, 72.0)
