"""QR decompositions, batched.

Derivatives: D. and L. Roberts, "QR and LQ decomposition matrix backpropagation algorithms for
square, wide, and deep matrices" (2020); with transposes that are not conjugated, since for complex
arrays a gradient is ∂u/∂x - i·∂u/∂y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import GradientError, UseError
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
    total,
    triangle,
)
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import minimum
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.linalg.systems import regular

Rules = Sequence[Callable[[], Variable | None]]


# ---- reduced ---------------------------------------------------------------------------------
def _qr_types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("qr", a)
    dtype, k = lapack_dtype("qr", a), minimum(m, n)
    return TensorType(dtype, (*stack, m, k)), TensorType(dtype, (*stack, k, n))


def _tall_qr(q: Variable, r: Variable, to_q: Variable | None, to_r: Variable | None) -> Variable:
    """Ā = (Q̄ + conj(Q)·copy(triu(M))) R⁻ᵀ with M = R̄ Rᵀ - Qᵀ Q̄, for a square R;
    copy(X) = X + Xᴴ with the real part of the diagonal counted once."""
    inner = total([
        None if to_r is None else triangle(to_r, "less_equal") @ r.mT,
        None if to_q is None else -(q.mT @ to_q)])  # fmt: skip
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
        first = _tall_qr(q, r[..., :count], total([to_q, through]), to_r[..., :count])
        return OPS["concatenate"]([first, conj(q) @ right], axis=-1)

    return (to_a,)


def _tall_moves(q: Variable, r: Variable, t: Variable) -> tuple[Variable, Variable]:
    """M = dA R⁻¹, C = Qᴴ M, Ω = tril(C) - tril(C)ᴴ;  dQ = M - Q (C - Ω), dR = (C - Ω) R."""
    m = OPS["linalg.solve"](r.mT, t.mT).mT
    c = adjoint(q) @ m
    lower = triangle(c, "greater")
    turn = lower - adjoint(lower)
    if c.dtype.kind == "c":
        turn = turn + diagonal_matrix(1j * OPS["imag"](diagonal_of(c)))
    rest = triangle(c - turn, "less_equal")
    return m - q @ rest, rest @ r


def _qr_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """Of a wide A = (A1 A2): dR2 = dQᴴ A2 + Qᴴ dA2."""
    (a,), (q, r), t = node.inputs, node.outputs, ts[0]
    assert t is not None
    count, columns = q.shape[-1], a.shape[-1]
    if count == columns:
        return _tall_moves(q, r, t)
    to_q, first = _tall_moves(q, r[..., :count], t[..., :count])
    right = adjoint(to_q) @ a[..., count:] + adjoint(q) @ t[..., count:]
    return to_q, OPS["concatenate"]([first, right], axis=-1)


_qr = MatrixOp(
    "qr", types=_qr_types, vjp=_qr_vjp, jvp=_qr_jvp,
    value=lambda a: tuple(np.linalg.qr(a)))  # fmt: skip


# ---- what completes a basis, and Householder's vectors ---------------------------------------
def _no_derivative(node: Apply) -> GradientError:
    return GradientError(
        f'the derivative of qr(…, mode="{node.op.name.removeprefix("qr_")}") of '
        f"{node.inputs[0].type}",
        cause="the columns that complete a basis, and Householder's vectors, have none",
        remedy='use mode="reduced"',
    )


def _complete_types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("qr", a)
    dtype = lapack_dtype("qr", a)
    return TensorType(dtype, (*stack, m, m)), TensorType(dtype, (*stack, m, n))


def _complete_vjp(node: Apply, gs: Cotangents) -> Rules:
    """R has rows of zeros below the R of the reduced form."""
    to_q, to_r = gs
    if to_q is not None or to_r is None:
        raise _no_derivative(node)

    def to_a() -> Variable | None:
        q, r = _qr(node.inputs[0])
        return _qr_vjp(r.owner, (None, to_r[..., : q.shape[-1], :]))[0]()

    return (to_a,)


def _raw_types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("qr", a)
    dtype = lapack_dtype("qr", a)
    return TensorType(dtype, (*stack, n, m)), TensorType(dtype, (*stack, minimum(m, n)))


def _refuse(node: Apply, moves: Cotangents) -> Any:
    raise _no_derivative(node)


_qr_complete = MatrixOp(
    "qr_complete", types=_complete_types, vjp=_complete_vjp, jvp=_refuse,
    value=lambda a: tuple(np.linalg.qr(a, "complete")))  # fmt: skip
_qr_raw = MatrixOp(
    "qr_raw", types=_raw_types, vjp=_refuse, jvp=_refuse,
    value=lambda a: tuple(np.linalg.qr(a, "raw")))  # fmt: skip


# ---- qr --------------------------------------------------------------------------------------
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

    As ``np.linalg.qr``. mode "reduced": k = min(m, n); "r": R alone; "complete": k = m, where the
    derivative by Q raises GradientError unless the matrices are known not to be tall; "raw":
    LAPACK's (h, tau), without a derivative. Signs are LAPACK's choice. The derivative needs the
    first min(m, n) columns to be independent: else it raises np.linalg.LinAlgError when it is
    computed.

    >>> import graphad as ga
    >>> q, r = ga.linalg.qr(ga.tensor("a", shape=("n", 4, 3)))
    >>> q.type, r.type
    (float64[n, 4, 3], float64[n, 3, 3])
    """
    variable = as_variable(a)
    if mode not in ("reduced", "r", "complete", "raw"):
        raise UseError(f"qr: mode={mode!r}", remedy='choose "reduced", "complete", "r" or "raw"')
    _, rows, columns = matrix_shape("qr", variable.type)
    if mode == "raw":
        h, tau = _qr_raw(variable)
        return h, tau
    if mode == "complete" and minimum(rows, columns) != rows:
        return QRResult(*_qr_complete(variable))
    q, r = _qr(variable)
    return r if mode == "r" else QRResult(q, r)
