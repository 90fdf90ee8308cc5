"""Linear algebra at the hard points: repeated and zero eigenvalues and singular values, singular
and empty matrices, bad matrices under a mask, results without a derivative; values written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import graphad as ga
from graphad.errors import GradientError, GraphadError, ShapeError, UseError
from graphad.testing.gradients import check_grads
from graphad.testing.samples import inputs_for

linalg = np.linalg  # on Variables, these build graph

RANK_2 = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
SQUARE = np.array([[2.0, 0.5, -1.0], [-0.75, 1.5, 0.25], [0.25, 1.0, 3.5]])
TALL = np.array([[2.0, 0.5], [-0.75, 1.5], [0.25, 1.0], [1.0, -0.5]])
SYMMETRIC = SQUARE + SQUARE.T


def gradient(function: Callable[..., Any], point: Any) -> Any:
    x = ga.tensor("x", shape=np.shape(point))
    slope = ga.grad(function(x), x, disconnected="zero")
    return ga.function([x], slope, unused="ignore")(np.asarray(point, float))


def close(found: Any, expected: Any, tolerance: float = 1e-13) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# ---- repeated eigenvalues and singular values -------------------------------------------------
def test_functions_of_repeated_eigenvalues() -> None:
    """tr f(A) = Σ f(w) has the gradient f'(A)."""
    a = np.diag([2.0, 2.0, 5.0])
    close(gradient(lambda a: linalg.eigvalsh(a).sum(), a), np.eye(3))
    close(gradient(lambda a: (linalg.eigvalsh(a) ** 2).sum(), a), 2 * a)
    close(gradient(lambda a: np.log(linalg.eigh(a)[0]).sum(), a), np.diag([0.5, 0.5, 0.2]))


def test_projection_on_an_eigenspace() -> None:
    """Of diag(2, 2, 5) the projection P on the space of 2 does not depend on the choice of its
    vectors; dP = Σ (P dA Q + Q dA P)/(2 - 5), Q = 1 - P."""

    def corner(a: Any) -> Any:
        v = linalg.eigh(a)[1][:, :2]
        return (v @ v.mT)[2, 0]

    expected = np.zeros((3, 3))
    expected[2, 0] = -1 / 3
    close(gradient(corner, np.diag([2.0, 2.0, 5.0])), expected)


def test_norms_of_equal_singular_values() -> None:
    close(gradient(lambda a: linalg.norm(a, "nuc"), np.eye(2)), np.eye(2))
    close(gradient(lambda a: linalg.norm(a, 2), np.eye(2)), np.eye(2) / 2)  # equal ones share
    close(gradient(lambda a: linalg.norm(a, "fro"), 2 * np.eye(2)), np.eye(2) / np.sqrt(2))
    turned = np.array([[0.0, 3.0], [-3.0, 0.0]])
    close(gradient(lambda a: linalg.norm(a, "nuc"), turned), turned / 3)


def test_norms_of_rank_deficient_matrices() -> None:
    """A singular value that is exactly 0 has derivative 0; one that is nearly 0 its own."""
    found = gradient(lambda a: linalg.norm(a, "nuc"), np.diag([2.0, 0.0]))
    close(found, np.diag([1.0, 0.0]))
    close(gradient(lambda a: linalg.norm(a, "nuc"), np.diag([2.0, 1e-30])), np.eye(2))
    close(gradient(lambda a: linalg.norm(a, 2), np.diag([2.0, 0.0])), np.diag([1.0, 0.0]))
    subgradient = gradient(lambda a: linalg.norm(a, "nuc"), np.ones((3, 2)))
    assert np.linalg.norm(subgradient, 2) < 1 + 1e-12  # which makes it one
    close(np.sum(subgradient), np.sqrt(6.0))


@pytest.mark.parametrize("order", [None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf])
def test_norms_at_zero(order: Any) -> None:
    assert gradient(lambda a: linalg.norm(a, order), np.zeros((2, 3))).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("order", [2, 1, 0, 3, 0.5, np.inf, -np.inf])
def test_norms_of_zero_vectors(order: Any) -> None:
    found = gradient(lambda x: linalg.vector_norm(x, ord=order), np.zeros(2))
    assert found.tolist() == [0, 0]
    corner = gradient(lambda x: linalg.vector_norm(x, ord=order), [0.0, 4.0])
    close(corner, [0, order not in (0, -np.inf)])


def test_eigenvalues_of_a_defective_matrix() -> None:
    """Jordan's block: one eigenvector only, no derivative, but values."""
    a = ga.matrix("a", shape=(2, 2))
    jordan = np.array([[1.0, 1.0], [0.0, 1.0]])
    close(ga.function([a], linalg.eigvals(a))(jordan), [1, 1])


def test_complex_eigenvalues_of_a_real_matrix() -> None:
    """[[p, -q], [q, p]] has the eigenvalues p ± iq."""
    a = np.array([[3.0, -2.0], [2.0, 3.0]])
    close(gradient(lambda a: linalg.eigvals(a)[0].real, a), np.eye(2) / 2)
    turn = gradient(lambda a: abs(linalg.eigvals(a).imag).sum(), a)
    close(turn, [[0, -1], [1, 0]])


# ---- singular matrices ------------------------------------------------------------------------
@pytest.mark.parametrize("a", [RANK_2, np.ones((3, 3)), np.zeros((2, 2)), np.zeros((3, 3))])
def test_derivatives_of_det_of_singular_matrices(a: np.ndarray[Any, Any]) -> None:
    check_grads(linalg.det, [a], order=2)
    check_grads(linalg.det, [a + 0j], order=2)


def test_hessian_of_det() -> None:
    """det [[p, q], [r, s]] = ps - qr."""
    x = ga.matrix("x", shape=(2, 2))
    found = ga.hessian(linalg.det(x), x).eval({x: np.ones((2, 2))}).reshape(4, 4)
    close(found, [[0, 0, 0, 1], [0, 0, -1, 0], [0, -1, 0, 0], [1, 0, 0, 0]])


def test_slogdet_of_a_singular_matrix() -> None:
    x = ga.matrix("x", shape=(2, 2))
    sign, logdet = ga.function([x], list(linalg.slogdet(x)))(np.ones((2, 2)))
    assert (sign, logdet) == (0, -np.inf)
    assert np.isnan(gradient(lambda a: linalg.slogdet(a)[1], np.ones((2, 2)))).all()


def test_pinv_at_constant_rank() -> None:
    """(u vᵀ)⁺ = v uᵀ/(u² v²)."""
    u, v = np.array([1.0, 2.0, -1.0]), np.array([3.0, 1.0])

    def by_pinv(u: Any, v: Any) -> Any:
        return linalg.pinv(ga.outer(u, v), rtol=1e-8)

    def by_hand(u: Any, v: Any) -> Any:
        return ga.outer(v, u) / ((u**2).sum() * (v**2).sum())

    check_grads(by_pinv, [u, v])
    results = [ga.function(xs := inputs_for([u, v]), ga.jacobian(f(*xs), xs))(u, v)
               for f in (by_pinv, by_hand)]  # fmt: skip
    for one, other in zip(*results, strict=True):
        close(one, other)
    assert gradient(lambda a: linalg.pinv(a).sum(), np.zeros((2, 3))).tolist() == [[0] * 3] * 2


def test_least_squares() -> None:
    """A line through three points; the shortest solution of x + y = 2."""
    a, b = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([0.0, 1.0, 5.0])
    variables = inputs_for([a, b])
    x, residuals, rank, _ = linalg.lstsq(*variables)
    line, off, full = ga.function(variables, [x, residuals, rank])(a, b)
    close(line, [-0.5, 2.5])
    close(off, [1.5])
    assert full == 2
    by_b = ga.function(variables, ga.jacobian(x, variables[1]), unused="ignore")(a, b)
    close(by_b, np.linalg.pinv(a))
    check_grads(lambda a, b: list(linalg.lstsq(a, b))[::3], [a, b])
    short = linalg.lstsq(ga.constant([[1.0, 1.0]]), np.array([2.0]))
    close(short.x.eval(), [1, 1])
    assert short.residuals.eval().shape == (0,) and int(short.rank.eval()) == 1
    # x = aᵀ b/a², by a: b/a² - 2 a (aᵀ b)/a⁴ = (0, -1) for the first element
    wide = gradient(lambda a: linalg.lstsq(a, np.array([2.0])).x[0], [[1.0, 1.0]])
    close(wide, [[0, -1]])


def test_least_squares_at_constant_rank() -> None:
    u, v, b = np.array([1.0, 2.0, -1.0]), np.array([3.0, 1.0]), np.array([1.0, 0.5, 2.0])

    def solution(u: Any, v: Any, b: Any) -> Any:
        return linalg.lstsq(ga.outer(u, v), b, 1e-8).x

    check_grads(solution, [u, v, b])
    check_grads(solution, [u + 0.5j, v - 1j * v[::-1], b + 0j])
    close(solution(*map(ga.constant, (u, v, b))).eval(), 0.0 * v)  # u·b = 0


def test_cholesky_of_a_nearly_singular_matrix() -> None:
    found = gradient(lambda a: linalg.cholesky(a).sum(), np.diag([4.0, 1e-12]))
    close(found[1, 1], 5e5)  # dL/da = 1/(2√a)
    close(found[0, 0], 0.25)


# ---- no elements ------------------------------------------------------------------------------
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "inv": linalg.inv, "det": linalg.det, "slogdet": linalg.slogdet, "cholesky": linalg.cholesky,
    "eigh": linalg.eigh, "eigvalsh": linalg.eigvalsh, "eig": linalg.eig, "qr": linalg.qr,
    "eigvals": linalg.eigvals, "svdvals": linalg.svdvals, "pinv": linalg.pinv,
    "svd": lambda a: linalg.svd(a, False),
    "solve": lambda a: linalg.solve(a, a), "norm": lambda a: linalg.norm(a, axis=(-2, -1)),
    "rank": lambda a: linalg.matrix_rank(a, tol=1e-3) * 1.0,
}  # fmt: skip


@pytest.mark.parametrize("shape", [(0, 0), (0, 2, 2), (2, 0, 0)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_arrays_without_elements(name: str, shape: tuple[int, ...]) -> None:
    function, empty = FUNCTIONS[name], np.zeros(shape)
    for sizes in ("static", "unknown"):
        (x,) = inputs_for([empty], sizes)
        results = ga.tree.flatten(function(x))[0]
        slopes = [ga.grad(y.real.sum() if y.dtype.kind == "c" else y.sum(), x, disconnected="zero")
                  for y in results]  # fmt: skip
        found = ga.function([x], [*results, *slopes])(empty)
        expected = [np.shape(y) for y in ga.tree.flatten(function(empty))[0]]
        assert [np.shape(y) for y in found] == [*expected, *[shape] * len(results)]


# ---- bad matrices under a mask ----------------------------------------------------------------
BAD = {"nan": np.full((3, 3), np.nan), "one nan": np.where(np.eye(3) > 0, np.nan, SQUARE)}
MASKED: dict[str, Callable[[Any], Any]] = {
    "inv": lambda a: linalg.inv(a).sum(axis=(1, 2)),
    "solve": lambda a: linalg.solve(a, np.arange(6.0).reshape(3, 2)).sum(axis=(1, 2)),
    "det": linalg.det,
    "logdet": lambda a: linalg.slogdet(a)[1],
    "trace": lambda a: np.trace(linalg.inv(a) @ a @ a, axis1=1, axis2=2),
}


def derivatives(f: Callable[[Any], Any], mask: Any, a: Any, good: Any) -> list[Any]:
    """Gradient, and Hessian times a direction, of what the mask leaves."""
    x = ga.tensor("x", shape=a.shape)
    y = ga.where(mask, f(x), 0.0).sum()
    slope = ga.grad(y, x)
    more = ga.grad((slope * np.where(good[:, None, None], 1.5, 0.0)).sum(), x)
    return ga.function([x], [slope, more])(a)


# NumPy raises LinAlgError for the inverse of a singular matrix, so that nothing is left to mask
PAIRS = [*[(name, bad) for name in MASKED for bad in BAD], ("det", "ones"), ("logdet", "ones")]


@pytest.mark.parametrize(("name", "bad"), PAIRS)
def test_a_bad_matrix_under_a_mask(name: str, bad: str) -> None:
    """The derivatives by the other matrices are as if it were not there."""
    mask = np.array([True, False, True])
    poison = np.ones((3, 3)) if bad == "ones" else BAD[bad]
    stacks = [np.stack([SQUARE, middle, SYMMETRIC]) for middle in (poison, SQUARE)]
    results = [derivatives(MASKED[name], mask, a, mask) for a in stacks]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
        assert (one[1] == 0).all()


def test_a_bad_matrix_and_a_common_right_hand_side() -> None:
    """Nothing of it reaches the right-hand side that all systems share."""
    a, b = np.stack([SQUARE, BAD["nan"]]), np.array([[1.0], [2.0], [3.0]])
    x, y = inputs_for([a, b])
    kept = ga.where(np.array([True, False])[:, None, None], linalg.solve(x, y), 0.0)
    found = ga.function([x, y], ga.grad(kept.sum(), y), unused="ignore")(a, b)
    close(found, np.linalg.solve(SQUARE.T, np.ones((3, 1))))


# ---- results without a derivative -------------------------------------------------------------
def test_full_matrices() -> None:
    a = ga.matrix("a", shape=TALL.shape)
    u, s, vh = linalg.svd(a)
    for ours, theirs in zip(ga.function([a], [u, s, vh])(TALL), linalg.svd(TALL), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    close(ga.function([a], ga.grad(s.sum(), a))(TALL),
          gradient(lambda a: linalg.norm(a, "nuc"), TALL))  # fmt: skip
    with pytest.raises(GradientError, match="full_matrices=False"):
        ga.grad(u.sum(), a)
    with pytest.raises(GradientError, match="full_matrices=False"):
        ga.jvp(vh, a, a)
    check_grads(lambda a: [x**2 for x in linalg.svd(a)], [SQUARE])  # nothing is completed


def test_modes_of_qr() -> None:
    a = ga.matrix("a", shape=TALL.shape)
    for mode in ("complete", "raw"):
        results = linalg.qr(a, mode)
        for ours, theirs in zip(
            ga.function([a], list(results))(TALL), linalg.qr(TALL, mode), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
        with pytest.raises(GradientError, match=f'mode="{mode}"'):
            ga.grad(results[0].sum(), a)
        with pytest.raises(GradientError, match=f'mode="{mode}"'):
            ga.jvp(results[0], a, a)
    weights = np.arange(8.0).reshape(4, 2)
    found = gradient(lambda a: (linalg.qr(a, "complete")[1] * weights).sum(), TALL)
    close(found, gradient(lambda a: (linalg.qr(a)[1] * weights[:2]).sum(), TALL))
    for point in (SQUARE, TALL.T.copy()):  # nothing is completed
        check_grads(lambda a: list(linalg.qr(a, "complete")), [point])


# ---- the generalised problem ------------------------------------------------------------------
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_generalised_eigenvalues(uplo: str) -> None:
    b = SYMMETRIC[::-1, ::-1] + 2 * np.eye(3)

    def observed(a: Any, b: Any) -> Any:
        w, v = ga.linalg.eigh(a, uplo, b=b)
        return [w, (v * np.array([1.0, 2.0, 3.0])) @ v.mT]

    variables = inputs_for([SYMMETRIC, b])
    found = ga.function(variables, observed(*variables))(SYMMETRIC, b)
    w, v = scipy.linalg.eigh(SYMMETRIC, b)
    close(found[0], w)
    close(found[1], (v * np.array([1.0, 2.0, 3.0])) @ v.T)
    check_grads(observed, [SYMMETRIC, b])


# ---- errors -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("build", "kind", "text"), [
    (lambda: linalg.lstsq(ga.tensor("a", (2, 3, 3)), np.ones(3)), ShapeError, "pinv"),
    (lambda: linalg.lstsq(ga.matrix("a", (4, 3)), np.ones(3)), ShapeError, "4 against 3"),
    (lambda: linalg.lstsq(ga.matrix("a"), np.ones(3), "x"), UseError, "rcond='x'"),
    (lambda: ga.linalg.pinv(ga.matrix("a"), 0.1, rtol=0.1), UseError, "rcond= and rtol="),
    (lambda: ga.linalg.matrix_rank(ga.matrix("a"), 0.1, rtol=0.1), UseError, "tol= and rtol="),
    (lambda: linalg.pinv(ga.matrix("a", (4, 3)), hermitian=True), ShapeError, "not equal"),
    (lambda: linalg.svd(ga.matrix("a", (4, 3)), hermitian=True), ShapeError, "not equal"),
    (lambda: linalg.eig(ga.matrix("a", ("n", "m"))), ShapeError, "not equal"),
])  # fmt: skip
def test_errors(build: Callable[[], Any], kind: type[GraphadError], text: str) -> None:
    with pytest.raises(kind, match=text):
        build()


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_small_determinants_of_a_stack(n: int, dtype: str) -> None:
    """Integers small enough for exact results; whether a stack or one by one, singular or not."""
    rng = np.random.default_rng(n)
    stack = rng.integers(-4, 5, size=(4, 5, n, n)).astype(dtype)
    if dtype == "complex128":
        stack = stack + 1j * rng.integers(-4, 5, size=stack.shape)
    stack[1, :, 1] = 2 * stack[1, :, 0]  # singular
    x = ga.tensor("x", (4, 5, n, n), dtype)
    y = ga.tensor("y", (n, n), dtype)
    real = (lambda v: v.real) if dtype == "complex128" else (lambda v: v)
    value, slope = ga.function([x], [linalg.det(x), ga.grad(real(linalg.det(x)).sum(), x)])(stack)
    one = ga.function([y], [linalg.det(y), ga.grad(real(linalg.det(y)), y)])
    near = 1e-12 if dtype != "float32" else 1e-4
    for place in np.ndindex(4, 5):
        alone, its_slope = one(stack[place])
        np.testing.assert_allclose(value[place], alone, atol=near * 100, rtol=0)
        np.testing.assert_allclose(slope[place], its_slope, atol=near * 100, rtol=0)
    assert (value[1] == 0).all()


def test_small_determinants_that_are_not_finite() -> None:
    x = ga.tensor("x", (3, 2, 2))
    bad = np.stack([np.eye(2), [[np.nan, 1.0], [0.0, 1.0]], [[2.0, 1.0], [1.0, 3.0]]])
    value, slope = ga.function([x], [linalg.det(x), ga.grad(linalg.det(x).sum(), x)])(bad)
    np.testing.assert_array_equal(value, [1, np.nan, 5])
    np.testing.assert_array_equal(slope[0], np.eye(2))
    assert np.isnan(slope[1]).all()
    np.testing.assert_array_equal(slope[2], [[3, -1], [-1, 2]])
