"""root, fixed_point, minimize: solutions, their derivatives in both modes, and failures."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import ConvergenceError, DTypeError, GraphadError, ShapeError, UseError
from graphad.testing import check_grads, interpret
from graphad.testing.gradients import Runner

A = np.array([[2.0, 0.3], [0.1, 1.5]])
B = np.array([0.7, -0.4])


def cubic(solver: Any = "newton") -> Callable[..., Any]:
    """A·x + x³ = b."""
    return lambda a, b: ga.root(lambda x, a, b: a @ x + x**3 - b, np.zeros(2), a, b, solver=solver)


def contraction(solver: Any = "iterate") -> Callable[..., Any]:
    """x = cos(A·x)/4 + b, as a fixed point."""
    return lambda a, b: ga.fixed_point(
        lambda x, a, b: ga.cos(a @ x) / 4 + b, np.zeros(2), a, b, solver=solver
    )


def regularised(solver: Any = "newton") -> Callable[..., Any]:
    """min Σ(A·x - b)² + Σ log cosh x."""
    return lambda a, b: ga.minimize(
        lambda x, a, b: ((a @ x - b) ** 2).sum() + ga.log(ga.cosh(x)).sum(),
        np.ones(2), a, b, solver=solver)  # fmt: skip


def own_solver(f: Any, x0: Any) -> Any:
    """A user's solver: a step of plain descent, which Newton's method then completes."""
    found = f(x0)
    return x0 - 0.1 * (found[1] if isinstance(found, tuple) else found)


PROBLEMS: dict[str, Callable[..., Any]] = {
    "root": cubic(), "root by hybr": cubic("hybr"), "root by krylov": cubic("krylov"),
    "root by an own solver": cubic(own_solver),
    "fixed point": contraction(), "fixed point by newton": contraction("newton"),
    "minimum": regularised(), "minimum by BFGS": regularised("BFGS"),
    "minimum by L-BFGS-B": regularised("L-BFGS-B"), "minimum by an own": regularised(own_solver),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivatives(name: str, run: Runner) -> None:
    """Both modes and the second order, against finite differences through the iteration."""
    check_grads(PROBLEMS[name], [A, B], order=2, rtol=1e-6, runner=run)


@pytest.mark.parametrize("name", ["root", "fixed point", "minimum"])
@pytest.mark.parametrize("sizes", ["unknown", "named"])
def test_unknown_sizes(name: str, sizes: str, run: Runner) -> None:
    starts: dict[str, Callable[..., Any]] = {
        "root": lambda a, b: ga.root(lambda x: a @ x + x**3 - b, b * 0),
        "fixed point": lambda a, b: ga.fixed_point(lambda x: ga.cos(a @ x) / 4 + b, b * 0),
        "minimum": lambda a, b: ga.minimize(lambda x: ((a @ x - b) ** 2 + x**4).sum(), b * 0 + 1),
    }
    check_grads(starts[name], [A, B], order=2, rtol=1e-6, sizes=sizes, runner=run)


def test_all_solvers_agree(run: Runner) -> None:
    a, b = ga.matrix("a"), ga.vector("b")
    found = run([a, b], [cubic(s)(a, b) for s in ("newton", "hybr", "lm", "krylov", own_solver)])
    values = found(A, B)
    for value in values:
        np.testing.assert_allclose(value, values[0], rtol=1e-12)
        np.testing.assert_allclose(A @ value + value**3, B, rtol=1e-12)


def test_third_order() -> None:
    """x² = a: the derivatives of √a."""
    a = ga.scalar("a")
    y = ga.root(lambda x: x**2 - a, 1.0)
    values = [2.0, 0.25, -1 / 32, 3 / 256]
    for expected in values:
        (found,) = interpret([a], [y])(4.0)
        np.testing.assert_allclose(found, expected, rtol=1e-10)
        y = ga.grad(y, a)


def test_matrices_and_containers(run: Runner) -> None:
    """X·X = M, the matrix square root; parameters in a container."""
    m = ga.matrix("m", shape=(2, 2))
    x = ga.root(lambda x, p: x @ x - p["m"] * p["scale"], np.eye(2), {"m": m, "scale": 1.0})
    spd = A @ A.T
    (value,) = run([m], [x])(spd)
    np.testing.assert_allclose(value @ value, spd, rtol=1e-12)
    check_grads(lambda m: ga.root(lambda x: x @ x - m, np.eye(2)), [spd], rtol=1e-6, runner=run)


def test_captured_intermediates_and_shared_variables(run: Runner) -> None:
    w = ga.shared(2.0, name="w")
    a = ga.scalar("a")
    x = ga.root(lambda x: x * w - ga.exp(a), 1.0)
    by_w, by_a = run([a, w], ga.grad(x, [w, a]))(0.5, 2.0)
    np.testing.assert_allclose([by_w, by_a], [-np.exp(0.5) / 4, np.exp(0.5) / 2], rtol=1e-12)


def test_the_start_has_no_influence() -> None:
    s, a = ga.scalar("s"), ga.scalar("a")
    x = ga.root(lambda x, a: x**2 - a, s, a)
    found = interpret([s, a], [ga.grad(x, s), ga.grad(x, a)])(1.0, 4.0)
    assert found[0] == 0.0 and found[1] == pytest.approx(0.25)


def test_float32(run: Runner) -> None:
    a = ga.vector("a", dtype="float32")
    x = ga.root(lambda x: x**2 - a, np.ones(2, "float32"))
    value, slope = run([a], [x, ga.grad(x.sum(), a)])(np.array([4.0, 9.0], "float32"))
    assert value.dtype == slope.dtype == np.float32
    np.testing.assert_allclose(value, [2, 3], rtol=1e-6)
    np.testing.assert_allclose(slope, [1 / 4, 1 / 6], rtol=1e-6)


def test_empty(run: Runner) -> None:
    a = ga.vector("a")
    x = ga.root(lambda x: x - a, a * 0)
    found = run([a], [x, ga.grad(x.sum(), a)])(np.zeros(0))
    assert [f.shape for f in found] == [(0,), (0,)]


def test_a_minimum_is_not_a_saddle(run: Runner) -> None:
    """From a point where the Hessian is indefinite, descent finds the minimum."""
    a = ga.scalar("a")
    x = ga.minimize(lambda x: (x[0] ** 2 - a) ** 2 + x[1] ** 2, np.array([0.1, 1.0]))
    (value,) = run([a], [x])(4.0)
    np.testing.assert_allclose(value, [2.0, 0.0], atol=1e-7)


def test_ill_conditioned_equations(run: Runner) -> None:
    """Where rounding stops the iteration before the tolerance is reached, that is the solution."""
    hilbert = 1.0 / (1 + np.add.outer(np.arange(7), np.arange(7)))
    b = ga.vector("b", shape=(7,))
    for x in (
        ga.root(lambda x: hilbert @ (x + x**3) - b, np.zeros(7)),
        ga.minimize(lambda x: ((hilbert @ x - b) ** 2).sum() + (x**4).sum(), np.zeros(7)),
    ):
        (value,) = run([b], [x])(hilbert @ np.ones(7))
        assert np.isfinite(value).all()
    np.testing.assert_allclose(run([b], [ga.root(lambda x: hilbert @ x - b, np.zeros(7))])(
        hilbert @ np.ones(7))[0], np.ones(7), rtol=1e-6)  # fmt: skip


def test_pickling() -> None:
    a, b = ga.matrix("a"), ga.vector("b")
    f = ga.function([a, b], cubic()(a, b))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(A, B), f(A, B))


def test_nested_solutions(run: Runner) -> None:
    """A minimum whose cost holds a root."""

    def f(b: Any) -> Any:
        def cost(x: Any) -> Any:
            inner = ga.root(lambda y: y + y**3 - x, x * 0)
            return ((inner - b) ** 2).sum() + 0.1 * (x**2).sum()

        return ga.minimize(cost, np.ones(2))

    check_grads(f, [B], order=1, rtol=1e-6, runner=run)


# ---- failures -------------------------------------------------------------------------------

v, s, z = ga.vector("v", shape=(2,)), ga.scalar("s"), ga.scalar("z", dtype="complex128")
BAD: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "no root": (lambda: ga.root(lambda x: x**2 + s, 1.0).eval({s: 1.0}), ConvergenceError,
        ("root: no convergence", "residual is 1", "start nearer")),
    "no contraction": (lambda: ga.fixed_point(lambda x: 2 * x + s, 1.0).eval({s: 1.0}),
        ConvergenceError, ("fixed_point: no convergence", "contracts too slowly")),
    "slow": (lambda: ga.fixed_point(lambda x: 0.999 * x + s, 1.0, max_steps=5).eval({s: 1.0}),
        ConvergenceError, ("in 5 steps", "residual is 0.99")),
    "no minimum": (lambda: ga.minimize(lambda x: s * x, 1.0).eval({s: 1.0}), ConvergenceError,
        ("minimize: no convergence",)),
    "not finite": (lambda: ga.root(lambda x: ga.log(x) * s, -1.0).eval({s: 1.0}),
        ConvergenceError, ("not finite", "residual is nan")),
    "shape of f": (lambda: ga.root(lambda x: x.sum(), v), ShapeError,
        ("root: f returned", "(2,), that of x0")),
    "cost with axes": (lambda: ga.minimize(lambda x: x, v), ShapeError,
        ("minimize: f returned", ".sum()")),
    "complex": (lambda: ga.root(lambda x: x, z), DTypeError, ("complex128", "x.real")),
    "solver": (lambda: ga.root(lambda x: x, s, solver="secant"), UseError, ("'secant'", "hybr")),
    "tolerance": (lambda: ga.root(lambda x: x, s, tol=-1), UseError, ("tol=-1",)),
    "steps": (lambda: ga.root(lambda x: x, s, max_steps=0), UseError, ("max_steps=0",)),
    "independent of x": (lambda: ga.root(lambda x: s * 1.0, 1.0), GraphadError, ("'x'",)),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_use(name: str) -> None:
    use, error, words = BAD[name]
    with pytest.raises(error) as caught:
        use()
    for word in words:
        assert word in str(caught.value), f"{word!r} is missing in:\n{caught.value}"
