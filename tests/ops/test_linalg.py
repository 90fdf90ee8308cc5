"""Linear algebra at the hard points, its several outputs, and its errors; values written out.

The table-driven tests cover each function with one result; here are those with several results,
the conventions of the docstrings, and structured (symmetric, triangular, singular) matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, ShapeError, UseError
from graphad.testing.gradients import check_grads
from graphad.testing.samples import inputs_for

linalg = np.linalg  # on Variables, these build graph

SYMMETRIC = np.array([[3.0, 0.5, -0.25], [0.5, 1.5, 0.75], [-0.25, 0.75, 5.0]])
HERMITIAN = SYMMETRIC + 1j * np.array([[0.0, -0.5, 0.25], [0.5, 0.0, 1.0], [-0.25, -1.0, 0.0]])
TALL = np.array([[2.0, 0.5], [-0.75, 1.5], [0.25, 1.0], [1.0, -0.5]])
SQUARE = np.array([[2.0, 0.5, -1.0], [-0.75, 1.5, 0.25], [0.25, 1.0, 3.5]])


def complexified(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x + 0.3j * np.cos(5 * x)


# ---- several outputs: values and derivatives --------------------------------------------------
def outer_of(v: Any) -> Any:
    """Projection on the first column."""
    first = v[..., :1]
    return first @ (first.conj() if v.dtype.kind == "c" else first).mT


FUNCTIONS: dict[str, tuple[Callable[..., Any], np.ndarray[Any, Any]]] = {
    "eigh": (lambda a: [linalg.eigh(a).eigenvalues, outer_of(linalg.eigh(a)[1])], SYMMETRIC),
    "eigh upper": (lambda a: outer_of(linalg.eigh(a, "U")[1]), SYMMETRIC),
    "eigh complex": (lambda a: [linalg.eigh(a)[0], outer_of(linalg.eigh(a)[1])], HERMITIAN),
    "eigh stack": (lambda a: linalg.eigh(a)[1] ** 2, np.stack([SYMMETRIC, SQUARE])),
    "svd": (lambda a: [x**2 for x in linalg.svd(a, False)], SQUARE),
    "svd tall": (lambda a: list(linalg.svd(a, full_matrices=False)), TALL),
    "svd wide": (lambda a: list(linalg.svd(a, full_matrices=False)), TALL.T.copy()),
    "svd stack": (lambda a: list(linalg.svd(a, False)), np.stack([TALL, TALL[::-1] + 0.5])),
    "qr": (lambda a: list(linalg.qr(a)), SQUARE),
    "qr tall": (lambda a: list(linalg.qr(a)), TALL),
    "qr wide": (lambda a: list(linalg.qr(a)), TALL.T.copy()),
    "qr complex": (lambda a: list(linalg.qr(a)), complexified(TALL)),
    "qr complex wide": (lambda a: list(linalg.qr(a)), complexified(TALL.T)),
    "qr stack": (lambda a: list(linalg.qr(a)), np.stack([TALL, TALL[::-1] + 0.5])),
    "slogdet": (lambda a: list(linalg.slogdet(a)), SQUARE),
    "slogdet complex": (lambda a: list(linalg.slogdet(a)), complexified(SQUARE)),
    "cholesky complex": (linalg.cholesky, HERMITIAN + 2 * np.eye(3)),
}


@pytest.mark.parametrize("sizes", ["static", "unknown"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name: str, sizes: str) -> None:
    function, point = FUNCTIONS[name]
    check_grads(function, [point], sizes=sizes)


@pytest.mark.parametrize("case", ["tall", "wide", "square"])
def test_complex_svd(case: str) -> None:
    """With both factors in it, the product does not depend on the phases."""
    point = {"tall": TALL, "wide": TALL.T.copy(), "square": SQUARE}[case]

    def function(a: Any) -> Any:
        u, s, vh = linalg.svd(a, full_matrices=False)
        return [u @ (s[:, None] ** 2 * vh), s, u[:, :1] @ vh[:1]]

    check_grads(function, [complexified(point)])


@pytest.mark.parametrize("a", [SQUARE, TALL, TALL.T, np.zeros((0, 0)), np.zeros((2, 0, 3))])
def test_svd_values(a: np.ndarray[Any, Any]) -> None:
    (x,) = inputs_for([a], "unknown")
    for ours, theirs in zip(
        ga.function([x], list(linalg.svd(x, full_matrices=False)))(a),
        linalg.svd(a, full_matrices=False),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("a", [SQUARE, TALL, TALL.T, np.zeros((0, 3)), np.zeros((2, 3, 0))])
def test_qr_values(a: np.ndarray[Any, Any]) -> None:
    (x,) = inputs_for([a], "unknown")
    for ours, theirs in zip(ga.function([x], list(linalg.qr(x)))(a), linalg.qr(a), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("a", [SYMMETRIC, HERMITIAN, SQUARE.astype("float32"), np.zeros((0, 0))])
def test_eigh_and_slogdet_values(a: np.ndarray[Any, Any]) -> None:
    (x,) = inputs_for([a])
    computed = ga.function([x], [*linalg.eigh(x), *linalg.slogdet(x)])(a)
    for ours, theirs in zip(computed, [*linalg.eigh(a), *linalg.slogdet(a)], strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


# ---- conventions -----------------------------------------------------------------------------
def gradient(function: Callable[..., Any], point: Any) -> Any:
    x = ga.tensor("x", shape=np.shape(point))
    return ga.function([x], ga.grad(function(x), x))(np.asarray(point, float))


def test_norm_at_zero() -> None:
    zero = np.zeros((2, 2))
    for order in (None, "fro", 1, np.inf):
        assert np.isfinite(gradient(lambda x, o=order: linalg.norm(x, o), zero)).all()
    assert gradient(linalg.norm, zero).tolist() == [[0, 0], [0, 0]]
    assert gradient(lambda x: linalg.norm(x, 3, axis=0).sum(), zero).tolist() == [[0, 0], [0, 0]]
    np.testing.assert_allclose(gradient(linalg.norm, [3.0, 4.0]), [0.6, 0.8], rtol=1e-15)


def test_gradient_of_det_of_singular_matrices() -> None:
    rank_2 = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
    cofactors = [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]]
    np.testing.assert_allclose(gradient(linalg.det, rank_2), cofactors, atol=1e-13)
    rank_1 = np.ones((3, 3))
    np.testing.assert_allclose(gradient(linalg.det, rank_1), np.zeros((3, 3)), atol=1e-13)


def test_repeated_eigenvalues() -> None:
    """tr f(A) = Σ f(w) has the gradient f'(A), also with equal eigenvalues; so has V f(w) Vᵀ."""
    identity = np.eye(3)
    found = gradient(lambda a: (linalg.eigh(a)[0] ** 3).sum(), identity)
    np.testing.assert_allclose(found, 3 * identity, atol=1e-14)

    def rebuilt(a: Any) -> Any:
        w, v = linalg.eigh(a)
        return ((v * w) @ v.mT)[1, 0]

    # the element A[1, 0] itself, as eigh reads the lower triangle
    expected = [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(gradient(rebuilt, np.diag([1.0, 2.0, 4.0])), expected, atol=1e-14)
    assert np.isfinite(gradient(rebuilt, identity)).all()


def test_svd_of_rank_deficient_matrices() -> None:
    ones = np.ones((3, 2))
    found = gradient(lambda a: sum((x**2).sum() for x in linalg.svd(a, False)), ones)
    np.testing.assert_allclose(found, 2 * ones, atol=1e-14)  # Σ s² = Σ a², U and V have norm 1
    zero = gradient(lambda a: linalg.norm(a, "nuc"), np.zeros((2, 2)))
    assert np.isfinite(zero).all()


def test_only_one_triangle_is_read() -> None:
    lower = gradient(lambda a: linalg.cholesky(a).sum(), SYMMETRIC)
    assert (lower[np.triu_indices(3, 1)] == 0).all()
    upper = gradient(lambda a: linalg.cholesky(a, upper=True).sum(), SYMMETRIC)
    np.testing.assert_allclose(upper, lower.T, atol=1e-15)


def test_gradient_by_parameters_of_a_symmetric_matrix() -> None:
    check_grads(lambda b: linalg.cholesky(b @ b.mT + np.eye(3)), [SQUARE])
    check_grads(lambda b: linalg.solve(linalg.cholesky(b @ b.mT), b[:, 0]), [SQUARE])
    check_grads(lambda b: linalg.eigvalsh(b + b.mT), [SQUARE])


def test_masked_gradients_of_inverses() -> None:
    """Zeros that `where` puts into a cotangent stay zeros against an infinite inverse."""
    x = ga.tensor("x", shape=(2, 1, 1))
    kept = ga.where(np.array([True, False])[:, None, None], linalg.inv(x), 0.0)
    found = ga.function([x], ga.grad(kept.sum(), x))([[[2.0]], [[5e-324]]])
    assert found.ravel().tolist() == [-0.25, 0.0]


# ---- errors ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["inv", "solve"])
def test_singular_matrices_raise(name: str) -> None:
    a = ga.matrix("a", shape=(2, 2))
    y = linalg.inv(a) if name == "inv" else linalg.solve(a, np.ones(2))
    with pytest.raises(linalg.LinAlgError, match="Singular") as error:
        ga.function([a], y)(np.ones((2, 2)))
    assert "test_linalg.py:" in error.value.__notes__[0]
    with pytest.raises(linalg.LinAlgError):
        y.eval({a: np.ones((2, 2))})


@pytest.mark.parametrize("dtype", ["f", "d", "F", "D", "i"])
@pytest.mark.parametrize("n", [31, 32, 100])
@pytest.mark.parametrize("layout", ["C", "F", "reversed"])
def test_cholesky_of_large_matrices(dtype: str, n: int, layout: str) -> None:
    """As NumPy's, of the lower triangle alone, whoever computes it."""
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, size=(n, n)) + (
        1j * rng.integers(-3, 4, size=(n, n)) * (dtype in "FD")
    )
    full = (
        (x @ x.conj().T + n * np.eye(n)).real
        if dtype not in "FD"
        else x @ x.conj().T + n * np.eye(n)
    )
    a = full.astype(dtype)
    given = np.tril(a) if dtype == "i" else np.tril(a) + np.triu(np.full_like(a, np.nan), 1)
    given = np.array(given, order="F" if layout == "F" else "C")
    if layout == "reversed":
        given = given[::-1].copy()[::-1]
    variable = ga.matrix("a", shape=(n, n), dtype=dtype)
    found = ga.function([variable], linalg.cholesky(variable))(given)
    expected = np.linalg.cholesky(a)
    assert found.dtype == expected.dtype and np.array_equal(
        np.triu(found, 1), np.triu(expected, 1)
    )
    error = 1e-4 if dtype in "fF" else 1e-12
    np.testing.assert_allclose(found, expected, rtol=error, atol=error)


@pytest.mark.parametrize("n", [2, 40])
def test_cholesky_refuses(n: int) -> None:
    a = ga.matrix("a")
    f = ga.function([a], linalg.cholesky(a))
    for wrong in (-np.eye(n), np.eye(n) - 2.0 * (np.arange(n) == n - 1)):
        with pytest.raises(np.linalg.LinAlgError):
            f(wrong)
    unknown = np.full((n, n), np.nan)
    np.testing.assert_array_equal(f(unknown), np.linalg.cholesky(unknown))
    with pytest.raises(Exception, match="square"):
        f(np.ones((n, n + 1)))


def test_cholesky_of_an_indefinite_matrix_raises() -> None:
    a = ga.matrix("a")
    with pytest.raises(linalg.LinAlgError, match="positive definite") as error:
        ga.function([a], linalg.cholesky(a))(-np.eye(2))
    assert "test_linalg.py:" in error.value.__notes__[0]


@pytest.mark.parametrize("build", [
    lambda: linalg.inv(ga.matrix("a", shape=(2, 3))),
    lambda: linalg.inv(ga.matrix("a", shape=("n", "m"))),
    lambda: linalg.det(ga.vector("a")),
    lambda: linalg.solve(ga.matrix("a", shape=(2, 2)), ga.vector("b", shape=(3,))),
    lambda: linalg.solve(ga.matrix("a", shape=("n", "n")), ga.vector("b", shape=("m",))),
    lambda: linalg.eigh(ga.matrix("a", shape=(2, 1))),
])  # fmt: skip
def test_shapes_that_do_not_fit(build: Callable[[], Any]) -> None:
    with pytest.raises(ShapeError, match="test_linalg"):
        build()


def test_other_errors() -> None:
    a = ga.matrix("a", dtype="float16")
    with pytest.raises(DTypeError, match="float16"):
        linalg.inv(a)
    with pytest.raises(UseError, match="mode='x'"):
        linalg.qr(ga.matrix("a"), "x")
    with pytest.raises(UseError, match="UPLO"):
        linalg.eigh(ga.matrix("a"), "x")
    with pytest.raises(UseError, match="ord='fro'"):
        linalg.norm(ga.vector("a"), "fro")
    with pytest.raises(UseError, match="exponent"):
        linalg.matrix_power(ga.matrix("a"), 0.5)
