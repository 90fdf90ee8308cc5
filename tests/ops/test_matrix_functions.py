"""Functions of matrices, triangular, LU, banded and structured systems at the hard points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import graphad as ga
from graphad.errors import DTypeError, GraphadError, ShapeError, UseError
from graphad.testing.gradients import check_grads
from graphad.testing.samples import inputs_for

linalg = ga.linalg
SQUARE = np.array([[2.0, 0.5, -1.0], [-0.75, 1.5, 0.25], [0.25, 1.0, 3.5]])


def gradient(function: Callable[..., Any], point: Any) -> Any:
    x = ga.tensor("x", shape=np.shape(point))
    return ga.function([x], ga.grad(function(x), x))(np.asarray(point, float))


def close(found: Any, expected: Any, tolerance: float = 1e-13) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# ---- functions of matrices --------------------------------------------------------------------
@pytest.mark.parametrize(("function", "slope"), [
    (linalg.expm, np.exp(2.0)), (linalg.sqrtm, 0.5 / np.sqrt(2.0)), (linalg.logm, 0.5),
    (linalg.cosm, -np.sin(2.0)), (linalg.sinm, np.cos(2.0)), (linalg.coshm, np.sinh(2.0)),
    (linalg.sinhm, np.cosh(2.0)), (linalg.tanm, 1 / np.cos(2.0) ** 2),
    (linalg.tanhm, 1 / np.cosh(2.0) ** 2),
])  # fmt: skip
def test_all_eigenvalues_equal(function: Callable[..., Any], slope: float) -> None:
    """At 2·1 the derivative of f along E is f'(2)·E, off the diagonal as well."""
    weights = np.arange(9.0).reshape(3, 3)
    found = gradient(lambda a: (function(a) * weights).sum(), 2 * np.eye(3))
    close(found, slope * weights, 1e-11)


def test_expm_of_a_defective_matrix() -> None:
    """exp((t, s), (0, t)) = eᵗ((1, s), (0, 1)); the derivative by the element below is
    eᵗ((s/2, s²/6), (1, s/2))."""
    found = gradient(lambda a: linalg.expm(a)[0, 1], [[0.0, 3.0], [0.0, 0.0]])
    close(found, [[1.5, 1.0], [1.5, 1.5]])


def test_derivative_of_expm_is_scipys() -> None:
    e = np.arange(9.0).reshape(3, 3) * 1e6
    a, t = inputs_for([SQUARE, e])
    found = ga.function([a, t], ga.jvp(linalg.expm(a), a, t))(SQUARE, e)
    expected = scipy.linalg.expm_frechet(SQUARE, e)[1]
    close(found, expected, 1e-12)


def test_expm_of_large_and_zero_tangents() -> None:
    a, t = inputs_for([SQUARE, SQUARE])
    moved = ga.function([a, t], ga.jvp(linalg.expm(a), a, t))
    assert (moved(SQUARE, np.zeros((3, 3))) == 0).all()
    close(moved(SQUARE, SQUARE) * 1e200, moved(SQUARE, SQUARE * 1e200), 1e-12)


def test_a_real_matrix_without_a_real_root() -> None:
    a = ga.matrix("a", shape=(2, 2))
    for function in (linalg.sqrtm, linalg.logm):
        with pytest.raises(np.linalg.LinAlgError, match="complex128"):
            ga.function([a], function(a))(np.diag([-1.0, 2.0]))
        found = ga.function([a], function(a.astype("complex128")))(np.diag([-1.0, 2.0]))
        close(found[0, 0], 1j if function is linalg.sqrtm else 1j * np.pi)


def test_stacks_without_matrices() -> None:
    for function in (linalg.expm, linalg.sqrtm, linalg.logm, linalg.cosm):
        for shape in ((0, 2, 2), (2, 0, 0)):
            x = ga.tensor("x", shape=shape)
            y = function(x)
            found = ga.function([x], [y, ga.grad(y.sum(), x)])(np.zeros(shape))
            assert [f.shape for f in found] == [shape, shape]


# ---- triangular matrices, LU ------------------------------------------------------------------
def test_only_one_triangle_is_read() -> None:
    full, b = np.full((3, 3), np.nan), np.ones(3)
    for lower in (True, False):
        a = np.where(np.tri(3) > 0 if lower else np.tri(3).T > 0, SQUARE, full)
        x = ga.matrix("x", shape=(3, 3))
        y = linalg.solve_triangular(x, b, lower=lower)
        value, slope = ga.function([x], [y, ga.grad(y.sum(), x)])(a)
        close(value, np.linalg.solve(np.nan_to_num(a), b))
        assert (slope[np.isnan(a)] == 0).all() and np.isfinite(slope).all()


def test_lu_of_a_matrix_that_is_turned() -> None:
    a = np.array([[0.0, 2.0], [4.0, 2.0]])
    x = ga.matrix("x", shape=(2, 2))
    p, lower, upper = linalg.lu(x)
    found = ga.function([x], [p, lower, upper, ga.grad(upper.sum(), x)])(a)
    close(found[0], [[0, 1], [1, 0]])
    close(found[1], np.eye(2))
    close(found[2], [[4, 2], [0, 2]])
    close(found[3], [[-0.5, 1], [1, 1]])  # u11 = a01 - a00·a11/a10


def test_factors_solve_what_they_were_made_of() -> None:
    b = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    for trans, turned in ((0, SQUARE), (1, SQUARE.T)):

        def by_lu(a: Any, b: Any, trans: int = trans) -> Any:
            return linalg.lu_solve(linalg.lu_factor(a), b, trans)

        x, y = inputs_for([SQUARE, b])
        close(ga.function([x, y], by_lu(x, y))(SQUARE[::-1], b),
              np.linalg.solve(turned[::-1] if not trans else turned[:, ::-1], b))  # fmt: skip
        check_grads(by_lu, [SQUARE[::-1].copy(), b])
    check_grads(
        lambda a, b: linalg.cho_solve(linalg.cho_factor(a @ a.mT + np.eye(3)), b), [SQUARE, b]
    )


def test_bad_systems_under_a_mask() -> None:
    """What is not chosen leaves nothing in the common right-hand side."""
    b = np.array([[1.0], [2.0], [3.0]])
    stack = np.stack([SQUARE, np.full((3, 3), np.nan)])
    for solve in (
        linalg.solve_triangular,
        lambda a, b: linalg.solve_banded((1, 1), a, b),
        lambda a, b: linalg.solve_toeplitz((a[:, 0], a[:, 1]), b),
    ):
        x, y = inputs_for([stack, b])
        kept = ga.where(np.array([True, False])[:, None, None], solve(x, y), 0.0)
        slopes = ga.function([x, y], ga.grad((kept**2).sum(), [x, y]))(stack, b)
        assert np.isfinite(slopes[1]).all() and (slopes[0][1] == 0).all()


# ---- polar decompositions ---------------------------------------------------------------------
def test_polar_with_equal_singular_values() -> None:
    """At 1: dU is the antisymmetric part, dP the symmetric part."""
    weights = np.arange(9.0).reshape(3, 3)
    turn = gradient(lambda a: (linalg.polar(a)[0] * weights).sum(), np.eye(3))
    stretch = gradient(lambda a: (linalg.polar(a)[1] * weights).sum(), np.eye(3))
    close(turn, (weights - weights.T) / 2)
    close(stretch, (weights + weights.T) / 2)


# ---- errors -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("build", "kind", "text"), [
    (lambda a: linalg.expm(a[:2]), ShapeError, "not equal"),
    (lambda a: linalg.expm(a.astype("float16")), DTypeError, "float16"),
    (lambda a: linalg.solve_triangular(a, np.ones(2)), ShapeError, "solve_triangular"),
    (lambda a: linalg.solve_triangular(a, np.ones(3), trans="X"), UseError, "trans='X'"),
    (lambda a: linalg.solve_sylvester(a, np.eye(2), np.eye(3)), ShapeError, "solve_sylvester"),
    (lambda a: linalg.solve_banded((1, 0), a, np.ones(3)), ShapeError, r"l \+ u \+ 1 rows"),
    (lambda a: linalg.solve_banded((-1, 0), a, np.ones(3)), UseError, "l_and_u"),
    (lambda a: linalg.solve_toeplitz(a[0], np.ones(2)), ShapeError, "equal sizes"),
    (lambda a: linalg.polar(a[:2]), ShapeError, 'side="left"'),
    (lambda a: linalg.polar(a, "middle"), UseError, "side='middle'"),
    (lambda a: linalg.solve_discrete_lyapunov(a, a, "x"), UseError, "method='x'"),
    (lambda a: linalg.khatri_rao(a, np.ones((2, 2))), ShapeError, "3 and 2 columns"),
    (lambda a: linalg.companion(a[0, :1]), ShapeError, "2 or more"),
    (lambda a: linalg.outer(a, a), ShapeError, "no vector"),
])  # fmt: skip
def test_errors(build: Callable[[Any], Any], kind: type[GraphadError], text: str) -> None:
    with pytest.raises(kind, match=text):
        build(ga.matrix("a", shape=(3, 3)))
