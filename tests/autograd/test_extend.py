"""Primitives with gradients stated as closures, in all of Autograd's spellings."""

from typing import Any

import numpy
import pytest

import graphad as ga
import graphad.autograd.numpy as np
from graphad.autograd import (
    elementwise_grad,
    grad,
    hessian,
    jacobian,
    make_jvp,
    make_vjp,
    value_and_grad,
)
from graphad.autograd import primitive as old_primitive
from graphad.autograd.extend import (
    Box,
    SparseObject,
    VSpace,
    defjvp,
    defvjp,
    defvjp_argnum,
    notrace_primitive,
    primitive,
    vspace,
)
from graphad.autograd.test_util import check_grads
from graphad.autograd.tracer import getval
from graphad.errors import GradientError, ShapeError, UseError

X = numpy.array([0.5, -1.0, 2.0])


def make_power() -> Any:
    @primitive
    def power(x: Any, n: int = 3) -> Any:
        return x**n

    defvjp(power, lambda ans, x, n=3: lambda g: g * n * x ** (n - 1))
    return power


def test_any_order() -> None:
    power = make_power()
    f = lambda x: power(x, n=4)  # noqa: E731
    for factor, n in [(4, 3), (12, 2), (24, 1), (24, 0)]:
        f = grad(f)
        for _ in range(4):  # also when its program is there
            assert f(1.5) == pytest.approx(factor * 1.5**n)
    check_grads(lambda x: np.sum(power(x)), modes=["rev"], order=2)(X)


def test_closures_see_arrays() -> None:
    seen: list[type] = []

    @primitive
    def double(x: Any) -> Any:
        seen.append(type(x))
        return 2.0 * x

    def vjp(ans: Any, x: Any) -> Any:
        seen.append(type(ans))
        return lambda g: seen.append(type(g)) or 2.0 * g

    defvjp(double, vjp)
    for _ in range(3):
        numpy.testing.assert_array_equal(grad(lambda x: np.sum(double(x)))(X), [2.0, 2.0, 2.0])
    assert set(seen) <= {numpy.ndarray} and len(seen) >= 9


def test_closures_may_read_what_changes() -> None:
    strength = [1.0]

    @primitive
    def reverse(x: Any) -> Any:
        return x

    defvjp(reverse, lambda ans, x: lambda g: -strength[0] * g)
    slope = grad(lambda x: reverse(x) ** 2)
    for value in (1.0, 1.0, 1.0, 5.0, 7.0):
        strength[0] = value
        assert slope(3.0) == -6.0 * value


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", ["grad", "hessian", "elementwise_grad"])
def test_closures_that_are_differentiated_again_may_read_what_changes(
    name: str, order: int
) -> None:
    """The derivative of f is stated as 3 s x² for an s that changes."""
    strength = [1.0]

    @primitive
    def cube(x: Any) -> Any:
        return x**3

    defvjp(cube, lambda ans, x: lambda g: g * strength[0] * 3 * x**2)
    plain: Any = cube
    twice: Any = lambda x: cube(x) ** 2  # noqa: E731
    for _ in range(order - 2):
        plain, twice = grad(plain), grad(twice)
    if name == "hessian":
        plain, twice = hessian(plain), hessian(twice)
    else:
        again = {"grad": grad, "elementwise_grad": elementwise_grad}[name]
        plain, twice = again(again(plain)), again(again(twice))
    x = 2.0
    for s in (1.0, 1.0, 1.0, 2.0, 5.0, 5.0, 1.0):
        strength[0] = s
        # of y = f²: y'' = 2 f'² + 2 f f'', y''' = 6 f' f'' + 2 f f'''
        f, f1, f2, f3 = x**3, 3 * s * x**2, 6 * s * x, 6 * s
        squares = {2: 2 * f1**2 + 2 * f * f2, 3: 6 * f1 * f2 + 2 * f * f3}
        assert plain(x) == pytest.approx({2: f2, 3: f3}[order])
        assert twice(x) == pytest.approx(squares[order])


def test_arguments_and_results_in_containers() -> None:
    @primitive
    def mixed(params: Any, scale: Any, names: Any) -> Any:
        return {"sum": params["w"] * scale + params["b"][0], "name": 3.0 * params["b"][0]}

    defvjp(
        mixed,
        lambda ans, params, scale, names: (
            lambda g: {
                "w": g["sum"] * scale,
                "b": [np.sum(g["sum"]) + 3.0 * g["name"]],
            }
        ),
        lambda ans, params, scale, names: lambda g: np.sum(g["sum"] * params["w"]),
        None,
    )

    def loss(params: Any, scale: Any) -> Any:
        found = mixed(params, scale, ("a", None))
        return np.sum(found["sum"] ** 2) + found["name"]

    params = {"w": X, "b": [0.5]}
    first, second = grad(loss, (0, 1))(params, 2.0)
    y = X * 2.0 + 0.5
    numpy.testing.assert_allclose(first["w"], 2 * y * 2.0)
    numpy.testing.assert_allclose(first["b"][0], 2 * y.sum() + 3.0)
    numpy.testing.assert_allclose(second, numpy.sum(2 * y * X))


def test_functions_and_shapes_among_arguments() -> None:
    @primitive
    def apply(f: Any, x: Any, shape: Any) -> Any:
        return f(x).reshape(shape)

    defvjp(apply, None, lambda ans, f, x, shape: lambda g: 2 * x * np.reshape(g, x.shape), None)
    found = jacobian(lambda x: apply(lambda v: v**2, x, (3, 1)))(X)
    numpy.testing.assert_allclose(found, numpy.diag(2 * X)[:, None, :])


def test_forward_mode() -> None:
    @primitive
    def times(x: Any, y: Any) -> Any:
        return x * y

    defjvp(times, "same", lambda g, ans, x, y: x * g)
    defvjp(times, lambda ans, x, y: lambda g: g * y, lambda ans, x, y: lambda g: g * x)
    value, tangent = make_jvp(times, (0, 1))(2.0, 5.0)((1.0, 10.0))
    assert (value, tangent) == (10.0, 25.0)
    check_grads(times, (0, 1), modes=["fwd", "rev"], order=2)(X, 2 * X)


def test_argnum_and_old_spellings() -> None:
    @primitive
    def total(*xs: Any) -> Any:
        return sum(xs)

    defvjp_argnum(total, lambda argnum, ans, args, kwargs: lambda g: g * (argnum + 1))
    assert grad(total, (0, 2))(1.0, 2.0, 3.0) == (1.0, 3.0)

    @old_primitive
    def times(x: Any, y: Any, z: Any) -> Any:
        return x * y

    times.defgrad(lambda ans, x, y, z: lambda g: g * y)
    times.defvjp(lambda g, ans, vs, gvs, x, y, z: g * x * vs.ones(), argnum=1)
    times.defvjp_is_zero(argnums=(2,))
    assert grad(times, (0, 1, 2))(2.0, 3.0, 4.0) == (3.0, 2.0, 0.0)


def test_what_is_not_declared_or_does_not_fit_is_said() -> None:
    @primitive
    def f(x: Any, y: Any) -> Any:
        return x * y

    with pytest.raises(GradientError, match="f has no gradient"):
        grad(f)(1.0, 2.0)
    defvjp(f, lambda ans, x, y: lambda g: g * y)
    with pytest.raises(GradientError, match="no gradient for argument 1"):
        grad(f, 1)(1.0, 2.0)
    with pytest.raises(UseError, match="decorate it"):
        defvjp(lambda x: x, None)
    with pytest.warns(UserWarning, match="own derivatives"):
        defvjp(np.sin, lambda ans, x: lambda g: g)
    defvjp(f, lambda ans, x, y: lambda g: np.sum(g), None)
    with pytest.raises(ShapeError, match="the gradient of f"):
        grad(lambda x: np.sum(f(x, 1.0)))(X)

    @primitive
    def opaque(x: Any) -> Any:
        return x * x

    defvjp(opaque, lambda ans, x: lambda g: g * numpy.array([float(v) for v in x]) * 2)
    slope = grad(lambda x: np.sum(opaque(x)))
    numpy.testing.assert_allclose(slope(X), 2 * X)
    with pytest.raises(GradientError, match="cannot be differentiated again"):
        jacobian(slope)(X)


def test_shape_that_depends_on_values() -> None:
    @primitive
    def positive(x: Any) -> Any:
        return x[x > 0]

    def vjp(ans: Any, x: Any) -> Any:
        def back(g: Any) -> Any:
            found = numpy.zeros_like(x)
            found[x > 0] = g
            return found

        return back

    defvjp(positive, vjp)
    numpy.testing.assert_allclose(grad(lambda x: np.sum(positive(x) ** 2))(X), [1.0, 0.0, 4.0])


def test_notrace_and_boxes() -> None:
    seen: list[Any] = []
    note = notrace_primitive(lambda x: seen.append(x) or numpy.sign(x))

    def f(x: Any) -> Any:
        assert isinstance(x, Box) and not isinstance(getval(x), Box)
        return np.sum(x * note(x))

    numpy.testing.assert_allclose(grad(f)(X), numpy.sign(X))
    assert type(seen[0]) is numpy.ndarray


def test_vspace() -> None:
    value = {"a": X, "b": [2.0, numpy.array(1.0 + 1.0j)]}
    space = vspace(value)
    assert space.size == 6 and space.iscomplex and len(list(space.standard_basis())) == 6
    assert space == vspace(space.zeros()) == vspace(space.randn()) != vspace(X)
    assert space.inner_prod(value, space.ones()) == pytest.approx(1.5 + 2.0 + 2.0)
    assert vspace(space.covector(value)) == space
    assert (vspace(X).shape, vspace(X).dtype, vspace(X).ndim) == ((3,), numpy.float64, 1)
    with pytest.raises(UseError, match="vspace of str"):
        vspace("x")

    class Weird:
        """A type of one's own."""

    VSpace.register(Weird, lambda value: vspace(0.0))
    assert vspace(Weird()) == vspace(1.0)


def test_primitives_in_graphs() -> None:
    power = make_power()
    x = ga.vector("x", shape=(3,))
    slope = ga.grad(power(x).sum(), x)
    numpy.testing.assert_allclose(ga.function([x], slope)(X), 3 * X**2)
    numpy.testing.assert_allclose(power(X), X**3)


def test_make_vjp_runs_the_function_once() -> None:
    runs: list[int] = []

    def f(x: Any) -> Any:
        runs.append(1)
        return {"y": x**2, "z": np.sum(x)}

    pull, value = make_vjp(f)(X)
    numpy.testing.assert_allclose(value["y"], X**2)
    for scale in (1.0, 3.0):
        found = pull({"y": scale * numpy.ones(3), "z": 1.0})
        numpy.testing.assert_allclose(found, 2 * scale * X + 1.0)
    assert len(runs) == 1


def test_derivatives_inside_of_others() -> None:
    def inner(x: Any, v: Any) -> Any:
        return make_jvp(np.sin)(x)(v)[1] * make_vjp(lambda y: y**2 * x)(2.0)[0](1.0)

    value, slope = value_and_grad(inner)(0.3, 1.0)
    assert value == pytest.approx(numpy.cos(0.3) * 4 * 0.3)
    assert slope == pytest.approx(4 * numpy.cos(0.3) - 4 * 0.3 * numpy.sin(0.3))


def test_closures_may_return_sparse_gradients() -> None:
    @primitive
    def picked(table: Any, places: Any) -> Any:
        return table[places]

    def back(ans: Any, table: Any, places: Any) -> Any:
        def add(zeros: Any, g: Any) -> Any:
            numpy.add.at(zeros, places, g)
            return zeros

        return lambda g: SparseObject(vspace(table), lambda zeros: add(zeros, g))

    defvjp(picked, back, None)
    table, places = numpy.arange(6.0).reshape(3, 2), numpy.array([0, 2, 0])
    for _ in range(3):
        found = grad(lambda t: np.sum(picked(t, places) ** 2))(table)
        numpy.testing.assert_allclose(found, table * numpy.array([[4.0], [0.0], [2.0]]))


def test_operators_of_unary_functions() -> None:
    from graphad.autograd.wrap_util import unary_to_nary

    @unary_to_nary
    def slope(fun: Any, x: Any, scale: float = 1.0) -> Any:
        pull, value = make_vjp(fun)(x)
        return pull(scale * numpy.ones_like(value))

    assert slope(lambda a, x: a * x**2, 1)(3.0, 5.0) == 30.0
    assert slope(lambda a, x: a * x**2, (0, 1), scale=2.0)(3.0, 5.0) == (50.0, 60.0)
