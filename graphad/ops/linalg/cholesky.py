"""Cholesky factors of Hermitian positive definite matrices, batched: cholesky, cho_solve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import Arrays, public
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
from graphad.libraries import has_scipy, scipy
from graphad.ops.linalg.lapack import cholesky_factor, common, like_lapack
from graphad.ops.linalg.systems import LARGE, definite, regular, right_sides, same_square
from graphad.ops.linalg.triangular import triangular

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


def _cholesky_value(a: Any) -> Any:
    """Small matrices and stacks go to NumPy, others where the triangular solves of derivatives
    run: the threads of two libraries would wait for each other's processors."""
    if a.ndim > 2 or a.shape[0] < LARGE or a.shape[0] != a.shape[1] or not has_scipy():
        return np.linalg.cholesky(a)
    return cholesky_factor(*common([a]))


_cholesky = MatrixOp(
    "cholesky", types=same_square("cholesky"), value=_cholesky_value,
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


# ---- as in SciPy -----------------------------------------------------------------------------
def _factor_reference(a: Any, lower: bool = False) -> Any:
    """SciPy's, for each matrix of a stack."""

    def call(a: Any) -> Any:
        return scipy("linalg").cho_factor(a, lower)[0] if a.size else a

    return like_lapack(call, (2,), (0,))(a), lower


def _observed(result: Any) -> Any:
    """The triangle that counts: in the other one SciPy leaves what was there."""
    c, lower = result
    return np.tril(c) if lower else np.triu(c)


@public(namespace="linalg", reference=_factor_reference, observe=_observed, samples=lambda rng: [
    Sample((definite(rng, 3, 3),)), Sample((definite(rng, 2, 2, 2),), {"lower": True}),
])  # fmt: skip
def cho_factor(a: Any, lower: bool = False) -> tuple[Variable, bool]:
    """(c, lower) for `cho_solve`: c (…, n, n) is `cholesky` of `a`, a lower or upper triangle.

    As ``scipy.linalg.cho_factor``, but for zeros in the other triangle. One triangle of `a` is
    read. Raises np.linalg.LinAlgError where `a` is not positive definite.

    >>> import graphad as ga
    >>> factor = ga.linalg.cho_factor(ga.constant([[4.0, 2.0], [2.0, 5.0]]))
    >>> ga.linalg.cho_solve(factor, [6.0, 7.0]).eval()
    array([1., 1.])
    """
    return cholesky(a, upper=not lower), bool(lower)


def _solve_reference(factor: Any, b: Any) -> Any:
    c, lower = factor

    def call(c: Any, b: Any) -> Any:
        if not b.size and c.shape[0] == b.shape[0]:
            return b
        return scipy("linalg").cho_solve((c, bool(lower)), b)

    return like_lapack(call, (2, -2), (0,))(c, b)


@public(namespace="linalg", reference=_solve_reference, samples=lambda rng: [
    Sample(([regular(rng, 3, 3), True], rng.normal(size=3))),
    Sample(([regular(rng, 2, 2, 2), False], rng.normal(size=(2, 2))))])  # fmt: skip
def cho_solve(c_and_lower: Arrays, b: Any) -> Variable:
    """x with a·x = b from ``cho_factor(a)``, as ``scipy.linalg.cho_solve``; needs SciPy.

    c_and_lower: a triangular matrix c (…, n, n), of which the other triangle is not read, and
    whether it is the lower one. b: a vector (n,) or matrices (…, n, k).

    >>> import graphad as ga
    >>> lower = ga.linalg.cholesky(ga.constant([[4.0, 2.0], [2.0, 5.0]]))
    >>> ga.linalg.cho_solve((lower, True), [6.0, 7.0]).eval()
    array([1., 1.])
    """
    c, lower = c_and_lower
    factor = as_variable(c)
    if isinstance(lower, Variable):
        factor = OPS["where"](lower, factor, adjoint(factor))
    elif not lower:
        factor = adjoint(factor)

    def call(factor: Any, b: Variable) -> Variable:
        return triangular(factor, triangular(factor, b, 0, True), 2, True)

    return right_sides("cho_solve", call, factor, b)
