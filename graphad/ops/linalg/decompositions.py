"""Decompositions of matrices, batched: eigh, svd, qr.

Derivatives: M. B. Giles, "Collected matrix derivative results" (2008), section 3; M. Seeger et
al., "Auto-differentiating linear algebra" (2017); for complex matrices Z.-Q. Wan and S.-X. Zhang,
"Automatic differentiation for complex valued SVD" (2019); with transposes that are not conjugated,
since for complex arrays a gradient is ∂u/∂x - i·∂u/∂y.

Conventions: where two eigenvalues or singular values agree up to rounding, or a singular value is
0, the quotient that is not defined counts as 0: right for functions that do not depend on the
choice of vectors in the common space. Signs (complex: phases) of vectors are LAPACK's choice, and
only functions that do not depend on them have a meaningful derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.common import public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    conj,
    diagonal_matrix,
    diagonal_of,
    lapack_dtype,
    matrix_shape,
    real_dtype,
    reciprocal_or_zero,
    square_shape,
    triangle,
)
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import minimum
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.linalg.systems import definite, fold, regular

Rules = Sequence[Callable[[], Variable | None]]


def _gaps(s: Variable) -> Variable:
    """1 / (s_j - s_i), and 0 for equal ones."""
    scale = OPS["sum"](OPS["abs"](s), axis=-1, keepdims=True)[..., None]
    return reciprocal_or_zero(s[..., None, :] - s[..., :, None], scale)


def _total(terms: Sequence[Variable | None]) -> Variable | None:
    present = [t for t in terms if t is not None]
    return sum(present[1:], present[0]) if present else None


# ---- Hermitian eigenproblems -----------------------------------------------------------------
def _eigh_types(a: TensorType, UPLO: str) -> Sequence[TensorType]:
    stack, n = square_shape("eigh", a)
    dtype = lapack_dtype("eigh", a)
    return TensorType(real_dtype(dtype), (*stack, n)), TensorType(dtype, (*stack, n, n))


def _eigvalsh_types(a: TensorType, UPLO: str) -> Sequence[TensorType]:
    return _eigh_types(a, UPLO)[:1]


def _eigh_vjp(node: Apply, gs: Cotangents) -> Rules:
    """dw = diag K, dV = V (F∘K) with K = Vᴴ dH V, F_ij = 1/(w_j - w_i);
    H̄ = conj(V) (diag(w̄) + F∘(Vᵀ V̄)) Vᵀ."""
    w, v = node.outputs

    def to_a() -> Variable:
        to_w, to_v = gs
        inner = _total([
            None if to_w is None else diagonal_matrix(to_w),
            None if to_v is None else _gaps(w) * (v.mT @ to_v)])  # fmt: skip
        assert inner is not None
        return fold(conj(v) @ inner @ v.mT, node.op.params["UPLO"])

    return (to_a,)


def _eigvalsh_vjp(node: Apply, gs: Cotangents) -> Rules:
    """As of `eigh`: H̄ = conj(V) diag(w̄) Vᵀ."""
    g = gs[0]
    assert g is not None

    def to_a() -> Variable:
        v = _eigh(node.inputs[0], **node.op.params)[1]
        return fold((conj(v) * g[..., None, :]) @ v.mT, node.op.params["UPLO"])

    return (to_a,)


_eigh = MatrixOp(
    "eigh", types=_eigh_types, vjp=_eigh_vjp,
    value=lambda a, UPLO: tuple(np.linalg.eigh(a, UPLO)))  # fmt: skip
_eigvalsh = MatrixOp(
    "eigvalsh", types=_eigvalsh_types, vjp=_eigvalsh_vjp,
    value=lambda a, UPLO: np.linalg.eigvalsh(a, UPLO))  # fmt: skip


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Variable
    eigenvectors: Variable


def _uplo(name: str, given: str) -> str:
    if not isinstance(given, str) or given.upper() not in ("L", "U"):
        raise UseError(f"{name}: UPLO={given!r}", remedy='choose the triangle "L" or "U"')
    return given.upper()


def _observed_eigh(result: Any) -> Any:
    """The eigenvalues, and Σ i·v_i v_iᴴ, in which the signs of the vectors cancel."""
    w, v = result
    weights = np.cumsum(np.ones_like(w), axis=-1)
    return w, (v * weights[..., None, :]) @ np.conj(np.swapaxes(v, -1, -2))


@public(np.linalg.eigh, namespace="linalg", observe=_observed_eigh, samples=lambda rng: [
    *[Sample((definite(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((definite(rng, 3, 3),), {"UPLO": "U"})])  # fmt: skip
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Eigenvalues (…, n), ascending, and eigenvectors (…, n, n) in columns of Hermitian matrices.

    As ``np.linalg.eigh``, which reads one triangle only: the derivative by the other is 0. For
    repeated eigenvalues see the conventions of this module. Raises np.linalg.LinAlgError where
    the algorithm does not converge.

    >>> import numpy as np, graphad as ga
    >>> w, v = np.linalg.eigh(ga.constant([[2.0, 0.0], [0.0, 1.0]]))
    >>> w.eval(), v.type
    (array([1., 2.]), float64[2, 2])
    """
    return EighResult(*_eigh(a, UPLO=_uplo("eigh", UPLO)))


@public(np.linalg.eigvalsh, namespace="linalg", samples=lambda rng: [
    *[Sample((definite(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((definite(rng, 3, 3),), {"UPLO": "U"})])  # fmt: skip
def eigvalsh(a: Any, UPLO: str = "L") -> Variable:
    """Eigenvalues, ascending, of Hermitian matrices: (…, n, n) gives (…, n); see `eigh`.

    >>> import graphad as ga
    >>> ga.linalg.eigvalsh(ga.constant([[2.0, 0.0], [0.0, 1.0]])).eval()
    array([1., 2.])
    """
    return _eigvalsh(a, UPLO=_uplo("eigvalsh", UPLO))


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
    gaps = _gaps(OPS["square"](s))
    terms: list[Variable | None] = [None if to_s is None else diagonal_matrix(to_s)]
    if to_u is not None:
        turned = u.mT @ to_u
        x = gaps * turned
        terms.append((x + adjoint(x)) * s[..., None, :])
        if u.dtype.kind == "c":
            scale = OPS["sum"](s, axis=-1, keepdims=True)
            phase = OPS["imag"](diagonal_of(turned)) * reciprocal_or_zero(s, scale)
            terms.append(diagonal_matrix(1j * phase))
    if to_vh is not None:
        y = gaps * (conj(vh) @ adjoint(to_vh))
        terms.append(s[..., :, None] * (y + adjoint(y)))
    return _total(terms)


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
        return _total(terms)

    return (to_a,)


def _svdvals_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Ā = conj(U) diag(s̄) conj(Vᴴ)."""
    g = gs[0]
    assert g is not None

    def to_a() -> Variable:
        u, _, vh = _svd(node.inputs[0])
        return conj(u) @ (g[..., :, None] * conj(vh))

    return (to_a,)


_svd = MatrixOp(
    "svd", types=_svd_types, vjp=_svd_vjp,
    value=lambda a: tuple(np.linalg.svd(a, full_matrices=False)))  # fmt: skip
_svdvals = MatrixOp(
    "svdvals", types=_svdvals_types, vjp=_svdvals_vjp,
    value=lambda a: np.linalg.svd(a, compute_uv=False))  # fmt: skip


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Variable
    S: Variable
    Vh: Variable


def _observed_svd(result: Any) -> Any:
    """The singular values, and Σ i·u_i v_iᴴ, in which the signs of the vectors cancel."""
    if not isinstance(result, tuple):
        return result
    u, s, vh = result
    return s, (u * np.cumsum(np.ones_like(s), axis=-1)[..., None, :]) @ vh


@public(np.linalg.svd, namespace="linalg", observe=_observed_svd, samples=lambda rng: [
    *[Sample((regular(rng, *s),), {"full_matrices": False})
      for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((regular(rng, 3, 3)[:2],), {"full_matrices": False}),
    Sample((regular(rng, 2, 3, 3)[..., :2],), {"full_matrices": False}),
    Sample((regular(rng, 3, 3),), {"compute_uv": False})])  # fmt: skip
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, Vh) with a = U·diag(S)·Vh: (…, m, k), (…, k), (…, k, n) for (…, m, n), k = min(m, n).

    As ``np.linalg.svd`` with full_matrices=False, which has to be given unless the matrices are
    known to be square: the additional columns have no derivative. With compute_uv=False S alone.
    For equal and zero singular values see the conventions of this module. Raises UseError for
    full matrices, np.linalg.LinAlgError where the algorithm does not converge.

    >>> import numpy as np, graphad as ga
    >>> u, s, vh = np.linalg.svd(ga.matrix("a", shape=("n", 3)), full_matrices=False)
    >>> s.type
    float64[min(n, 3)]
    """
    variable = as_variable(a)
    if not compute_uv:
        return _svdvals(variable)
    _, rows, columns = matrix_shape("svd", variable.type)
    if full_matrices and rows != columns:
        raise UseError(
            f"svd with full_matrices=True of {variable.type}",
            cause="the columns that complete a basis are arbitrary, and have no derivative",
            remedy="pass full_matrices=False",
        )
    return SVDResult(*_svd(variable))


@public(np.linalg.svdvals, namespace="linalg", samples=lambda rng: [
    *[Sample((regular(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((regular(rng, 3, 3)[:2],)), Sample((regular(rng, 2, 3, 3)[..., :2],))])  # fmt: skip
def svdvals(x: Any) -> Variable:
    """Singular values, descending: (…, m, n) gives (…, min(m, n)), as ``np.linalg.svdvals``.

    The derivative at a singular value of 0 is that of the signed value LAPACK's vectors choose.

    >>> import graphad as ga
    >>> ga.linalg.svdvals(ga.constant([[0.0, 2.0], [3.0, 0.0]])).eval()
    array([3., 2.])
    """
    return _svdvals(x)


# ---- QR --------------------------------------------------------------------------------------
def _qr_types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("qr", a)
    dtype, k = lapack_dtype("qr", a), minimum(m, n)
    return TensorType(dtype, (*stack, m, k)), TensorType(dtype, (*stack, k, n))


def _tall_qr(q: Variable, r: Variable, to_q: Variable | None, to_r: Variable | None) -> Variable:
    """Ā = (Q̄ + conj(Q)·copy(triu(M))) R⁻ᵀ with M = R̄ Rᵀ - Qᵀ Q̄, for a square R;
    copy(X) = X + Xᴴ with the real part of the diagonal counted once. D. and L. Roberts,
    "QR and LQ decomposition matrix backpropagation algorithms" (2020)."""
    inner = _total([
        None if to_r is None else triangle(to_r, "less_equal") @ r.mT,
        None if to_q is None else -(q.mT @ to_q)])  # fmt: skip
    assert inner is not None
    upper = triangle(inner, "less_equal")
    middle = triangle(inner, "equal")
    middle = OPS["real"](middle) if middle.dtype.kind == "c" else middle
    copied = triangle(upper + adjoint(upper), "not_equal") + middle
    full = conj(q) @ copied
    full = full if to_q is None else full + to_q
    return OPS["linalg.solve"](r, full.mT).mT


def _qr_vjp(node: Apply, gs: Cotangents) -> Rules:
    """A = Q R. A wide A = (A1 A2) is A1 = Q R1, R2 = Qᴴ A2: R̄2 goes to A2, and through Q to A1."""
    (a,), (q, r), (to_q, to_r) = node.inputs, node.outputs, gs

    def to_a() -> Variable:
        count, columns = q.shape[-1], a.shape[-1]
        if count == columns:
            return _tall_qr(q, r, to_q, to_r)
        if to_r is None:
            first = _tall_qr(q, r[..., :count], to_q, None)
            return OPS["concatenate"]([first, OPS["zeros_like"](a[..., count:])], axis=-1)
        right = to_r[..., count:]
        through = conj(a[..., count:] @ right.mT)
        total = through if to_q is None else to_q + through
        first = _tall_qr(q, r[..., :count], total, to_r[..., :count])
        return OPS["concatenate"]([first, conj(q) @ right], axis=-1)

    return (to_a,)


_qr = MatrixOp(
    "qr", types=_qr_types, vjp=_qr_vjp, value=lambda a: tuple(np.linalg.qr(a)))  # fmt: skip


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Variable
    R: Variable


@public(np.linalg.qr, namespace="linalg", samples=lambda rng: [
    *[Sample((regular(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1)]],
    Sample((regular(rng, 3, 3)[:2],)), Sample((regular(rng, 2, 3, 3)[..., :2],)),
    Sample((regular(rng, 3, 3),), {"mode": "r"})])  # fmt: skip
def qr(a: Any, mode: str = "reduced") -> Any:
    """(Q, R) with a = Q·R, Q (…, m, k) with orthonormal columns, R (…, k, n) upper triangular.

    k = min(m, n), as ``np.linalg.qr``; mode "r" gives R alone, "complete" and "raw" raise
    UseError. Signs are LAPACK's choice. The derivative needs the first k columns to be
    independent: else it raises np.linalg.LinAlgError when it is computed.

    >>> import graphad as ga
    >>> q, r = ga.linalg.qr(ga.tensor("a", shape=("n", 4, 3)))
    >>> q.type, r.type
    (float64[n, 4, 3], float64[n, 3, 3])
    """
    if mode not in ("reduced", "r"):
        raise UseError(f"qr: mode={mode!r}", remedy='choose "reduced" or "r"')
    q, r = _qr(a)
    return r if mode == "r" else QRResult(q, r)
