"""Inverses and linear systems, batched: inv, solve; the inverse that is NaN where there is none.

Derivatives: M. B. Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), sections 2.2 and 3; with transposes that are not conjugated,
since for complex arrays a gradient is ∂u/∂x - i·∂u/∂y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import broadcast_shapes, clash, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    lapack_dtype,
    square_shape,
    times,
    total,
)
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.libraries import has_scipy
from graphad.ops.linalg.lapack import common, solved_triangle

Rules = Sequence[Callable[[], Variable | None]]
LARGE = 32  # rows from which a solution by triangles is faster than a factorization


# ---- sample matrices -------------------------------------------------------------------------
def regular(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Random matrices of small condition number, also after rounding towards zero."""
    n = shape[-1]
    return 0.5 * rng.uniform(-1, 1, size=shape) + np.eye(n) * (2.2 + 1.2 * np.arange(n))


def definite(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Random symmetric positive definite matrices with eigenvalues apart from each other."""
    x = regular(rng, *shape)
    return (x + x.swapaxes(-1, -2)) / 2


def square_samples(rng: np.random.Generator) -> list[Sample]:
    """Square matrices: one, a stack, the smallest ones."""
    return [Sample((regular(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]]


# ---- inverse ---------------------------------------------------------------------------------
def same_square(name: str) -> Callable[..., Sequence[TensorType]]:
    """The type rule of functions that map square matrices to such."""

    def types(a: TensorType, **params: Any) -> Sequence[TensorType]:
        stack, n = square_shape(name, a)
        return (TensorType(lapack_dtype(name, a), (*stack, n, n)),)

    return types


def _inv_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Y = A⁻¹;  Ā = -Yᵀ Ȳ Yᵀ."""
    g, y = gs[0], node.output(0)
    assert g is not None
    return (lambda: -times(times(g, y.mT), y.mT, 1),)


def _inv_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """Y = A⁻¹;  dY = -Y dA Y."""
    t, y = ts[0], node.output(0)
    assert t is not None
    return (-times(times(t, y), y, 1),)


def _inverse_value(a: Any) -> Any:
    """The inverse; NaN for singular matrices."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
            raise
        if a.ndim == 2:
            return np.full(a.shape, np.nan, np.linalg.inv(np.eye(1, dtype=a.dtype)).dtype)
        return np.stack([_inverse_value(part) for part in a])


_inv = MatrixOp(
    "inv", types=same_square("inv"), value=np.linalg.inv,
    vjp=_inv_vjp, jvp=_inv_jvp, hazard=RISKY)  # fmt: skip
inverse_or_nan = MatrixOp(
    "inverse_or_nan", types=same_square("inv"), value=_inverse_value,
    vjp=_inv_vjp, jvp=_inv_jvp, hazard=RISKY)  # fmt: skip


@public(np.linalg.inv, namespace="linalg", samples=square_samples)
def inv(a: Any) -> Variable:
    """Inverse of each matrix (…, n, n), as ``np.linalg.inv``.

    Raises ShapeError where it is not square, DTypeError for float16, and, when it is computed,
    np.linalg.LinAlgError for a singular matrix.

    >>> import graphad as ga
    >>> ga.linalg.inv(ga.constant([[2.0, 0.0], [0.0, 4.0]])).eval()
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _inv(a)


# ---- linear systems --------------------------------------------------------------------------
def solve_types(name: str, a: TensorType, b: TensorType) -> Sequence[TensorType]:
    """The type of x with a·x = b, matrices (…, n, n) and (…, n, k); stacks broadcast."""
    stack, n = square_shape(name, a)
    rows = b.shape[-2]
    if joint_size(n, rows) is None or (1 in (n, rows) and n != rows and isinstance(n, int)):
        raise clash(name, [a.shape, b.shape], (n, 0, a.ndim - 1), (rows, 1, b.ndim - 2))
    batch = broadcast_shapes(name, [stack, b.shape[:-2]])
    return (TensorType(lapack_dtype(name, a, b), (*batch, n, b.shape[-1])),)


def zeros_kept(x: Any, b: Any) -> Any:
    """Solutions x with a·x = b: 0 where b is 0, whatever is in `a` that is not finite."""
    if np.isfinite(x).all():
        return x
    return np.where(np.logical_not(np.any(b, axis=-2, keepdims=True)), x.dtype.type(0), x)


def _solve_value(a: Any, b: Any, strong: bool = False, triangle: str = "") -> Any:
    found = _solved_triangle(a, b, triangle) if triangle else np.linalg.solve(a, b)
    return zeros_kept(found, b) if strong else found


def _solved_triangle(a: Any, b: Any, triangle: str) -> Any:
    """With a triangular `a`, "lower" or "upper"; small matrices and stacks go to NumPy."""
    if a.ndim > 2 or b.ndim > 2 or a.shape[0] < LARGE or not has_scipy():
        return np.linalg.solve(a, b)
    left, right = common([a, b])
    return solved_triangle(left, right, triangle == "lower")


def _solve_vjp(node: Apply, gs: Cotangents) -> Rules:
    """X = A⁻¹B;  B̄ = A⁻ᵀ X̄,  Ā = -B̄ Xᵀ."""
    (a, _), x, g = node.inputs, node.output(0), gs[0]
    assert g is not None
    to_b = _solve(a.mT, g, strong=True)
    return lambda: -times(to_b, x.mT), lambda: to_b


def _solve_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """X = A⁻¹B;  dX = A⁻¹(dB - dA X)."""
    (a, _), x, (to_a, to_b) = node.inputs, node.output(0), ts
    moved = total([to_b, None if to_a is None else -times(to_a, x)])
    return (_solve(a, moved, strong=True),)


_solve = MatrixOp(
    "solve", types=lambda a, b, strong=False, triangle="": solve_types("solve", a, b),
    value=_solve_value, vjp=_solve_vjp, jvp=_solve_jvp, hazard=RISKY, columns=True)  # fmt: skip


def right_sides(name: str, function: Callable[..., Variable], a: Any, b: Any) -> Variable:
    """``function(a, b)`` for right-hand sides b (…, n, k), or one vector b (n,)."""
    right = as_variable(b)
    if right.ndim == 0:
        raise ShapeError(
            f"{name}: the right-hand side is a scalar", remedy="pass b[None], or b / a"
        )
    if right.ndim == 1:
        return OPS["squeeze"](function(a, right[:, None]), axis=-1)
    return function(a, right)


@public(np.linalg.solve, namespace="linalg", samples=lambda rng: [
    Sample((regular(rng, *s), rng.normal(size=t))) for s, t in [
        ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 1)), ((2, 2), (3, 2, 2)),
        ((2, 2, 2), (2,)), ((1, 1), (1,)), ((0, 0), (0, 2))]])  # fmt: skip
def solve(a: Any, b: Any) -> Variable:
    """x with a·x = b: `a` (…, n, n), `b` a vector (n,) or matrices (…, n, k), as in NumPy 2.

    Raises ShapeError for sizes that clash, DTypeError for float16, and, when it is computed,
    np.linalg.LinAlgError for a singular matrix.

    >>> import graphad as ga
    >>> ga.linalg.solve(ga.constant([[2.0, 0.0], [0.0, 4.0]]), [1.0, 1.0]).eval()
    array([0.5 , 0.25])
    """
    return right_sides("solve", _solve, a, b)
