"""Determinants, batched: det, slogdet.

Derivatives: M. B. Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), section 2.2, rewritten by the singular value decomposition so
that they hold for singular matrices too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.ir.families.common import public, weigh
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    lapack_dtype,
    real_dtype,
    square_shape,
    total,
)
from graphad.ir.op import OPS, RISKY
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable
from graphad.ops.linalg.systems import inverse_or_nan, same_square, square_samples

Rules = Sequence[Callable[[], Variable | None]]


def _trace(a: Variable, b: Variable) -> Variable:
    """tr(Aᵀ B) = Σ A∘B of each matrix, (…, 1, 1)."""
    return OPS["sum"](a * b, axis=(-2, -1), keepdims=True)


# ---- first and second derivatives that need no inverse -----------------------------------------
def _by_svd(rule: Callable[..., Any], a: Any, *more: Any) -> Any:
    """rule(U, S, Vᴴ, …) where the matrix is finite, NaN elsewhere (LAPACK would refuse all)."""
    good = np.isfinite(a).all(axis=(-2, -1), keepdims=True)
    if good.all():
        return rule(*np.linalg.svd(a), *more)
    return np.where(good, rule(*np.linalg.svd(np.where(good, a, 0)), *more), a.dtype.type(np.nan))


def _is_short(a: Any) -> bool:
    """A stack of matrices so small that their formulas, for all at once, are faster than LAPACK
    for one after another."""
    return bool(a.ndim > 2 and a.shape[-1] in (2, 3) and a.size)


def _places(a: Any) -> Any:
    """(n, n, all matrices): each place of the matrices lies together."""
    n = a.shape[-1]
    a = a if a.dtype.kind in "fc" else a.astype(np.float64)
    return np.ascontiguousarray(a.reshape(-1, n * n).T).reshape(n, n, -1)


def _minors(m: Any, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    """The determinants of two rows and two columns."""
    (i, k), (j, o) = rows, columns
    return m[i, j] * m[k, o] - m[i, o] * m[k, j]


def _det_value(a: Any) -> Any:
    if not _is_short(a):
        return np.linalg.det(a)
    m = _places(a)
    with np.errstate(all="ignore"):
        if len(m) == 2:
            found = _minors(m, (0, 1), (0, 1))
        else:
            found = m[0, 0] * _minors(m, (1, 2), (1, 2))
            found += m[0, 1] * _minors(m, (1, 2), (2, 0))
            found += m[0, 2] * _minors(m, (1, 2), (0, 1))
    return found.reshape(a.shape[:-2])


def _cofactor_value(a: Any) -> Any:
    """det(A)·A⁻ᵀ; NaN where a matrix is not finite."""
    if not _is_short(a):
        return _by_svd(_cofactor_rule, a)
    m = _places(a)
    made = np.empty_like(m)
    with np.errstate(all="ignore"):
        if len(m) == 2:
            made[0, 0], made[1, 1] = m[1, 1], m[0, 0]
            made[0, 1], made[1, 0] = -m[1, 0], -m[0, 1]
        else:
            after = ((1, 2), (2, 0), (0, 1))  # in turn, so that no sign alternates
            for i, rows in enumerate(after):
                for j, columns in enumerate(after):
                    made[i, j] = _minors(m, rows, columns)
    if not np.isfinite(m).all():
        made[..., ~np.isfinite(m).all(axis=(0, 1))] = np.nan
    return np.ascontiguousarray(made.reshape(-1, made.shape[-1]).T).reshape(a.shape)


def _products(s: Any) -> Any:
    """Of numbers (…, n) the products of all but the i-th, (…, n)."""
    one = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([one, s[..., :-1]], axis=-1), axis=-1)[..., : s.shape[-1]]
    after = np.cumprod(np.concatenate([one, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * after[..., after.shape[-1] - s.shape[-1] :]


def _cofactor_rule(u: Any, s: Any, vh: Any) -> Any:
    """det(A)·A⁻ᵀ without a division: of A = U S Vᴴ it is det(U)·det(Vᴴ)·conj(U S' Vᴴ), where S'
    has the product of the other singular values in the place of each."""
    scale = np.linalg.det(u) * np.linalg.det(vh)
    return scale[..., None, None] * np.conj((u * _products(s)[..., None, :]) @ vh)


def _slope_rule(u: Any, s: Any, vh: Any, e: Any) -> Any:
    """The derivative of the cofactors along E, d·(tr(YE)·Yᵀ - (YEY)ᵀ) with d = det A, Y = A⁻¹,
    without a division. With K = Uᴴ E V and P_ij the product of all singular values but s_i, s_j
    (P_ii = 0) it is det(U)·det(Vᴴ)·conj(U)(diag(P·diag K) - P∘Kᵀ)conj(Vᴴ)."""
    n = s.shape[-1]
    k = np.conj(np.swapaxes(u, -1, -2)) @ e @ np.conj(np.swapaxes(vh, -1, -2))
    pairs = np.stack([
        _products(np.where(np.arange(n) == i, s.dtype.type(1), s)) for i in range(n)
    ], axis=-2) * (1 - np.eye(n, dtype=s.dtype)) if n else np.zeros_like(k)  # fmt: skip
    inner = -pairs * np.swapaxes(k, -1, -2)
    middle = np.diagonal(k, axis1=-2, axis2=-1)
    inner = inner + np.eye(n, dtype=s.dtype) * (pairs @ middle[..., None])
    scale = np.linalg.det(u) * np.linalg.det(vh)
    return scale[..., None, None] * (np.conj(u) @ inner @ np.conj(vh))


def _slope_value(a: Any, e: Any) -> Any:
    """Along 0 it is 0, whatever is in `a` that is not finite."""
    found = _by_svd(_slope_rule, a, e)
    if np.isfinite(found).all():
        return found
    return np.where(np.any(e, axis=(-2, -1), keepdims=True), found, a.dtype.type(0))


def _cofactor_vjp(node: Apply, gs: Cotangents) -> Rules:
    """The second derivative of det is symmetric: Ā is the slope along C̄."""
    (a,), g = node.inputs, gs[0]
    return (lambda: _slope(a, g),)


def _cofactor_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    return (_slope(node.inputs[0], ts[0]),)


def _slope_vjp(node: Apply, gs: Cotangents) -> Rules:
    """B = d·(tr(YE) tr(YF) - tr(YEYF)) is the slope along E times F = its cotangent;
    Ē = slope along F,  Ā = B·Yᵀ - d·(tr(YF)·YEY + tr(YE)·YFY - YEYFY - YFYEY)ᵀ."""
    (a, e), f = node.inputs, gs[0]
    assert f is not None

    def to_a() -> Variable:
        d, y = OPS["linalg.det"](a)[..., None, None], inverse_or_nan(a)
        ye, yf = y @ e, y @ f
        first, second = ye @ y, yf @ y
        of_e, of_f = _trace(y.mT, e), _trace(y.mT, f)
        b = of_e * of_f - _trace(ye.mT, yf)
        rest = of_f * first + of_e * second - ye @ second - yf @ first
        return d * (b * y - rest).mT

    return to_a, lambda: _slope(a, f)


_cofactor = MatrixOp(
    "cofactor", types=same_square("cofactor"), value=_cofactor_value,
    vjp=_cofactor_vjp, jvp=_cofactor_jvp)  # fmt: skip
_slope = MatrixOp(
    "cofactor_slope", types=lambda a, e: same_square("cofactor")(a),
    value=_slope_value, vjp=_slope_vjp)  # fmt: skip


# ---- det -------------------------------------------------------------------------------------
def _det_types(a: TensorType) -> Sequence[TensorType]:
    stack, _ = square_shape("det", a)
    return (TensorType(lapack_dtype("det", a), stack),)


def _det_vjp(node: Apply, gs: Cotangents) -> Rules:
    """d det(A) = Σ C∘dA with the cofactors C = det(A)·A⁻ᵀ, which also singular matrices have."""
    (a,), g = node.inputs, gs[0]
    assert g is not None
    return (lambda: weigh(g[..., None, None], _cofactor(a)),)


def _det_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    t = ts[0]
    assert t is not None
    return (OPS["sum"](weigh(t, _cofactor(node.inputs[0])), axis=(-2, -1)),)


_det = MatrixOp("det", types=_det_types, value=_det_value, vjp=_det_vjp, jvp=_det_jvp)


@public(np.linalg.det, namespace="linalg", samples=square_samples)
def det(a: Any) -> Variable:
    """Determinant of each matrix: (…, n, n) gives (…), as ``np.linalg.det``.

    The derivative is the matrix of cofactors, also where the matrix is singular; the second
    derivative is right there too, the third is NaN.

    >>> import graphad as ga
    >>> a = ga.matrix("a", shape=(2, 2))
    >>> ga.grad(ga.linalg.det(a), a).eval({a: [[1.0, 2.0], [3.0, 6.0]]}).round(12)
    array([[ 6., -3.],
           [-2.,  1.]])
    """
    return _det(a)


# ---- slogdet ---------------------------------------------------------------------------------
def _slogdet_types(a: TensorType) -> Sequence[TensorType]:
    stack, _ = square_shape("slogdet", a)
    dtype = lapack_dtype("slogdet", a)
    return TensorType(dtype, stack), TensorType(real_dtype(dtype), stack)


def _slogdet_vjp(node: Apply, gs: Cotangents) -> Rules:
    """d log det(A) = tr(A⁻¹ dA): its real part is d log|det|, its imaginary part turns the sign s,
    ds = i·s·Im tr(A⁻¹ dA);  Ā = (ḡ + i·Im(s̄·s))·A⁻ᵀ."""
    (a,), (to_sign, to_log) = node.inputs, gs
    turned = to_sign is not None and a.dtype.kind == "c"

    def to_a() -> Variable | None:
        turn = 1j * OPS["imag"](to_sign * node.output(0)) if turned else None
        if turn is None and to_log is None:
            return None
        return weigh(total([turn, to_log])[..., None, None], inverse_or_nan(a).mT)

    return (to_a,)


def _slogdet_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable | None]:
    (a,), t = node.inputs, ts[0]
    assert t is not None
    moved = OPS["sum"](weigh(t, inverse_or_nan(a).mT), axis=(-2, -1))
    if a.dtype.kind != "c":
        return None, moved
    return 1j * node.output(0) * OPS["imag"](moved), OPS["real"](moved)


_slogdet = MatrixOp(
    "slogdet", types=_slogdet_types, vjp=_slogdet_vjp, jvp=_slogdet_jvp, hazard=RISKY,
    value=lambda a: tuple(np.linalg.slogdet(a)))  # fmt: skip


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Variable
    logabsdet: Variable


@public(np.linalg.slogdet, namespace="linalg", samples=square_samples)
def slogdet(a: Any) -> SlogdetResult:
    """(sign, log |det|) of each matrix (…, n, n), as ``np.linalg.slogdet``.

    Of a singular matrix they are 0 and -∞, without a derivative: it is NaN, unless a selection
    takes it out.

    >>> import numpy as np, graphad as ga
    >>> sign, logabsdet = np.linalg.slogdet(ga.constant([[0.0, 1.0], [1.0, 0.0]]))
    >>> float(sign.eval()), float(logabsdet.eval())
    (-1.0, 0.0)
    """
    return SlogdetResult(*_slogdet(a))
