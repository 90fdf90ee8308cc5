"""Least squares: lstsq."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import clash, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    conj,
    lapack_dtype,
    real_dtype,
    total,
)
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size, minimum
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable, describe
from graphad.ops.linalg.inverses import pinv_by_size
from graphad.ops.linalg.systems import regular

Rules = Sequence[Callable[[], Variable | None]]


def _types(a: TensorType, b: TensorType, rcond: float | None) -> Sequence[TensorType]:
    dtype = lapack_dtype("lstsq", a, b)
    (m, n), (rows, k) = a.shape, b.shape
    if joint_size(m, rows) is None or (1 in (m, rows) and m != rows and isinstance(m, int)):
        raise clash("lstsq", [a.shape, b.shape], (m, 0, 0), (rows, 1, 0))
    return (
        TensorType(dtype, (n, k)),
        TensorType("int32", ()),
        TensorType(real_dtype(dtype), (minimum(m, n),)),
    )


def _value(a: Any, b: Any, rcond: float | None) -> Any:
    x, _, rank, s = np.linalg.lstsq(a, b, rcond)
    return x, np.int32(rank), s


def _inverse(node: Apply) -> Variable:
    """The pseudo-inverse with the singular values that count."""
    a, rcond = node.inputs[0], node.op.params["rcond"]
    if rcond is None:
        return pinv_by_size(a)
    if rcond < 0:
        rcond = float(np.finfo(lapack_dtype("lstsq", a.type)).eps)
    return OPS["linalg.pinv"](a, rcond)


def _vjp(node: Apply, gs: Cotangents) -> Rules:
    """The transpose of `_jvp`: with Y = A⁺, Z = Yᵀ X̄, R = B - A X,
    B̄ = Z,  Ā = -Z Xᵀ + conj(R X̄ᵀ Y Yᴴ + Yᴴ X X̄ᵀ (1 - Y A))."""
    (a, b), x, (to_x, _, to_s) = node.inputs, node.output(0), gs
    y = None if to_x is None else _inverse(node)
    z = None if y is None else y.mT @ to_x

    def to_a() -> Variable:
        terms: list[Variable | None] = []
        if to_s is not None:
            u, _, vh = OPS["linalg.svd"](a, full_matrices=False)
            terms.append(conj(u) @ (to_s[:, None] * conj(vh)))
        if y is not None and z is not None and to_x is not None:
            yh, row = adjoint(y), to_x.mT
            inside = (b - a @ x) @ (z.mT @ yh) + (yh @ x) @ (row - z.mT @ a)
            terms.append(conj(inside) - z @ x.mT)
        return total(terms)

    return to_a, lambda: z


def _jvp(node: Apply, ts: Cotangents) -> Sequence[Variable | None]:
    """With Y = A⁺ at constant rank: dX = Y (dB - dA X) + Y Yᴴ dAᴴ (B - A X) + (1 - Y A) dAᴴ Yᴴ X;
    G. Golub and V. Pereyra, "The differentiation of pseudo-inverses …" (1973), equation 4.12."""
    (a, b), x, (to_a, to_b) = node.inputs, node.output(0), ts
    y = _inverse(node)
    inside = total([to_b, None if to_a is None else -(to_a @ x)])
    if to_a is None:
        return y @ inside, None, None
    yh, th = adjoint(y), adjoint(to_a)
    side = th @ (yh @ x)
    moved = y @ (inside + yh @ (th @ (b - a @ x))) + side - y @ (a @ side)
    u, _, vh = OPS["linalg.svd"](a, full_matrices=False)
    turned = OPS["sum"](conj(u) * (to_a @ adjoint(vh)), axis=-2)
    return moved, None, OPS["real"](turned) if turned.dtype.kind == "c" else turned


_lstsq = MatrixOp("lstsq", types=_types, value=_value, vjp=_vjp, jvp=_jvp, core=None, columns=True)


class LstsqResult(NamedTuple):
    """What `lstsq` returns."""

    x: Variable
    residuals: Variable
    rank: Variable
    s: Variable


def _checked(a: Any, b: Any) -> tuple[Variable, Variable]:
    matrix, right = as_variable(a), as_variable(b)
    for variable, ranks in ((matrix, (2,)), (right, (1, 2))):
        if variable.ndim not in ranks:
            raise ShapeError(
                f"lstsq: {describe(variable)} has {variable.ndim} axes",
                cause="a is a matrix (m, n), b a vector (m,) or a matrix (m, k)",
                remedy="for stacks of matrices use ga.linalg.pinv(a) @ b",
            )
    return matrix, right


def _observed(result: Any) -> Any:
    """All of it; the residuals, whose number depends on values, are added up."""
    x, residuals, rank, s = result
    return x, np.sum(residuals), rank, s


@public(np.linalg.lstsq, namespace="linalg", observe=_observed, samples=lambda rng: [
    Sample((regular(rng, 4, 4)[:, :2], rng.normal(size=4))),
    Sample((regular(rng, 4, 4)[:, :2], rng.normal(size=(4, 2)))),
    Sample((regular(rng, 3, 3)[:2], rng.normal(size=(2, 2)))),
    Sample((regular(rng, 3, 3), rng.normal(size=3)), {"rcond": 1e-8}),
    Sample((regular(rng, 2, 2), rng.normal(size=(2, 1))), {"rcond": -1})])  # fmt: skip
def lstsq(a: Any, b: Any, rcond: float | None = None) -> LstsqResult:
    """(x, residuals, rank, s): x of least norm among those for which Σ|b - a·x|² is least.

    As ``np.linalg.lstsq``: a (m, n), b (m,) or (m, k); x (n,) or (n, k); residuals: the sums of
    squares, (k,) if m > n and the rank is n, else (0,); s: the singular values of `a`.
    rcond: singular values below rcond times the largest count as 0 (None: max(m, n)·ε, -1: ε).
    The derivative of x is the one at constant rank, and takes what counts as 0 for 0. Raises
    ShapeError for stacks of matrices: use pinv(a) @ b.

    >>> import graphad as ga
    >>> x, residuals, rank, s = ga.linalg.lstsq(ga.constant([[1.0], [1.0]]), [2.0, 4.0])
    >>> x.eval(), residuals.eval()
    (array([3.]), array([2.]))
    """
    if rcond is not None and not isinstance(rcond, int | float | np.number):
        raise UseError(f"lstsq: rcond={rcond!r} is not a number")
    matrix, right = _checked(a, b)
    vector = right.ndim == 1
    right = right[:, None] if vector else right
    x, rank, s = _lstsq(matrix, right, rcond=None if rcond is None else float(rcond))
    rows, columns = matrix.shape
    off = OPS["abs"](right - matrix @ x)
    full = (rank == columns) & (as_variable(rows) > columns)
    count = OPS["where"](full, as_variable(right.shape[1]), 0)
    residuals = OPS["sum"](OPS["square"](off), axis=0)[:count]
    return LstsqResult(OPS["squeeze"](x, axis=-1) if vector else x, residuals, rank, s)
