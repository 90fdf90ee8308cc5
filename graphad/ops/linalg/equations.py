"""Linear matrix equations: Sylvester's and Lyapunov's, batched, as in SciPy.

Derivatives: the equations are linear in X, so that a derivative solves one with the same
coefficients, and a gradient one with transposed coefficients; the calculus is that of M. B. Giles,
"Collected matrix derivative results …" (2008), section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.errors import UseError
from graphad.ir.families.common import broadcast_shapes, clash, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    conj,
    lapack_dtype,
    matrix_shape,
    square_shape,
    times,
    total,
)
from graphad.ir.op import RISKY, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.linalg.lapack import common, like_lapack, stacked
from graphad.ops.linalg.systems import regular

Rules = Sequence[Callable[[], Variable | None]]


def _agree(name: str, types: Sequence[TensorType], first: Size, second: Size) -> None:
    if joint_size(first, second) is None or (1 in (first, second) and first != second):
        places = (len(types[0].shape) - 1, len(types[-1].shape) - 2)
        raise clash(name, [t.shape for t in types],
                    (first, 0, places[0]), (second, len(types) - 1, places[1]))  # fmt: skip


# ---- A X + X B = Q ---------------------------------------------------------------------------
def _sylvester_types(a: TensorType, b: TensorType, q: TensorType) -> Sequence[TensorType]:
    name = "solve_sylvester"
    (first, m), (second, n) = square_shape(name, a), square_shape(name, b)
    third, rows, columns = matrix_shape(name, q)
    for size, other, t in ((m, rows, a), (n, columns, b)):
        if isinstance(size, int) and isinstance(other, int):
            _agree(name, [t, q], size, other)
    batch = broadcast_shapes(name, [first, second, third])
    return (TensorType(lapack_dtype(name, a, b, q), (*batch, rows, columns)),)


def _sylvester_value(a: Any, b: Any, q: Any) -> Any:
    def one(a: Any, b: Any, q: Any) -> Any:
        if a.shape != q.shape[:1] * 2 or b.shape != q.shape[1:] * 2:
            raise ValueError(f"solve_sylvester: {a.shape} and {b.shape} do not fit {q.shape}")
        return scipy("linalg").solve_sylvester(a, b, q) if q.size else q

    a, b, q = common([a, b, q])
    return stacked(one, (2, 2, 2), [a, b, q]).astype(a.dtype, copy=False)


def _sylvester_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Aᵀ S + S Bᵀ = X̄;  Q̄ = S,  Ā = -S Xᵀ,  B̄ = -Xᵀ S."""
    (a, b, _), x, g = node.inputs, node.output(0), gs[0]
    assert g is not None
    s = _sylvester(a.mT, b.mT, g)
    return lambda: -times(s, x.mT), lambda: -times(s, x.mT, 1), lambda: s


def _sylvester_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """A dX + dX B = dQ - dA X - X dB."""
    (a, b, _), x, (to_a, to_b, to_q) = node.inputs, node.output(0), ts
    moved = total([
        to_q,
        None if to_a is None else -times(to_a, x),
        None if to_b is None else -times(to_b, x, 1)])  # fmt: skip
    return (_sylvester(a, b, moved),)


_sylvester = MatrixOp(
    "solve_sylvester", types=_sylvester_types, value=_sylvester_value,
    vjp=_sylvester_vjp, jvp=_sylvester_jvp, hazard=RISKY)  # fmt: skip


def _reference(name: str, count: int) -> Callable[..., Any]:
    """SciPy's function, which is not defined for arrays without elements."""

    def call(*arrays: Any, **keywords: Any) -> Any:
        if 0 in arrays[-1].shape:
            if arrays[-1].shape != (arrays[0].shape[0], arrays[-2].shape[0]):
                raise ValueError("sizes do not fit")
            return arrays[-1]
        return getattr(scipy("linalg"), name)(*arrays, **keywords)

    return like_lapack(call, (2,) * count, range(count - 1))


@public(namespace="linalg", reference=_reference("solve_sylvester", 3), samples=lambda rng: [
    Sample((regular(rng, 3, 3), regular(rng, 2, 2), rng.normal(size=(3, 2)))),
    Sample((regular(rng, 2, 2, 2), regular(rng, 2, 2), rng.normal(size=(2, 2)))),
    Sample((regular(rng, 1, 1), regular(rng, 2, 2), rng.normal(size=(3, 1, 2))))])  # fmt: skip
def solve_sylvester(a: Any, b: Any, q: Any) -> Variable:
    """X with a·X + X·b = q, as ``scipy.linalg.solve_sylvester``; needs SciPy.

    a (…, m, m), b (…, n, n), q and X (…, m, n). There is one X if no eigenvalue of `a` is the
    negative of one of `b`. Raises ShapeError where sizes clash.

    >>> import graphad as ga
    >>> ga.linalg.solve_sylvester(ga.constant([[1.0]]), [[2.0]], [[6.0]]).eval()
    array([[2.]])
    """
    return _sylvester(a, b, q)


@public(namespace="linalg", reference=_reference("solve_continuous_lyapunov", 2),
        samples=lambda rng: [
    Sample((regular(rng, 3, 3), rng.normal(size=(3, 3)))),
    Sample((regular(rng, 2, 2, 2), rng.normal(size=(2, 2))))])  # fmt: skip
def solve_continuous_lyapunov(a: Any, q: Any) -> Variable:
    """X with a·X + X·aᴴ = q, as ``scipy.linalg.solve_continuous_lyapunov``; needs SciPy.

    a, q and X: (…, n, n). Raises ShapeError where sizes clash.

    >>> import graphad as ga
    >>> ga.linalg.solve_continuous_lyapunov(ga.constant([[1.0]]), [[6.0]]).eval()
    array([[3.]])
    """
    matrix = as_variable(a)
    square_shape("solve_continuous_lyapunov", matrix.type)
    return _sylvester(matrix, adjoint(matrix), q)


# ---- A X Aᴴ - X + Q = 0 ----------------------------------------------------------------------
def _discrete_types(a: TensorType, q: TensorType, method: str | None) -> Sequence[TensorType]:
    name = "solve_discrete_lyapunov"
    (first, n), (second, m) = square_shape(name, a), square_shape(name, q)
    _agree(name, [a, q], n, m)
    batch = broadcast_shapes(name, [first, second])
    return (TensorType(lapack_dtype(name, a, q), (*batch, n, n)),)


def _discrete_value(a: Any, q: Any, method: str | None) -> Any:
    def one(a: Any, q: Any) -> Any:
        if a.shape != q.shape or a.shape[0] != a.shape[1]:
            raise ValueError(f"solve_discrete_lyapunov: {a.shape} does not fit {q.shape}")
        return scipy("linalg").solve_discrete_lyapunov(a, q, method) if q.size else q

    a, q = common([a, q])
    return stacked(one, (2, 2), [a, q]).astype(a.dtype, copy=False)


def _discrete_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Aᵀ S conj(A) - S + X̄ = 0;  Q̄ = S,  Ā = S conj(A) Xᵀ + conj(Sᵀ A X)."""
    (a, _), x, g = node.inputs, node.output(0), gs[0]
    assert g is not None
    s = _discrete(a.mT, g, **node.op.params)

    def to_a() -> Variable:
        return times(s, conj(a) @ x.mT) + conj(times(s.mT, a @ x))

    return to_a, lambda: s


def _discrete_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """A dX Aᴴ - dX + (dQ + dA X Aᴴ + A X dAᴴ) = 0."""
    (a, _), x, (to_a, to_q) = node.inputs, node.output(0), ts
    moved = total([
        to_q,
        None if to_a is None else times(to_a, x @ adjoint(a)),
        None if to_a is None else times(adjoint(to_a), a @ x, 1)])  # fmt: skip
    return (_discrete(a, moved, **node.op.params),)


_discrete = MatrixOp(
    "solve_discrete_lyapunov", types=_discrete_types, value=_discrete_value,
    vjp=_discrete_vjp, jvp=_discrete_jvp, hazard=RISKY)  # fmt: skip


@public(namespace="linalg", reference=_reference("solve_discrete_lyapunov", 2),
        samples=lambda rng: [
    Sample((regular(rng, 3, 3), rng.normal(size=(3, 3)))),
    Sample((regular(rng, 2, 2, 2), rng.normal(size=(2, 2)))),
    Sample((regular(rng, 2, 2), rng.normal(size=(2, 2))), {"method": "bilinear"}),
])  # fmt: skip
def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Variable:
    """X with a·X·aᴴ - X + q = 0, as ``scipy.linalg.solve_discrete_lyapunov``; needs SciPy.

    a, q and X: (…, n, n). method: "direct" (n⁶ operations), "bilinear", or None: by the size.
    Raises ShapeError where sizes clash, UseError for another method.

    >>> import graphad as ga
    >>> ga.linalg.solve_discrete_lyapunov(ga.constant([[0.5]]), [[3.0]]).eval()
    array([[4.]])
    """
    if method not in (None, "direct", "bilinear"):
        raise UseError(f"method={method!r}", remedy='choose "direct", "bilinear" or None')
    return _discrete(a, q, method=method)
