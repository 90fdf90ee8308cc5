"""More inverses: pinv, tensorinv, tensorsolve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.families.common import broadcast_shapes, normalize_axis, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    conj,
    fold,
    lapack_dtype,
    matrix_shape,
    square_shape,
    unfold,
)
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.linalg.systems import definite, inv, regular, solve

Rules = Sequence[Callable[[], Variable | None]]


# ---- inverses of rectangular matrices --------------------------------------------------------
def _pinv_types(a: TensorType, rcond: TensorType | None = None) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("pinv", a)
    if rcond is not None:
        broadcast_shapes("pinv", [stack, rcond.shape])
    return (TensorType(lapack_dtype("pinv", a), (*stack, n, m)),)


def _pinv_vjp(node: Apply, gs: Cotangents) -> Rules:
    """The transpose of `_pinv_jvp`."""
    a, y, g = node.inputs[0], node.output(0), gs[0]
    assert g is not None

    def to_a() -> Variable:
        plain = g.mT
        yh = adjoint(y)
        left = plain @ y @ yh
        right = yh @ y @ plain
        return conj(left - a @ (y @ left) + right - (right @ y) @ a) - y.mT @ g @ y.mT

    return [to_a, *[lambda: None for _ in node.inputs[1:]]]


def _pinv_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable | None]:
    """dY = -Y dA Y + Y Yᴴ dAᴴ (1 - A Y) + (1 - Y A) dAᴴ Yᴴ Y, at constant rank; G. Golub and
    V. Pereyra, "The differentiation of pseudo-inverses …" (1973), equation 4.12."""
    a, y, t = node.inputs[0], node.output(0), ts[0]
    if t is None:
        return (None,)
    yh, th = adjoint(y), adjoint(t)
    left, right = (y @ yh) @ th, th @ (yh @ y)
    return (left - (left @ a) @ y + right - y @ (a @ right) - y @ t @ y,)


_pinv = MatrixOp(
    "pinv", types=_pinv_types, vjp=_pinv_vjp, jvp=_pinv_jvp,
    value=lambda a, rcond=1e-15: np.linalg.pinv(a, rcond=rcond), core=(2, 0))  # fmt: skip


def _mirrored(a: Any) -> Any:
    """The Hermitian matrices of which `a` has the lower triangles."""
    if a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(
            f"pinv: hermitian=True, and matrices of shape {a.shape[-2:]} are not square"
        )
    a = a if a.dtype.kind in "fc" else a.astype(float)
    half, middle = np.tril(a, -1), np.diagonal(a, axis1=-2, axis2=-1).real
    full = half + np.conj(np.swapaxes(half, -1, -2))
    np.einsum("...ii->...i", full)[...] = middle
    return full


def _mirrored_types(a: TensorType) -> Sequence[TensorType]:
    stack, n = square_shape("pinv", a)
    return (TensorType(lapack_dtype("pinv", a), (*stack, n, n)),)


def _mirrored_vjp(node: Apply, gs: Cotangents) -> Rules:
    (g,) = gs
    return [lambda: None if g is None else fold(g)]


_hermitian = MatrixOp(
    "hermitian", types=_mirrored_types, vjp=_mirrored_vjp, value=_mirrored,
    jvp=lambda node, ts: [None if ts[0] is None else unfold(ts[0])])  # fmt: skip


def pinv_by_size(a: Variable) -> Variable:
    """Of singular values below max(m, n)·ε times the largest as 0."""
    sizes = [as_variable(n) for n in a.shape[-2:]]
    eps = float(np.finfo(lapack_dtype("pinv", a.type)).eps)
    return _pinv(a, OPS["maximum"](*sizes) * eps)


class _Default:
    """Stands for an argument that is not given, where None means something."""

    def __repr__(self) -> str:
        return "<no value>"


_DEFAULT = _Default()


def _pinv_reference(a: Any, **keywords: Any) -> Any:
    """NumPy's, which asks for the precision of integers if rtol is None, and which takes empty
    matrices for Hermitian ones even if they are not square."""
    a = np.asarray(a)
    if keywords.get("hermitian") and a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("not square")
    return np.linalg.pinv(a if a.dtype.kind in "fc" else a.astype(float), **keywords)


@public(np.linalg.pinv, namespace="linalg", reference=_pinv_reference, samples=lambda rng: [
    *[Sample((regular(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1)]],
    Sample((regular(rng, 3, 3)[:2],)), Sample((regular(rng, 2, 3, 3)[..., :2],)),
    Sample((regular(rng, 2, 2),), {"rcond": 1e-10}), Sample((regular(rng, 2, 2),), {"rtol": None}),
    Sample((regular(rng, 3, 3),), {"rtol": 0.125}),
    Sample((definite(rng, 3, 3),), {"hermitian": True}),
])  # fmt: skip
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _DEFAULT) -> Variable:
    """Moore-Penrose inverse of each matrix: (…, m, n) gives (…, n, m), as ``np.linalg.pinv``.

    Singular values below rcond (or rtol, an array (…) or a number; by default 1e-15, with
    rtol=None max(m, n)·ε) times the largest count as 0. hermitian: `a` is Hermitian, only its
    lower triangle is read. The derivative is the one at constant rank, and takes what counts as 0
    for 0: there pinv itself jumps. Raises UseError for both `rcond` and `rtol`.

    >>> import graphad as ga
    >>> ga.linalg.pinv(ga.constant([[2.0], [0.0]])).eval()
    array([[0.5, 0. ]])
    """
    variable = as_variable(a)
    matrix_shape("pinv", variable.type)
    if rcond is not None and rtol is not _DEFAULT:
        raise UseError("pinv: rcond= and rtol= are given", remedy="give one of them")
    if hermitian:
        variable = _hermitian(variable)
    if rcond is None and rtol is None:
        return pinv_by_size(variable)
    bound = rtol if rcond is None else rcond
    return _pinv(variable) if bound is _DEFAULT else _pinv(variable, as_variable(bound))


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
