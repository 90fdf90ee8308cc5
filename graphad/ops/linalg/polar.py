"""Polar decompositions, batched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    conj,
    lapack_dtype,
    matrix_shape,
    total,
)
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.linalg.equations import solve_sylvester
from graphad.ops.linalg.lapack import like_lapack
from graphad.ops.linalg.systems import regular

Rules = Sequence[Callable[[], Variable | None]]


def _types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("polar", a)
    if isinstance(m, int) and isinstance(n, int) and m < n:
        raise ShapeError(
            f"polar of matrices ({m}, {n})",
            cause="the Hermitian factor would be singular, and the decomposition not smooth",
            remedy='use side="left" for wide matrices, side="right" for tall ones',
        )
    dtype = lapack_dtype("polar", a)
    return TensorType(dtype, (*stack, m, n)), TensorType(dtype, (*stack, n, n))


def _value(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    if a.shape[-2] < a.shape[-1]:
        raise ValueError(f"polar: a matrix {a.shape[-2:]} has more columns than rows")
    v = np.conj(np.swapaxes(vh, -1, -2))
    return u @ vh, (v * s[..., None, :]) @ vh


def _jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """With E = Uᴴ dA and P Ω + Ω P = E - Eᴴ: dU = U Ω + (1 - U Uᴴ) dA P⁻¹, dP = E - Ω P."""
    (u, p), t = node.outputs, ts[0]
    assert t is not None
    e = adjoint(u) @ t
    turn = solve_sylvester(p, p, e - adjoint(e))
    to_u = u @ turn
    if u.shape[-2] != u.shape[-1]:
        to_u = to_u + OPS["linalg.solve"](p.mT, (t - u @ e).mT).mT
    return to_u, e - turn @ p


def _vjp(node: Apply, gs: Cotangents) -> Rules:
    """The transpose: Pᵀ R + R Pᵀ = Uᵀ Ū - P̄ Pᵀ,
    Ā = conj(U)(P̄ + R - Rᴴ) + (Ū - conj(U) Uᵀ Ū) P⁻ᵀ."""
    (u, p), (to_u, to_p) = node.outputs, gs

    def to_a() -> Variable:
        turned = None if to_u is None else u.mT @ to_u
        rest = None if to_p is None else -(to_p @ p.mT)
        r = solve_sylvester(p.mT, p.mT, total([turned, rest]))
        found = conj(u) @ total([to_p, r - adjoint(r)])
        if to_u is None or u.shape[-2] == u.shape[-1]:
            return found
        return found + OPS["linalg.solve"](p, (to_u - conj(u) @ (u.mT @ to_u)).mT).mT

    return (to_a,)


_polar = MatrixOp("polar", types=_types, value=_value, vjp=_vjp, jvp=_jvp)


def _reference(a: Any, side: str = "right") -> Any:
    def call(a: Any) -> Any:
        if (a.shape[0] < a.shape[1]) if side == "right" else (a.shape[0] > a.shape[1]):
            raise ValueError("a singular factor")
        n = a.shape[1] if side == "right" else a.shape[0]
        return scipy("linalg").polar(a, side) if a.size else (a, np.zeros((n, n), a.dtype))

    return like_lapack(call, (2,))(a)


@public(namespace="linalg", reference=_reference, samples=lambda rng: [
    Sample((regular(rng, 3, 3),)), Sample((regular(rng, 2, 3, 3)[..., :2],)),
    Sample((regular(rng, 3, 3)[:2],), {"side": "left"})])  # fmt: skip
def polar(a: Any, side: str = "right") -> tuple[Variable, Variable]:
    """(U, P) with a = U·P, or P·U for side="left": U with orthonormal columns, P Hermitian, ≥ 0.

    As ``scipy.linalg.polar``; derivatives need SciPy. side "right": a and U (…, m, n), m ≥ n,
    P (…, n, n); "left": m ≤ n, U with orthonormal rows, P (…, m, m). The derivative needs `a` of
    full rank, and may have equal singular values. Raises ShapeError for matrices of the other
    form, whose P is singular.

    >>> import graphad as ga
    >>> u, p = ga.linalg.polar(ga.constant([[0.0, -2.0], [2.0, 0.0]]))
    >>> u.eval().round(12) + 0.0, p.eval()
    (array([[ 0., -1.],
           [ 1.,  0.]]), array([[2., 0.],
           [0., 2.]]))
    """
    variable = as_variable(a)
    matrix_shape("polar", variable.type)
    if side == "right":
        u, p = _polar(variable)
        return u, p
    if side != "left":
        raise UseError(f"polar: side={side!r}", remedy='choose "right" or "left"')
    u, p = _polar(adjoint(variable))
    return adjoint(u), p
