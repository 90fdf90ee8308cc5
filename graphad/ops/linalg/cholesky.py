"""Cholesky factors of Hermitian positive definite matrices, batched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    fold,
    triangle,
    unfold,
)
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.linalg.systems import definite, same_square

Rules = Sequence[Callable[[], Variable | None]]


def _half(x: Variable) -> Variable:
    """Φ: the lower triangle, with half the diagonal."""
    return triangle(x, "greater", triangle(x * 0.5, "equal"))


def _cholesky_vjp(node: Apply, gs: Cotangents) -> Rules:
    """A = L Lᴴ;  W = Φ(Lᵀ L̄), H̄ = L⁻ᵀ W conj(L)⁻¹, Φ: lower triangle with half the diagonal.
    I. Murray, "Differentiation of the Cholesky decomposition" (2016), section 3."""
    lower, g = node.output(0), gs[0]
    assert g is not None

    def to_a() -> Variable:
        solve = OPS["linalg.solve"]
        left = solve(lower.mT, _half(lower.mT @ triangle(g, "greater_equal")))
        return fold(solve(adjoint(lower), left.mT).mT)

    return (to_a,)


def _cholesky_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """dL = L Φ(L⁻¹ dA L⁻ᴴ)."""
    lower, t, solve = node.output(0), ts[0], OPS["linalg.solve"]
    assert t is not None
    left = solve(lower, unfold(t))
    return (lower @ _half(adjoint(solve(lower, adjoint(left)))),)


_cholesky = MatrixOp(
    "cholesky", types=same_square("cholesky"), value=np.linalg.cholesky,
    vjp=_cholesky_vjp, jvp=_cholesky_jvp)  # fmt: skip


@public(np.linalg.cholesky, namespace="linalg", samples=lambda rng: [
    *[Sample((definite(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]],
    Sample((definite(rng, 3, 3),), {"upper": True})])  # fmt: skip
def cholesky(a: Any, *, upper: bool = False) -> Variable:
    """L with a = L·Lᴴ of each Hermitian positive definite matrix (…, n, n); with `upper`, Lᴴ.

    As ``np.linalg.cholesky``, which reads the lower triangle only (with `upper` the upper one),
    and of the diagonal the real part: the derivative by other elements is 0. For a symmetric
    a = f(p) the gradient by p is right; that by `a` is the usual symmetric one with the upper
    triangle added to the lower. Raises np.linalg.LinAlgError where `a` is not positive definite.

    >>> import graphad as ga
    >>> ga.linalg.cholesky(ga.constant([[4.0, 2.0], [2.0, 5.0]])).eval()
    array([[2., 0.],
           [1., 2.]])
    """
    variable = as_variable(a)
    if upper and variable.ndim > 1:
        return adjoint(_cholesky(adjoint(variable)))
    return _cholesky(variable)
