"""Jacobians, Hessians and products: values, shapes, modes, sizes that are not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DisconnectedError, GradientError, ShapeError, UseError
from graphad.ir import walk
from graphad.testing import check_grads, interpret
from graphad.testing.numeric import central

rng = np.random.default_rng(0)
A = rng.normal(size=(3, 2))
V = rng.normal(size=4)
SIZES = ["static", "named", "unknown"]


def variable(name: str, array: np.ndarray, sizes: str) -> ga.Variable:
    shape = {"static": array.shape, "named": [f"n{s}" for s in array.shape],
             "unknown": (None,) * array.ndim}  # fmt: skip
    return ga.tensor(name, shape[sizes])


def columns(function: Callable[[Any], Any], point: np.ndarray) -> np.ndarray:
    """The Jacobian by finite differences, one direction at a time."""
    slopes = []
    for i in range(point.size):
        direction = np.zeros(point.size)
        direction[i] = 1.0
        slopes += central(lambda p: [function(p)], [point], [direction.reshape(point.shape)])
    return np.moveaxis(np.array(slopes), 0, -1).reshape(*slopes[0].shape, *point.shape)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "elementwise": lambda v: np.sin(v) * v,
    "matrix product": lambda v: v @ v.T,
    "scalar": lambda v: (v * v).sum(),
    "row": lambda v: np.exp(v).sum(axis=0),
    "prod": lambda v: v.prod(axis=1),
    "linear": lambda v: v[:, :1] * 3.0,
}


@pytest.mark.parametrize("mode", ["reverse", "forward", "auto"])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian(name: str, sizes: str, mode: str) -> None:
    f = FUNCTIONS[name]
    x = variable("x", A, sizes)
    found = ga.jacobian(f(x), x, mode=mode)
    assert found.type.shape == (*f(x).type.shape, *x.type.shape)
    (value,) = interpret([x], [found])(A)
    np.testing.assert_allclose(value, columns(f, A), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sizes", SIZES)
def test_hessian(sizes: str) -> None:
    def f(v: Any) -> Any:
        return np.sum(np.exp(v) * v) + np.sum(v) ** 3

    x = variable("x", A, sizes)
    found = ga.hessian(f(x), x)
    assert found.type.shape == x.type.shape * 2
    (value,) = interpret([x], [found])(A)
    gradient = interpret([x], [ga.grad(f(x), x)])
    np.testing.assert_allclose(value, columns(lambda p: gradient(p)[0], A), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(value, value.transpose(2, 3, 0, 1), rtol=1e-13)


def test_hessian_of_a_container() -> None:
    x, y = ga.vector("x"), ga.matrix("y")
    cost = (x * x).sum() * (y**3).sum()
    found = ga.hessian(cost, {"x": x, "y": y})
    blocks = interpret([x, y], [found[a][b] for a in "xy" for b in "xy"])(V, A)
    assert [block.shape for block in blocks] == [(4, 4), (4, 3, 2), (3, 2, 4), (3, 2, 3, 2)]
    np.testing.assert_allclose(blocks[0], 2 * np.eye(4) * (A**3).sum(), rtol=1e-13)
    np.testing.assert_allclose(blocks[1], np.multiply.outer(2 * V, 3 * A**2), rtol=1e-13)
    np.testing.assert_allclose(blocks[2], np.moveaxis(blocks[1], 0, -1), rtol=1e-13)


@pytest.mark.parametrize("sizes", SIZES)
def test_hvp(sizes: str) -> None:
    x, v = variable("x", V, sizes), variable("v", V, sizes)
    cost = (x**4).sum() + x.sum() ** 2
    product, hessian = interpret([x, v], [ga.hvp(cost, x, v), ga.hessian(cost, x)])(V, V + 1)
    np.testing.assert_allclose(product, hessian @ (V + 1), rtol=1e-13)


def test_hvp_of_a_container() -> None:
    x, y = ga.vector("x"), ga.scalar("y")
    found = ga.hvp((x * x).sum() * y, [x, y], [V, np.float64(2.0)])
    by_x, by_y = interpret([x, y], found)(V, 3.0)
    np.testing.assert_allclose(by_x, 2 * 3 * V + 2 * V * 2, rtol=1e-13)
    np.testing.assert_allclose(by_y, 2 * V @ V, rtol=1e-13)


@pytest.mark.parametrize("sizes", SIZES)
def test_third_order(sizes: str) -> None:
    x = variable("x", V, sizes)
    third = ga.jacobian(ga.hessian((x**4).sum() + x.prod(), x), x)
    (value,) = interpret([x], [third])(V)
    expected = np.zeros((4, 4, 4))
    for i, j, k in np.ndindex(4, 4, 4):
        rest = [V[m] for m in range(4) if m not in (i, j, k)]
        expected[i, j, k] = np.prod(rest) if len({i, j, k}) == 3 else 24 * V[i] * (i == j == k)
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_polynomial_of_every_order() -> None:
    x = ga.scalar("x")
    y = x**5
    for order, factor in enumerate([5, 20, 60, 120, 120, 0], start=1):
        y = ga.grad(y, x, disconnected="zero")
        (value,) = interpret([x], [y])(1.5)
        assert value == pytest.approx(factor * 1.5 ** max(5 - order, 0), rel=1e-13)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_empty_sizes(mode: str) -> None:
    x = ga.vector("x")
    for y, shape in [(ga.sin(x), (0, 0)), (ga.concatenate([x, x, [1.0]]), (1, 0))]:
        (value,) = interpret([x], [ga.jacobian(y, x, mode=mode)])(np.zeros(0))
        assert value.shape == shape
    z = ga.vector("z")
    (value,) = interpret([x, z], [ga.jacobian(z * x.sum(), x, mode=mode)])(V, np.zeros(0))
    assert value.shape == (0, 4)
    (value,) = interpret([x], [ga.hessian((x**3).sum(), x)])(np.zeros(0))
    assert value.shape == (0, 0)


def test_jacobian_with_respect_to_an_intermediate() -> None:
    x = ga.vector("x")
    h = ga.exp(x)
    by_h, by_x = interpret([x], ga.jacobian(h * h, [h, x]))(V)
    np.testing.assert_allclose(by_h, np.diag(2 * np.exp(V)), rtol=1e-13)
    np.testing.assert_allclose(by_x, np.diag(2 * np.exp(2 * V)), rtol=1e-13)


def test_disconnected_jacobians() -> None:
    x, y = ga.vector("x"), ga.matrix("y")
    zero = ga.jacobian(ga.exp(x), [x, y], disconnected="zero")[1]
    (value,) = interpret([x, y], [zero])(V, A)
    assert value.shape == (4, 3, 2) and not value.any()
    assert ga.jacobian(ga.exp(x), [x, y], disconnected="none")[1] is None


def test_a_jacobian_is_differentiable_in_all_arguments() -> None:
    check_grads(lambda v, w: ga.jacobian(ga.sin(v) * w, v), [V, V + 2.0])
    check_grads(lambda v, w: ga.jacobian(ga.sin(v) * w, v, mode="forward"), [V, V + 2.0])
    check_grads(lambda v: ga.hessian(ga.exp(v).prod(), v), [V], sizes="unknown")


def test_the_forward_pass_is_outside_of_the_loop_over_rows() -> None:
    x = ga.vector("x")
    h = x
    for _ in range(20):
        h = ga.tanh(h)
    (node,) = [n for n in walk.toposort([ga.jacobian(h, x)]) if n.op.name == "map_rows"]
    inner = [n.op.name for n in node.op.params["graph"].nodes]
    assert "tanh" not in inner and len(inner) <= 80


def test_complex_jacobian() -> None:
    z = ga.vector("z", dtype="complex128")
    (value,) = interpret([z], [ga.jacobian(z**2, z)])(V + 1j)
    np.testing.assert_allclose(value, np.diag(2 * (V + 1j)), rtol=1e-13)


# ---- choices, products, elementwise derivatives, analytic functions ---------------------------


def rows_of(variable: ga.Variable) -> int | None:
    """How many rows of the identity a Jacobian is computed for."""
    (node,) = [n for n in walk.toposort([variable]) if n.op.name == "eye"]
    count = node.types[0].shape[0]
    return count if isinstance(count, int) else None


def test_the_mode_follows_the_sizes() -> None:
    short, long, unknown = ga.vector("s", shape=(2,)), ga.vector("l", shape=(5,)), ga.vector("u")
    assert rows_of(ga.jacobian(ga.outer(short, np.ones(3)), short)) == 2  # forward
    assert rows_of(ga.jacobian(long[:3] ** 2, long)) == 3  # reverse
    assert rows_of(ga.jacobian(ga.outer(short, np.ones(3)), short, mode="reverse")) == 6
    assert rows_of(ga.jacobian(long[:3] ** 2, long, mode="forward")) == 5
    node = walk.toposort([ga.jacobian(unknown[:2] ** 2, unknown)])[-1]
    assert node.op.name in ("reshape", "map_rows")
    loop = next(n for n in walk.toposort([ga.jacobian(unknown**2, unknown)])
                if n.op.name == "map_rows")  # fmt: skip
    assert loop.op.params["graph"].inputs[0].name == "row"  # reverse where sizes are unknown


def test_the_hessian_is_forward_over_reverse() -> None:
    x = ga.vector("x")
    loop = next(n for n in walk.toposort([ga.hessian((x**3).sum(), x)])
                if n.op.name == "map_rows")  # fmt: skip
    assert loop.op.params["graph"].inputs[0].name == "column"


@pytest.mark.parametrize("sizes", SIZES)
def test_gauss_newton_products(sizes: str) -> None:
    """Jᵀ·H·J·v, and the Hessian itself where the model is linear."""
    w, v = variable("w", V, sizes), variable("v", V, sizes)
    outputs = {"a": ga.tanh(w) * 2, "b": w[:2] ** 2}

    def loss(out: Any) -> Any:
        return ga.logsumexp(out["a"]) + (out["b"] ** 2).sum() * out["a"][0]

    product = ga.ggnvp(outputs, loss, w, v)
    same = ga.ggnvp(outputs, loss(outputs), w, v)
    joined = ga.concatenate([outputs["a"], outputs["b"]])
    jacobian = ga.jacobian(joined, w)
    whole = ga.vector("whole", shape=(6,))
    curvature = ga.hessian(loss({"a": whole[:4], "b": whole[4:]}), whole)
    first, second, j, out = interpret([w, v], [product, same, jacobian, joined])(V, V + 1)
    (h,) = interpret([whole], [curvature])(out)
    np.testing.assert_allclose(first, j.T @ h @ j @ (V + 1), rtol=1e-12)
    np.testing.assert_allclose(second, first, rtol=1e-14)
    linear = A.T @ w[:3]
    gauss, hessian = interpret(
        [w, v], [ga.ggnvp(linear, (linear**4).sum(), w, v), ga.hvp((linear**4).sum(), w, v)]
    )(V, V + 1)
    np.testing.assert_allclose(gauss, hessian, rtol=1e-12)


def test_what_the_loss_depends_on_besides_the_outputs_is_constant() -> None:
    w = ga.vector("w")
    outputs = w**2
    with_penalty = ga.ggnvp(outputs, (outputs**2).sum() + (w**4).sum(), w, np.ones(4))
    without = ga.ggnvp(outputs, (outputs**2).sum(), w, np.ones(4))
    found = interpret([w], [with_penalty, without])(V)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("sizes", SIZES)
def test_elementwise_grad(sizes: str) -> None:
    x = variable("x", A, sizes)
    y = ga.sin(x) * x
    third = ga.elementwise_grad(ga.elementwise_grad(ga.elementwise_grad(y, x), x), x)
    first, last = interpret([x], [ga.elementwise_grad(y, x), third])(A)
    np.testing.assert_allclose(first, np.cos(A) * A + np.sin(A), rtol=1e-14)
    np.testing.assert_allclose(last, -np.cos(A) * A - 3 * np.sin(A), rtol=1e-13)


def test_elementwise_grad_refuses_other_shapes() -> None:
    x, m = ga.vector("x", shape=(3,)), ga.matrix("m")
    with pytest.raises(ShapeError, match=r"elementwise_grad(.|\n)*ga\.jacobian"):
        ga.elementwise_grad(ga.outer(x, x), x)
    with pytest.raises(ShapeError, match="keeps the shape"):
        ga.elementwise_grad(x[:2], x)
    with pytest.raises(DisconnectedError):
        ga.elementwise_grad(m, ga.matrix("other"))
    with pytest.raises(UseError, match="ndarray"):
        ga.elementwise_grad(x, np.ones(3))  # type: ignore[arg-type]


HOLOMORPHIC: dict[str, tuple[Callable[[Any], Any], Callable[[complex], complex]]] = {
    "power": (lambda z: z**3, lambda z: 3 * z**2),
    "exp": (lambda z: ga.exp(z) * z, lambda z: np.exp(z) * (1 + z)),
    "quotient": (lambda z: 1 / (z + 2), lambda z: -1 / (z + 2) ** 2),
    "sin": (ga.sin, np.cos),
    "sqrt": (ga.sqrt, lambda z: 0.5 / np.sqrt(z)),
    "log": (ga.log, lambda z: 1 / z),
}


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_derivatives_of_analytic_functions(name: str) -> None:
    f, derivative = HOLOMORPHIC[name]
    z, at = ga.scalar("z", dtype="complex128"), 0.7 + 1.2j
    found = ga.grad(f(z), z, holomorphic=True)
    second = ga.grad(found, z, holomorphic=True)
    first, curve = interpret([z], [found, second])(at)
    np.testing.assert_allclose(first, derivative(at), rtol=1e-14)
    (numeric,) = central(lambda p: [derivative(p)], [np.asarray(at)], [np.asarray(1.0)])
    np.testing.assert_allclose(curve, numeric, rtol=1e-9)


def test_holomorphic_needs_complex_numbers() -> None:
    z, x = ga.scalar("z", dtype="complex128"), ga.scalar("x")
    for cost, wrt in ((abs(z), z), (x * z, x), (z * z, [z, x])):
        with pytest.raises(GradientError, match=r"holomorphic=True, but .* is real"):
            ga.grad(cost, wrt, holomorphic=True)
