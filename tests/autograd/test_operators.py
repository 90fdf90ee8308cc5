"""Operators, SciPy's functions, fixed points: against values worked out by hand."""

from typing import Any

import graphad.autograd.scipy.stats.norm as norm
import numpy
import pytest

import graphad.autograd.numpy as np
from graphad.autograd import (
    checkpoint,
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    grad_named,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    holomorphic_grad,
    jacobian,
    make_ggnvp,
    make_hvp,
    multigrad,
    multigrad_dict,
    tensor_jacobian_product,
    value_and_grad,
    value_and_multigrad,
)
from graphad.autograd.misc import const_graph
from graphad.autograd.misc.fixed_points import fixed_point
from graphad.autograd.misc.optimizers import adam, rmsprop, sgd
from graphad.autograd.misc.tracers import full_graph
from graphad.autograd.scipy.integrate import odeint
from graphad.autograd.scipy.linalg import solve_triangular, sqrtm
from graphad.autograd.scipy.signal import convolve
from graphad.autograd.scipy.special import expit, logsumexp
from graphad.autograd.test_util import check_grads, combo_check
from graphad.errors import GradientError, UseError

X = numpy.array([0.5, -1.0, 2.0])
A = numpy.array([[2.0, 0.5], [0.5, 1.0]])


def test_first_derivatives() -> None:
    assert grad(lambda x: x**2)(3) == 6.0  # integers count as floats
    numpy.testing.assert_array_equal(grad(lambda x: np.sum(x**2))(numpy.arange(3)), [0, 2, 4])
    assert grad(lambda x: np.reshape(x, (1, 1)))(2.0) == 1.0  # one number in any shape
    assert grad(lambda x: 3.0)(2.0) == 0.0
    numpy.testing.assert_array_equal(grad(lambda x, y: np.sum(x))(X, 1.0), [1.0, 1.0, 1.0])
    assert grad(lambda x, y: x * y, argnum=[0, 1])(2.0, 3.0) == (3.0, 2.0)
    assert deriv(np.tanh)(0.3) == pytest.approx(1 - numpy.tanh(0.3) ** 2)
    numpy.testing.assert_allclose(deriv(lambda x: np.array([x, x**2]))(3.0), [1.0, 6.0])
    numpy.testing.assert_allclose(holomorphic_grad(lambda z: z**3)(1 + 2j), 3 * (1 + 2j) ** 2)
    assert grad_named(lambda a, b: a * b, "b")(2.0, 3.0) == 2.0
    assert multigrad(lambda a, b: a * b, argnums=[1])(2.0, 3.0) == (2.0,)
    value, slopes = value_and_multigrad(lambda a, b: a * b, argnums=[0, 1])(2.0, 3.0)
    assert (value, slopes) == (6.0, (3.0, 2.0))
    slope, aux = grad_and_aux(lambda x: (x**2, ["aux", x]))(3.0)
    assert (slope, aux) == (6.0, ["aux", 3.0])


def test_multigrad_dict() -> None:
    def f(a: Any, *rest: Any, b: Any = 2.0, **more: Any) -> Any:
        return a * b * rest[0] + more["c"] ** 2

    found = multigrad_dict(f)(3.0, 5.0, c=4.0)
    assert found == {"a": 10.0, "rest": (6.0,), "b": 15.0, "more": {"c": 8.0}}
    assert list(found) == ["a", "rest", "b", "more"]


def test_second_derivatives() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**3) + x[0] * x[1]

    expected = numpy.diag(6 * X)
    expected[0, 1] = expected[1, 0] = 1.0
    numpy.testing.assert_allclose(hessian(f)(X), expected)
    v = numpy.array([1.0, 2.0, 3.0])
    for product in (hessian_vector_product, hessian_tensor_product):
        numpy.testing.assert_allclose(product(f)(X, v), expected @ v)
    pull, slope = make_hvp(f)(X)
    numpy.testing.assert_allclose(pull(v), expected @ v)
    numpy.testing.assert_allclose(slope, 3 * X**2 + [X[1], X[0], 0.0])
    matrix = numpy.arange(6.0).reshape(2, 3)
    numpy.testing.assert_allclose(jacobian(lambda x: np.dot(matrix, x))(X), matrix)
    left = tensor_jacobian_product(lambda x: np.dot(matrix, x))(X, numpy.array([1.0, 10.0]))
    numpy.testing.assert_allclose(left, matrix.T @ [1.0, 10.0])
    numpy.testing.assert_allclose(hessian(lambda x: x**2)(X).shape, (3, 3, 3))
    gauss_newton = make_ggnvp(lambda x: np.dot(matrix, x) ** 2)(X)
    J = 2 * (matrix @ X)[:, None] * matrix
    numpy.testing.assert_allclose(gauss_newton(v), J.T @ (J @ v))


def test_checkpoint() -> None:
    def f(x: Any) -> Any:
        return np.sin(x) ** 2 if x > 0 else x

    block = checkpoint(np.tanh)
    numpy.testing.assert_allclose(elementwise_grad(block)(X), 1 - numpy.tanh(X) ** 2)
    assert grad(checkpoint(f))(0.5) == pytest.approx(numpy.sin(1.0))
    assert grad(checkpoint(f))(-0.5) == 1.0


def test_what_has_no_gradient_is_said() -> None:
    with pytest.raises(GradientError, match="one real number"):
        grad(lambda x: x)(X)
    with pytest.raises(GradientError, match="complex128"):
        grad(lambda x: x * 1j)(1.0)
    with pytest.raises(GradientError, match="elementwise_grad"):
        elementwise_grad(lambda x: x * 1j)(X)
    with pytest.raises(GradientError):
        grad(lambda x: 1.0)("text")
    with pytest.raises(UseError, match="argnums=5"):
        grad(lambda x: x, 5)(1.0)
    with pytest.raises(UseError, match="no such argument"):
        grad_named(lambda x: x, "y")


def test_fixed_points() -> None:
    def step(a: Any) -> Any:
        return lambda x: 0.5 * (x + a / x)

    def root(a: Any) -> Any:
        return fixed_point(step, a, 1.0, lambda x, y: abs(x - y), 1e-12)

    assert root(2.0) == pytest.approx(numpy.sqrt(2.0))
    assert grad(root)(2.0) == pytest.approx(0.5 / numpy.sqrt(2.0))
    assert grad(grad(root))(2.0) == pytest.approx(-0.25 * 2.0**-1.5)


def test_odeint() -> None:
    def fall(y: Any, t: Any, rate: Any, turn: Any) -> Any:
        return np.dot(turn, y) - rate * y

    def loss(y0: Any, t: Any, args: Any) -> Any:
        return np.sum(odeint(fall, y0, t, args, rtol=1e-10, atol=1e-10)[1:] ** 2)

    turn = numpy.array([[0.0, 1.0], [-1.0, 0.0]])
    y0, t = numpy.array([1.0, 0.5]), numpy.array([0.0, 0.4, 1.0])
    slopes = grad(loss, (0, 1, 2))(y0, t, (0.3, turn))
    # |y(t)|² = |y0|² exp(-2·rate·t)
    decay = numpy.exp(-2 * 0.3 * t[1:])
    numpy.testing.assert_allclose(slopes[0], 2 * y0 * decay.sum(), rtol=1e-6)
    moving = -2 * 0.3 * (y0 @ y0) * decay
    numpy.testing.assert_allclose(slopes[1], [-moving.sum(), *moving], rtol=1e-6)
    numpy.testing.assert_allclose(
        slopes[2][0], numpy.sum(-2 * t[1:] * (y0 @ y0) * decay), rtol=1e-6
    )
    assert slopes[2][1].shape == (2, 2)


def test_scipy() -> None:
    numpy.testing.assert_allclose(grad(logsumexp)(X), numpy.exp(X - logsumexp(X)))
    numpy.testing.assert_allclose(elementwise_grad(expit)(X), expit(X) * (1 - expit(X)))
    assert grad(norm.logpdf, 1)(0.3, 0.1, 2.0) == pytest.approx(0.2 / 4)
    check_grads(lambda a: np.sum(sqrtm(a)), modes=["rev"], order=1)(A)
    check_grads(lambda a, b: np.sum(solve_triangular(a, b, lower=True)), (0, 1), order=1)(
        numpy.tril(A), numpy.ones(2)
    )
    a, b = numpy.ones((2, 5)), numpy.arange(6.0).reshape(2, 3)
    made = convolve(a, b, axes=([1], [1]), dot_axes=([0], [0]), mode="valid")
    numpy.testing.assert_allclose(made, [15.0, 15.0, 15.0])
    numpy.testing.assert_allclose(
        grad(lambda b: np.sum(convolve(a, b, axes=([1], [1]), dot_axes=([0], [0]))))(b),
        numpy.full((2, 3), 5.0),
    )


def test_linalg_fft_and_lists() -> None:
    check_grads(lambda a: np.linalg.slogdet(a)[1], modes=["rev"])(A)
    check_grads(lambda a: np.sum(np.linalg.solve(a, numpy.ones(2))), modes=["rev"])(A)
    check_grads(lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2), modes=["rev"])(X)
    check_grads(lambda x: np.sum(np.array([x[0] * x[1], np.sin(x[2])]) ** 2))(X)
    combo_check(np.sum, modes=["rev"])([X, A], axis=[None, 0], keepdims=[True, False])


@pytest.mark.parametrize("optimizer", [sgd, adam, rmsprop])
def test_optimizers_follow_autograd(optimizer: Any) -> None:
    """Against the same formulas on a vector, in the order in which Autograd computes."""
    start = {"w": X, "b": [0.25]}
    seen: list[tuple[int, float]] = []

    def slope(p: Any, i: int) -> Any:
        return {"w": 2 * p["w"] * (1 + i % 2), "b": [numpy.cos(p["b"][0])]}

    found = optimizer(
        slope, start, callback=lambda p, i, g: seen.append((i, g["w"][0])), num_iters=5,
        step_size=0.1,
    )  # fmt: skip
    x, m, v = numpy.array([0.25, *X]), numpy.zeros(4), numpy.zeros(4)
    v = v + 1.0 if optimizer is rmsprop else v
    for i in range(5):
        g = numpy.array([numpy.cos(x[0]), *(2 * x[1:] * (1 + i % 2))])
        assert seen[i] == (i, pytest.approx(g[1]))
        if optimizer is sgd:
            m = 0.9 * m - (1.0 - 0.9) * g
            x = x + 0.1 * m
        elif optimizer is rmsprop:
            v = v * 0.9 + g**2 * (1 - 0.9)
            x = x - 0.1 * g / (numpy.sqrt(v) + 1e-8)
        else:
            m = (1 - 0.9) * g + 0.9 * m
            v = (1 - 0.999) * g**2 + 0.999 * v
            x = x - 0.1 * (m / (1 - 0.9 ** (i + 1))) / (
                numpy.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8)  # fmt: skip
    numpy.testing.assert_allclose([found["b"][0], *found["w"]], x, rtol=1e-12)


def test_gradients_through_an_optimizer() -> None:
    def trained(rate: Any) -> Any:
        return sgd(grad(lambda x, i: x**2), 1.0, num_iters=3, step_size=rate, mass=0.0) ** 2

    # x_{n+1} = (1 - 2·rate)·x_n
    assert value_and_grad(trained)(0.1) == pytest.approx((0.8**6, -12 * 0.8**5))


def test_graphs_of_functions() -> None:
    f = const_graph(lambda a, x: a * np.sin(x), 2.0)
    assert f(1.0) == f(1.0) == pytest.approx(2 * numpy.sin(1.0))
    assert len(full_graph(lambda x: np.sin(x) + 1.0, 2.0).outputs) == 1


def test_assignment_which_autograd_does_not_have() -> None:
    def f(x: Any) -> Any:
        y = 2.0 * x
        y[0] = x[1] ** 2
        return np.sum(y)

    numpy.testing.assert_allclose(grad(f)(X), [0.0, 2.0 * X[1] + 2.0, 2.0])
