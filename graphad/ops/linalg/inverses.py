"""More inverses: pinv, tensorinv, tensorsolve, and the inverse that is NaN where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    conj,
    lapack_dtype,
    matrix_shape,
    square_shape,
)
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.linalg.systems import inv, regular, solve

Rules = Sequence[Callable[[], Variable | None]]


# ---- inverses of singular and rectangular matrices -------------------------------------------
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


def _inverse_types(a: TensorType) -> Sequence[TensorType]:
    stack, n = square_shape("inv", a)
    return (TensorType(lapack_dtype("inv", a), (*stack, n, n)),)


def _inverse_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Y = A⁻¹;  Ā = -Yᵀ Ȳ Yᵀ."""
    y, g = node.output(0).mT, gs[0]
    assert g is not None
    return (lambda: -(y @ g @ y),)


inverse_or_nan = MatrixOp(
    "inverse_or_nan", types=_inverse_types, value=_inverse_value, vjp=_inverse_vjp, hazard=RISKY
)


def _pinv_types(a: TensorType, rcond: float | None) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("pinv", a)
    return (TensorType(lapack_dtype("pinv", a), (*stack, n, m)),)


def _pinv_vjp(node: Apply, gs: Cotangents) -> Rules:
    """dY = -Y dA Y + Y Yᴴ dAᴴ (1 - A Y) + (1 - Y A) dAᴴ Yᴴ Y, at constant rank; G. Golub and
    V. Pereyra, "The differentiation of pseudo-inverses …" (1973), equation 4.12."""
    (a,), y, g = node.inputs, node.output(0), gs[0]
    assert g is not None

    def to_a() -> Variable:
        plain = g.mT
        yh = adjoint(y)
        left = plain @ y @ yh
        right = yh @ y @ plain
        return conj(left - a @ (y @ left) + right - (right @ y) @ a) - y.mT @ g @ y.mT

    return (to_a,)


_pinv = MatrixOp(
    "pinv", types=_pinv_types, vjp=_pinv_vjp,
    value=lambda a, rcond: np.linalg.pinv(a, rcond=rcond))  # fmt: skip


@public(np.linalg.pinv, namespace="linalg", samples=lambda rng: [
    *[Sample((regular(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1)]],
    Sample((regular(rng, 3, 3)[:2],)), Sample((regular(rng, 2, 3, 3)[..., :2],)),
    Sample((regular(rng, 2, 2),), {"rcond": 1e-10})])  # fmt: skip
def pinv(a: Any, rcond: float | None = None) -> Variable:
    """Moore-Penrose inverse of each matrix: (…, m, n) gives (…, n, m), as ``np.linalg.pinv``.

    Singular values below rcond times the largest count as 0 (None: NumPy's bound). The derivative
    is the one at constant rank: where the rank of `a` is not full, pinv itself jumps.

    >>> import graphad as ga
    >>> ga.linalg.pinv(ga.constant([[2.0], [0.0]])).eval()
    array([[0.5, 0. ]])
    """
    if rcond is not None and not isinstance(rcond, int | float | np.number):
        raise UseError(f"pinv: rcond={rcond!r} is not a number")
    return _pinv(a, rcond=None if rcond is None else float(rcond))


# ---- tensor equations ------------------------------------------------------------------------
def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def _tensor(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    rows = int(np.sqrt(np.prod(shape)))
    return regular(rng, rows, rows).reshape(shape)


@public(np.linalg.tensorinv, namespace="linalg", samples=lambda rng: [
    Sample((_tensor(rng, 2, 2, 4),)), Sample((_tensor(rng, 4, 2, 2),), {"ind": 1})])  # fmt: skip
def tensorinv(a: Any, ind: int = 2) -> Variable:
    """Inverse for ``tensordot(…, ind)``: the first `ind` axes go behind the others, as NumPy's.

    Raises ShapeError where the two groups of axes can be seen to have different sizes.

    >>> import graphad as ga
    >>> ga.linalg.tensorinv(ga.tensor("a", shape=(4, 6, 8, 3))).type
    float64[8, 3, 4, 6]
    """
    variable = as_variable(a)
    if not isinstance(ind, int | np.integer) or not 0 < ind <= variable.ndim:
        raise AxisError(
            f"tensorinv: ind={ind!r} of an array with {variable.ndim} axes",
            remedy="it says how many leading axes are the rows",
        )
    rows, columns = variable.shape[:ind], variable.shape[ind:]
    flat = OPS["reshape"](variable, (_product(rows), _product(columns)))
    return OPS["reshape"](inv(flat), (*columns, *rows))


@public(np.linalg.tensorsolve, namespace="linalg", samples=lambda rng: [
    Sample((_tensor(rng, 2, 2, 4), rng.normal(size=(2, 2)))),
    Sample((_tensor(rng, 4, 2, 2), rng.normal(size=4)))])  # fmt: skip
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Variable:
    """x with ``tensordot(a, x, x.ndim) = b``, as ``np.linalg.tensorsolve``.

    axes: axes of `a` that are moved to its end first. Raises ShapeError where sizes clash.

    >>> import graphad as ga
    >>> a, b = ga.tensor("a", shape=(4, 6, 8, 3)), ga.matrix("b", shape=(4, 6))
    >>> ga.linalg.tensorsolve(a, b).type
    float64[8, 3]
    """
    matrix, right = as_variable(a), as_variable(b)
    if axes is not None:
        moved = [normalize_axis(i, matrix.ndim, "tensorsolve") for i in axes]
        matrix = OPS["transpose"](
            matrix, [i for i in range(matrix.ndim) if i not in moved] + moved
        )
    if matrix.ndim < right.ndim:
        raise ShapeError(
            f"tensorsolve: {right.ndim} axes of b and {matrix.ndim} of a",
            remedy="a has the axes of b, then those of x",
        )
    columns = matrix.shape[right.ndim :]
    flat = OPS["reshape"](matrix, (right.size, _product(columns)))
    return OPS["reshape"](solve(flat, OPS["ravel"](right)), columns)
