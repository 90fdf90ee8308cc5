"""Linear systems and determinants, batched: inv, solve, det, slogdet, cholesky.

Derivatives: M. B. Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), sections 2.2 and 3; with transposes that are not conjugated,
since for complex arrays a gradient is ∂u/∂x - i·∂u/∂y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import broadcast_shapes, clash, needs_strong, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    lapack_dtype,
    real_dtype,
    square_shape,
    times,
    triangle,
)
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable

Rules = Sequence[Callable[[], Variable | None]]


# ---- sample matrices -------------------------------------------------------------------------
def regular(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Random matrices of small condition number, also after rounding towards zero."""
    n = shape[-1]
    return 0.5 * rng.uniform(-1, 1, size=shape) + np.eye(n) * (2.2 + 1.2 * np.arange(n))


def definite(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Random symmetric positive definite matrices with eigenvalues apart from each other."""
    x = regular(rng, *shape)
    return (x + x.swapaxes(-1, -2)) / 2


def _square_samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((regular(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]]


# ---- inverse ---------------------------------------------------------------------------------
def _same_square(name: str) -> Callable[..., Sequence[TensorType]]:
    def types(a: TensorType) -> Sequence[TensorType]:
        stack, n = square_shape(name, a)
        return (TensorType(lapack_dtype(name, a), (*stack, n, n)),)

    return types


def _inv_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Y = A⁻¹, dY = -Y dA Y;  Ā = -Yᵀ Ȳ Yᵀ."""
    g, y = gs[0], node.output(0)
    assert g is not None
    return (lambda: -times(times(g, y.mT), y.mT, 1),)


_inv = MatrixOp("inv", types=_same_square("inv"), value=np.linalg.inv, vjp=_inv_vjp, hazard=RISKY)


@public(np.linalg.inv, namespace="linalg", samples=_square_samples)
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
def _solve_types(a: TensorType, b: TensorType) -> Sequence[TensorType]:
    stack, n = square_shape("solve", a)
    rows = b.shape[-2]
    if joint_size(n, rows) is None or (1 in (n, rows) and n != rows and isinstance(n, int)):
        raise clash("solve", [a.shape, b.shape], (n, 0, a.ndim - 1), (rows, 1, b.ndim - 2))
    batch = broadcast_shapes("solve", [stack, b.shape[:-2]])
    return (TensorType(lapack_dtype("solve", a, b), (*batch, n, b.shape[-1])),)


def _solve_vjp(node: Apply, gs: Cotangents) -> Rules:
    """X = A⁻¹B;  B̄ = A⁻ᵀ X̄,  Ā = -B̄ Xᵀ."""
    (a, _), x, g = node.inputs, node.output(0), gs[0]
    assert g is not None
    to_b = _solved(a.mT, g)
    return lambda: -times(to_b, x.mT), lambda: to_b


def _solved(a: Variable, g: Variable) -> Variable:
    """a⁻¹g of a cotangent g, whose matrices that are all zero give zero, whatever `a` holds."""
    found: Variable = _solve(a, g)
    if not needs_strong(g, a):
        return found
    some = OPS["any"](OPS["not_equal"](g, 0), axis=(-2, -1), keepdims=True)
    return OPS["where"](some, found, 0)


_solve = MatrixOp("solve", types=_solve_types, value=np.linalg.solve, vjp=_solve_vjp, hazard=RISKY)


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
    matrix, right = as_variable(a), as_variable(b)
    if right.ndim == 0:
        raise ShapeError("solve: the right-hand side is a scalar", remedy="pass b[None], or b / a")
    if right.ndim == 1:
        return OPS["squeeze"](_solve(matrix, right[:, None]), axis=-1)
    return _solve(matrix, right)


# ---- determinants ----------------------------------------------------------------------------
def _det_types(a: TensorType) -> Sequence[TensorType]:
    stack, _ = square_shape("det", a)
    return (TensorType(lapack_dtype("det", a), stack),)


def _cofactor_value(a: Any) -> Any:
    """det(A)·A⁻ᵀ without a division: of A = U S Vᴴ it is det(U)·det(Vᴴ)·conj(U S' Vᴴ), where S'
    has the product of the other singular values in the place of each."""
    u, s, vh = np.linalg.svd(a)
    one = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([one, s[..., :-1]], axis=-1), axis=-1)[..., : s.shape[-1]]
    after = np.cumprod(np.concatenate([one, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    others = before * after[..., after.shape[-1] - s.shape[-1] :]
    scale = np.linalg.det(u) * np.linalg.det(vh)
    return scale[..., None, None] * np.conj((u * others[..., None, :]) @ vh)


def _det_vjp(node: Apply, gs: Cotangents) -> Rules:
    """d det(A) = Σ C∘dA with the cofactors C = det(A)·A⁻ᵀ, which also singular matrices have."""
    (a,), g = node.inputs, gs[0]
    assert g is not None
    return (lambda: g[..., None, None] * _cofactor(a),)


def _cofactor_vjp(node: Apply, gs: Cotangents) -> Rules:
    """C = d·Yᵀ with d = det A, Y = A⁻¹;  d̄ = Σ C̄∘Yᵀ, Ȳ = d·C̄ᵀ;  Ā = d̄·C - Yᵀ Ȳ Yᵀ."""
    (a,), c, g = node.inputs, node.output(0), gs[0]
    assert g is not None

    def to_a() -> Variable:
        y, d = _inv(a).mT, _det(a)[..., None, None]
        total = OPS["sum"](g * y, axis=(-2, -1), keepdims=True)
        return total * c - d * (y @ g.mT @ y)

    return (to_a,)


_det = MatrixOp("det", types=_det_types, value=np.linalg.det, vjp=_det_vjp)
_cofactor = MatrixOp(
    "cofactor", types=_same_square("cofactor"), value=_cofactor_value, vjp=_cofactor_vjp
)


@public(np.linalg.det, namespace="linalg", samples=_square_samples)
def det(a: Any) -> Variable:
    """Determinant of each matrix: (…, n, n) gives (…), as ``np.linalg.det``.

    The derivative is the matrix of cofactors, also where the matrix is singular; the second
    derivative goes through the inverse and raises np.linalg.LinAlgError there.

    >>> import graphad as ga
    >>> a = ga.matrix("a", shape=(2, 2))
    >>> ga.grad(ga.linalg.det(a), a).eval({a: [[1.0, 2.0], [3.0, 6.0]]}).round(12)
    array([[ 6., -3.],
           [-2.,  1.]])
    """
    return _det(a)


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
        weight: Any = to_log
        if turned:
            turn = 1j * OPS["imag"](to_sign * node.output(0))
            weight = turn if to_log is None else turn + to_log
        return None if weight is None else weight[..., None, None] * _inv(a).mT

    return (to_a,)


_slogdet = MatrixOp(
    "slogdet", types=_slogdet_types, vjp=_slogdet_vjp,
    value=lambda a: tuple(np.linalg.slogdet(a)))  # fmt: skip


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Variable
    logabsdet: Variable


@public(np.linalg.slogdet, namespace="linalg", samples=_square_samples)
def slogdet(a: Any) -> SlogdetResult:
    """(sign, log |det|) of each matrix (…, n, n), as ``np.linalg.slogdet``.

    Of a singular matrix they are 0 and -∞; the derivative raises np.linalg.LinAlgError there.

    >>> import numpy as np, graphad as ga
    >>> sign, logabsdet = np.linalg.slogdet(ga.constant([[0.0, 1.0], [1.0, 0.0]]))
    >>> float(sign.eval()), float(logabsdet.eval())
    (-1.0, 0.0)
    """
    return SlogdetResult(*_slogdet(a))


# ---- Cholesky --------------------------------------------------------------------------------
def fold(h: Variable, uplo: str = "L") -> Variable:
    """The cotangent of one triangle, from that of the Hermitian matrix that it stands for."""
    both = triangle(h + adjoint(h), "greater" if uplo == "L" else "less")
    middle = triangle(h, "equal")
    return both + (OPS["real"](middle) if h.dtype.kind == "c" else middle)


def _cholesky_vjp(node: Apply, gs: Cotangents) -> Rules:
    """A = L Lᴴ;  W = Φ(Lᵀ L̄), H̄ = L⁻ᵀ W conj(L)⁻¹, Φ: lower triangle with half the diagonal.
    I. Murray, "Differentiation of the Cholesky decomposition" (2016), section 3."""
    lower, g = node.output(0), gs[0]
    assert g is not None

    def to_a() -> Variable:
        product = lower.mT @ triangle(g, "greater_equal")
        w = triangle(product, "greater", triangle(product * 0.5, "equal"))
        left = _solve(lower.mT, w)
        return fold(_solve(adjoint(lower), left.mT).mT)

    return (to_a,)


_cholesky = MatrixOp(
    "cholesky", types=_same_square("cholesky"), value=np.linalg.cholesky, vjp=_cholesky_vjp
)


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
