"""Singular values, batched: svd, svdvals, matrix_rank.

Derivatives: M. B. Giles, "Collected matrix derivative results" (2008), section 3.2; for complex
matrices Z.-Q. Wan and S.-X. Zhang, "Automatic differentiation for complex valued SVD" (2019); with
transposes that are not conjugated, since for complex arrays a gradient is ∂u/∂x - i·∂u/∂y.

Conventions: where two singular values agree up to rounding, or one is 0, the quotient that is not
defined counts as 0: right for functions of the singular values (nuclear norm, spectral norm), and
of projections on whole singular spaces. A singular value that is exactly 0 has derivative 0, as
|x| has at 0. Signs (complex: phases) of vectors are LAPACK's choice: only functions that do not
depend on them have a meaningful derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import GradientError, UseError
from graphad.ir.families.common import add_up, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    conj,
    diagonal_matrix,
    diagonal_of,
    gaps,
    lapack_dtype,
    matrix_shape,
    real_dtype,
    reciprocal_or_zero,
    square_shape,
)
from graphad.ir.families.reduction import Reduction
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import minimum
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.extrema import extremum_vjp
from graphad.ops.linalg.systems import definite, regular

Rules = Sequence[Callable[[], Variable | None]]

largest = Reduction(  # of numbers ≥ 0, and 0 if there are none
    "largest", lambda xp, x, axis, keepdims: xp.max(x, axis=axis, keepdims=keepdims, initial=0),
    vjp=extremum_vjp)  # fmt: skip


# ---- singular values -------------------------------------------------------------------------
def _svd_types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("svd", a)
    dtype, k = lapack_dtype("svd", a), minimum(m, n)
    shapes = ((*stack, m, k), (*stack, k), (*stack, k, n))
    dtypes = (dtype, real_dtype(dtype), dtype)
    return tuple([TensorType(d, s) for d, s in zip(dtypes, shapes, strict=True)])


def _svdvals_types(a: TensorType) -> Sequence[TensorType]:
    return _svd_types(a)[1:2]


def _svd_core(u: Variable, s: Variable, vh: Variable, gs: Cotangents) -> Variable | None:
    """P̄ for dP = Uᴴ dA V. With F_ij = 1/(s_j² - s_i²): dU = U (F∘(dP S + S dPᴴ)) + …,
    dV = V (F∘(S dP + dPᴴ S)) + …, ds = diag dP; for complex dP the phase is put on U."""
    to_u, to_s, to_vh = gs
    quotients = gaps(OPS["square"](s))
    terms: list[Variable | None] = [
        None if to_s is None else diagonal_matrix(to_s * OPS["sign"](s))
    ]
    if to_u is not None:
        turned = u.mT @ to_u
        x = quotients * turned
        terms.append((x + adjoint(x)) * s[..., None, :])
        if u.dtype.kind == "c":
            scale = OPS["sum"](s, axis=-1, keepdims=True)
            phase = OPS["imag"](diagonal_of(turned)) * reciprocal_or_zero(s, scale)
            terms.append(diagonal_matrix(1j * phase))
    if to_vh is not None:
        y = quotients * (conj(vh) @ adjoint(to_vh))
        terms.append(s[..., :, None] * (y + adjoint(y)))
    return add_up(terms)


def _svd_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Ā = conj(U) P̄ conj(Vᴴ), and what turns the spaces of U and V:
    (Ū - conj(U) Uᵀ Ū) S⁻¹ conj(Vᴴ)  +  conj(U) S⁻¹ (V̄ᴴ - V̄ᴴ V conj(Vᴴ)) (V̄ᴴ: of the output)."""
    u, s, vh = node.outputs
    to_u, _, to_vh = gs

    def to_a() -> Variable | None:
        core = _svd_core(u, s, vh, gs)
        inverse = reciprocal_or_zero(s, OPS["sum"](s, axis=-1, keepdims=True))
        terms = [None if core is None else conj(u) @ core @ conj(vh)]
        if to_u is not None and u.shape[-2] != u.shape[-1]:
            outside = to_u - conj(u) @ (u.mT @ to_u)
            terms.append((outside * inverse[..., None, :]) @ conj(vh))
        if to_vh is not None and vh.shape[-2] != vh.shape[-1]:
            outside = to_vh - (to_vh @ vh.mT) @ conj(vh)
            terms.append(conj(u) @ (inverse[..., :, None] * outside))
        return add_up(terms)

    return (to_a,)


def _svd_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """dS = diag dP;  dU = U (F∘(dP S + S dPᴴ)) + (1 - U Uᴴ) dA V S⁻¹,
    dV = V (F∘(S dP + dPᴴ S)) + (1 - V Vᴴ) dAᴴ U S⁻¹; see `_svd_core`."""
    (u, s, vh), t = node.outputs, ts[0]
    assert t is not None
    uh, v = adjoint(u), adjoint(vh)
    p = uh @ t @ v
    q, row, quotients = adjoint(p), s[..., None, :], gaps(OPS["square"](s))
    inverse = reciprocal_or_zero(s, OPS["sum"](s, axis=-1, keepdims=True))
    turn_u = quotients * (p * row + row.mT * q)
    turn_v = quotients * (row.mT * p + q * row)
    middle = diagonal_of(p)
    if u.dtype.kind == "c":
        turn_u = turn_u + diagonal_matrix(1j * OPS["imag"](middle) * inverse)
        middle = OPS["real"](middle)
    to_u, to_v = u @ turn_u, v @ turn_v
    if u.shape[-2] != u.shape[-1]:
        side = t @ v
        to_u = to_u + (side - u @ (uh @ side)) * inverse[..., None, :]
    if vh.shape[-2] != vh.shape[-1]:
        side = adjoint(t) @ u
        to_v = to_v + (side - v @ (vh @ side)) * inverse[..., None, :]
    return to_u, middle * OPS["sign"](s), adjoint(to_v)


def _from_values(a: Variable, g: Variable) -> Variable:
    """Ā = conj(U) diag(s̄) conj(Vᴴ)."""
    u, s, vh = _svd(a)
    return conj(u) @ ((g * OPS["sign"](s))[..., :, None] * conj(vh))


def _svdvals_vjp(node: Apply, gs: Cotangents) -> Rules:
    (a,), g = node.inputs, gs[0]
    assert g is not None
    return (lambda: _from_values(a, g),)


def _svdvals_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """ds_i = Re u_iᴴ dA v_i."""
    (u, s, vh), t = _svd(node.inputs[0]), ts[0]
    assert t is not None
    moved = OPS["sum"](conj(u) * (t @ adjoint(vh)), axis=-2)
    return ((OPS["real"](moved) if u.dtype.kind == "c" else moved) * OPS["sign"](s),)


# ---- full matrices: the columns that complete a basis ------------------------------------------
def _full_types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("svd", a)
    dtype, k = lapack_dtype("svd", a), minimum(m, n)
    shapes = ((*stack, m, m), (*stack, k), (*stack, n, n))
    dtypes = (dtype, real_dtype(dtype), dtype)
    return tuple([TensorType(d, s) for d, s in zip(dtypes, shapes, strict=True)])


def _no_derivative(a: Variable) -> GradientError:
    return GradientError(
        f"the derivative of svd(…, full_matrices=True) of {a.type}, by U or Vh",
        cause="the columns that complete a basis are arbitrary, and have no derivative",
        remedy="pass full_matrices=False",
    )


def _full_vjp(node: Apply, gs: Cotangents) -> Rules:
    (a,), (to_u, to_s, to_vh) = node.inputs, gs
    if to_s is None or to_u is not None or to_vh is not None:
        raise _no_derivative(a)
    return (lambda: _from_values(a, to_s),)


def _full_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    raise _no_derivative(node.inputs[0])


_svd = MatrixOp(
    "svd", types=_svd_types, vjp=_svd_vjp, jvp=_svd_jvp,
    value=lambda a: tuple(np.linalg.svd(a, full_matrices=False)))  # fmt: skip
_svdvals = MatrixOp(
    "svdvals", types=_svdvals_types, vjp=_svdvals_vjp, jvp=_svdvals_jvp,
    value=lambda a: np.linalg.svd(a, compute_uv=False))  # fmt: skip
_svd_full = MatrixOp(
    "svd_full", types=_full_types, vjp=_full_vjp, jvp=_full_jvp,
    value=lambda a: tuple(np.linalg.svd(a)))  # fmt: skip


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Variable
    S: Variable
    Vh: Variable


def _indefinite(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A Hermitian matrix with a negative eigenvalue."""
    x = definite(rng, 3, 3)
    x[1, 1] *= -1.0
    return x


def _observed_svd(result: Any) -> Any:
    """The singular values, and Σ i·u_i v_iᴴ, in which the signs of the vectors cancel."""
    if not isinstance(result, tuple):
        return result
    u, s, vh = result
    return s, (u * np.cumsum(np.ones_like(s), axis=-1)[..., None, :]) @ vh


def _hermitian_values(a: Variable) -> Variable:
    return -OPS["sort"](-OPS["abs"](OPS["linalg.eigvalsh"](a)), axis=-1)


def _hermitian_svd(a: Variable) -> SVDResult:
    """From the eigenvalues: s = |w|, descending, and V with the signs of w."""
    w, v = OPS["linalg.eigh"](a)
    order = OPS["argsort"](-OPS["abs"](w), axis=-1, kind="stable")
    s = OPS["take_along_axis"](w, order, axis=-1)
    u = OPS["take_along_axis"](v, order[..., None, :], axis=-1)
    return SVDResult(u, OPS["abs"](s), adjoint(u * OPS["sign"](s)[..., None, :]))


@public(np.linalg.svd, namespace="linalg", observe=_observed_svd, samples=lambda rng: [
    *[Sample((regular(rng, *s),), {"full_matrices": False})
      for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((regular(rng, 3, 3)[:2],), {"full_matrices": False}),
    Sample((regular(rng, 2, 3, 3)[..., :2],), {"full_matrices": False}),
    Sample((regular(rng, 3, 3),), {"compute_uv": False}),
    *[Sample((_indefinite(rng),), {"hermitian": True, "compute_uv": uv}) for uv in (True, False)],
])  # fmt: skip
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """(U, S, Vh) with a = U·diag(S)·Vh: (…, m, k), (…, k), (…, k, n) for (…, m, n), k = min(m, n).

    As ``np.linalg.svd``. full_matrices: U (…, m, m) and Vh (…, n, n); the columns that complete
    the bases are arbitrary, so the derivative by U and Vh raises GradientError unless the matrices
    are known to be square. With compute_uv=False S alone. hermitian: `a` is Hermitian, only its
    lower triangle is read. For equal and zero singular values see the conventions of this module.
    Raises np.linalg.LinAlgError where the algorithm does not converge.

    >>> import numpy as np, graphad as ga
    >>> u, s, vh = np.linalg.svd(ga.matrix("a", shape=("n", 3)), full_matrices=False)
    >>> s.type
    float64[min(n, 3)]
    """
    variable = as_variable(a)
    _, rows, columns = matrix_shape("svd", variable.type)
    if hermitian:
        square_shape("svd", variable.type)
        return _hermitian_svd(variable) if compute_uv else _hermitian_values(variable)
    if not compute_uv:
        return _svdvals(variable)
    return SVDResult(*(_svd_full if full_matrices and rows != columns else _svd)(variable))


@public(np.linalg.svdvals, namespace="linalg", samples=lambda rng: [
    *[Sample((regular(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((regular(rng, 3, 3)[:2],)), Sample((regular(rng, 2, 3, 3)[..., :2],))])  # fmt: skip
def svdvals(x: Any) -> Variable:
    """Singular values, descending: (…, m, n) gives (…, min(m, n)), as ``np.linalg.svdvals``.

    The derivative of a singular value that is exactly 0 is 0.

    >>> import graphad as ga
    >>> ga.linalg.svdvals(ga.constant([[0.0, 2.0], [3.0, 0.0]])).eval()
    array([3., 2.])
    """
    return _svdvals(x)


# ---- rank ------------------------------------------------------------------------------------
def _deficient(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    x = np.round(regular(rng, 2, 3, 3), 1)
    x[1, 2] = x[1, 0] - x[1, 1]
    return x


def _rank_reference(A: Any, tol: Any = None, hermitian: bool = False, **keywords: Any) -> Any:
    """NumPy's, and 0 of matrices without elements, which some versions refuse."""
    rows, columns = (1, 1, *np.shape(A))[-2:]
    if hermitian and rows != columns:
        raise np.linalg.LinAlgError("hermitian=True is for square matrices")
    if np.ndim(A) > 1 and 0 in (rows, columns):
        return np.zeros(np.broadcast_shapes(np.shape(A)[:-2], np.shape(tol)), int)
    return np.linalg.matrix_rank(A, tol, hermitian, **keywords)


@public(np.linalg.matrix_rank, namespace="linalg", differentiable=False,
        reference=_rank_reference, samples=lambda rng: [
    Sample((_deficient(rng),)), Sample((_deficient(rng)[1, :, :2],)), Sample((np.zeros((2, 2)),)),
    Sample((_deficient(rng),), {"tol": 3.0}), Sample((rng.normal(size=3),)),
    Sample((np.zeros(2),)), Sample((_deficient(rng),), {"rtol": 0.5}),
    Sample((_deficient(rng),), {}, {"tol": np.array([0.5, 10.0])}),
    Sample((_indefinite(rng),), {"hermitian": True})])  # fmt: skip
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Variable:
    """How many singular values are larger than `tol`: (…, m, n) gives integers (…).

    As ``np.linalg.matrix_rank``: tol (or rtol times the largest) may be an array (…); None:
    max(m, n)·ε times the largest. hermitian: only the lower triangle is read. A vector has rank 1
    if an element is not 0. Raises UseError for both `tol` and `rtol`.

    >>> import graphad as ga
    >>> int(ga.linalg.matrix_rank(ga.constant([[1.0, 2.0], [2.0, 4.0]])).eval())
    1
    """
    if tol is not None and rtol is not None:
        raise UseError("matrix_rank: tol= and rtol= are given", remedy="give one of them")
    variable = as_variable(A)
    if variable.ndim < 2:
        return OPS["any"](variable != 0).astype("int64")
    s = svd(variable, compute_uv=False, hermitian=hermitian)
    if tol is None:
        if rtol is None:
            eps = np.finfo(s.dtype).eps
            rtol = OPS["maximum"](*[as_variable(n) for n in variable.shape[-2:]]) * eps
        bound = largest(s, axis=(s.ndim - 1,), keepdims=True) * as_variable(rtol)[..., None]
    else:
        bound = as_variable(tol)[..., None]
    return OPS["count_nonzero"](s > bound, axis=-1)
