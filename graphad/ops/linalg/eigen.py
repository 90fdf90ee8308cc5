"""Eigenvalues and eigenvectors, batched: eigh and eigvalsh of Hermitian matrices, eig, eigvals.

Derivatives: M. B. Giles, "Collected matrix derivative results" (2008), section 3.1; with
transposes that are not conjugated, since for complex arrays a gradient is ∂u/∂x - i·∂u/∂y.

Conventions: where two eigenvalues agree up to rounding, the quotient 1/(w_j - w_i) counts as 0.
That is right for functions of the eigenvalues (their sum, tr f(A)) and for functions of
projections on whole eigenspaces. It is not for a function of A written as V f(w) Vᴴ, of which the
quotient would be f'(w): see `ga.linalg.expm`, `ga.linalg.sqrtm` for such. Signs (complex: phases)
of vectors are LAPACK's choice: only functions that do not depend on them have a meaningful
derivative.
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
    fold,
    gaps,
    lapack_dtype,
    real_dtype,
    square_shape,
    total,
    unfold,
)
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.linalg.systems import definite, regular

Rules = Sequence[Callable[[], Variable | None]]


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
        inner = total([
            None if to_w is None else diagonal_matrix(to_w),
            None if to_v is None else gaps(w) * (v.mT @ to_v)])  # fmt: skip
        return fold(conj(v) @ inner @ v.mT, node.op.params["UPLO"])

    return (to_a,)


def _real_diagonal(k: Variable) -> Variable:
    found = diagonal_of(k)
    return OPS["real"](found) if found.dtype.kind == "c" else found


def _eigh_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    (w, v), t = node.outputs, ts[0]
    assert t is not None
    k = adjoint(v) @ unfold(t, node.op.params["UPLO"]) @ v
    return _real_diagonal(k), v @ (gaps(w) * k)


def _eigvalsh_vjp(node: Apply, gs: Cotangents) -> Rules:
    """As of `eigh`: H̄ = conj(V) diag(w̄) Vᵀ."""
    g = gs[0]
    assert g is not None

    def to_a() -> Variable:
        v = _eigh(node.inputs[0], **node.op.params)[1]
        return fold((conj(v) * g[..., None, :]) @ v.mT, node.op.params["UPLO"])

    return (to_a,)


def _eigvalsh_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """dw_i = v_iᴴ dH v_i."""
    v, t = _eigh(node.inputs[0], **node.op.params)[1], ts[0]
    assert t is not None
    moved = conj(v) * (unfold(t, node.op.params["UPLO"]) @ v)
    return (OPS["sum"](OPS["real"](moved) if v.dtype.kind == "c" else moved, axis=-2),)


_eigh = MatrixOp(
    "eigh", types=_eigh_types, vjp=_eigh_vjp, jvp=_eigh_jvp,
    value=lambda a, UPLO: tuple(np.linalg.eigh(a, UPLO)))  # fmt: skip
_eigvalsh = MatrixOp(
    "eigvalsh", types=_eigvalsh_types, vjp=_eigvalsh_vjp, jvp=_eigvalsh_jvp,
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
def eigh(a: Any, UPLO: str = "L", *, b: Any = None) -> EighResult:
    """Eigenvalues (…, n), ascending, and eigenvectors (…, n, n) in columns of Hermitian matrices.

    As ``np.linalg.eigh``, which reads one triangle only: the derivative by the other is 0. For
    repeated eigenvalues see the conventions of this module. Raises np.linalg.LinAlgError where
    the algorithm does not converge.
    b: a Hermitian positive definite matrix, of the generalised problem a·v = w·b·v, as in
    ``scipy.linalg.eigh``; the vectors have vᴴ·b·v = 1.

    >>> import numpy as np, graphad as ga
    >>> w, v = np.linalg.eigh(ga.constant([[2.0, 0.0], [0.0, 1.0]]))
    >>> w.eval(), v.type
    (array([1., 2.]), float64[2, 2])
    """
    uplo = _uplo("eigh", UPLO)
    if b is None:
        return EighResult(*_eigh(a, UPLO=uplo))
    # b = L Lᴴ turns it into C y = w y with C = L⁻¹ a L⁻ᴴ, y = Lᴴ v
    lower, solve = OPS["linalg.cholesky"](b, upper=uplo == "U"), OPS["linalg.solve"]
    lower = adjoint(lower) if uplo == "U" else lower
    left = solve(lower, unfold(as_variable(a), uplo))
    w, y = _eigh(solve(lower, adjoint(left)), UPLO="L")
    return EighResult(w, solve(adjoint(lower), y))


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


# ---- general eigenproblems -------------------------------------------------------------------
def _complex_dtype(name: str, a: TensorType) -> np.dtype[Any]:
    return np.result_type(lapack_dtype(name, a), np.complex64)


def _eig_types(a: TensorType) -> Sequence[TensorType]:
    stack, n = square_shape("eig", a)
    dtype = _complex_dtype("eig", a)
    return TensorType(dtype, (*stack, n)), TensorType(dtype, (*stack, n, n))


def _eigvals_types(a: TensorType) -> Sequence[TensorType]:
    stack, n = square_shape("eigvals", a)
    return (TensorType(_complex_dtype("eigvals", a), (*stack, n)),)


def _complexes(found: Any) -> Any:
    """NumPy's result is real where no eigenvalue of a real matrix has an imaginary part."""
    return np.asarray(found).astype(np.result_type(found, np.complex64), copy=False)


def _scaled(v: Variable, x: Variable) -> Variable:
    """Of dV = V X the part that changes the norms of the columns, as factors (…, 1, n)."""
    return OPS["real"](OPS["sum"](OPS["conj"](v) * (v @ x), axis=-2, keepdims=True))


def _eig_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """K = V⁻¹ dA V;  dw = diag K,  dV = V X - V·(what changes the norms), X = F∘K,
    F_ij = 1/(w_j - w_i)."""
    (w, v), t = node.outputs, ts[0]
    assert t is not None
    k = OPS["linalg.solve"](v, t @ v)
    x = gaps(w) * k
    return diagonal_of(k), v @ x - v * _scaled(v, x)


def _eig_vjp(node: Apply, gs: Cotangents) -> Rules:
    """X̄ = VᵀV̄ - (VᴴV)ᵀ·Re diag(VᵀV̄),  K̄ = diag(w̄) + F∘X̄,  Ā = V⁻ᵀ K̄ Vᵀ. C. Boeddeker et al.,
    "On the computation of complex-valued gradients …" (2017)."""
    (w, v), (to_w, to_v) = node.outputs, gs

    def to_a() -> Variable:
        terms = [None if to_w is None else diagonal_matrix(to_w)]
        if to_v is not None:
            turned = v.mT @ to_v
            scale = OPS["real"](diagonal_of(turned))[..., None, :]
            terms.append(gaps(w) * (turned - (adjoint(v) @ v).mT * scale))
        return OPS["linalg.solve"](v.mT, total(terms) @ v.mT)

    return (to_a,)


def _eigvals_vjp(node: Apply, gs: Cotangents) -> Rules:
    """As of `eig`: Ā = V⁻ᵀ diag(w̄) Vᵀ."""
    g = gs[0]
    assert g is not None

    def to_a() -> Variable:
        v = _eig(node.inputs[0])[1]
        return OPS["linalg.solve"](v.mT, g[..., :, None] * v.mT)

    return (to_a,)


def _eigvals_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    v, t = _eig(node.inputs[0])[1], ts[0]
    assert t is not None
    return (diagonal_of(OPS["linalg.solve"](v, t @ v)),)


_eig = MatrixOp(
    "eig", types=_eig_types, vjp=_eig_vjp, jvp=_eig_jvp,
    value=lambda a: tuple([_complexes(x) for x in np.linalg.eig(a)]))  # fmt: skip
_eigvals = MatrixOp(
    "eigvals", types=_eigvals_types, vjp=_eigvals_vjp, jvp=_eigvals_jvp,
    value=lambda a: _complexes(np.linalg.eigvals(a)))  # fmt: skip


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Variable
    eigenvectors: Variable


def _turning(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A real matrix with a pair of complex eigenvalues."""
    x = regular(rng, 3, 3)
    x[0, 1], x[1, 0], x[1, 1] = 2.0, -2.5, x[0, 0]
    return x


def _apart(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Matrices with eigenvalues apart: derivatives of order k grow as 1/distance**(2k - 1)."""
    return 0.3 * regular(rng, *shape) + np.eye(shape[-1]) * np.arange(shape[-1])


def _observed_eig(result: Any) -> Any:
    """The eigenvalues, V diag(1, 2, …) V⁻¹, in which scales of vectors cancel, and |V|."""
    w, v = result
    weights = np.cumsum(np.ones_like(w), axis=-1)
    product = (v * weights[..., None, :]) @ np.linalg.inv(v)
    parts = [part(x) for x in (w, product) for part in (np.real, np.imag)]
    return (*parts, np.abs(v))


@public(np.linalg.eig, namespace="linalg", observe=_observed_eig,
        reference=lambda a: tuple([_complexes(x) for x in np.linalg.eig(a)]),
        samples=lambda rng: [
    *[Sample((_apart(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((_turning(rng),))])  # fmt: skip
def eig(a: Any) -> EigResult:
    """Eigenvalues (…, n) and eigenvectors (…, n, n), in columns of norm 1, of general matrices.

    As ``np.linalg.eig``, but always complex: NumPy's results are real where all imaginary parts
    are 0, and a type cannot depend on values. The derivative needs different eigenvalues; see the
    conventions of this module. Raises np.linalg.LinAlgError where the algorithm does not converge.

    >>> import numpy as np, graphad as ga
    >>> w, v = np.linalg.eig(ga.constant([[0.0, 1.0], [-4.0, 0.0]]))
    >>> w.eval(), v.type
    (array([0.+2.j, 0.-2.j]), complex128[2, 2])
    """
    return EigResult(*_eig(a))


@public(np.linalg.eigvals, namespace="linalg", observe=lambda w: (np.real(w), np.imag(w)),
        reference=lambda a: _complexes(np.linalg.eigvals(a)),
        samples=lambda rng: [
    *[Sample((_apart(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((_turning(rng),))])  # fmt: skip
def eigvals(a: Any) -> Variable:
    """Eigenvalues of general matrices, always complex: (…, n, n) gives (…, n); see `eig`.

    >>> import graphad as ga
    >>> ga.linalg.eigvals(ga.constant([[3.0, 1.0], [0.0, 2.0]])).eval()
    array([3.+0.j, 2.+0.j])
    """
    return _eigvals(a)
