"""Systems with banded and Toeplitz matrices: solve_banded, solve_toeplitz."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import Arrays, broadcast_shapes, public, weigh
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    conj,
    lapack_dtype,
    matrix_shape,
    times,
    total,
)
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.linalg.lapack import common, like_lapack, stacked
from graphad.ops.linalg.structured import spread, toeplitz
from graphad.ops.linalg.systems import right_sides, zeros_kept

Rules = Sequence[Callable[[], Variable | None]]


# ---- bands -----------------------------------------------------------------------------------
def _shifted(x: Variable, offset: int) -> Variable:
    """y with y[…, j] = x[…, j + offset], and 0 where there is no such element."""
    if not offset:
        return x
    kept = x[..., offset:] if offset > 0 else x[..., :offset]
    zeros = OPS["zeros_like"](x[..., : abs(offset)])
    return OPS["concatenate"]([kept, zeros] if offset > 0 else [zeros, kept], axis=-1)


def _transposed(ab: Variable, low: int, up: int) -> Variable:
    """The bands of the transposed matrix: row u + i - j of column j becomes row l + j - i of i."""
    rows = [_shifted(ab[..., up + d, :], -d) for d in range(low, -up - 1, -1)]
    return OPS["stack"](rows, axis=-2)


def _bands_of(left: Variable, right: Variable, low: int, up: int) -> Variable:
    """The bands of left·rightᵀ: element (i, j) in row u + i - j of column j."""
    rows = [
        OPS["sum"](weigh(_shifted(left.mT, d), right.mT), axis=-2) for d in range(-up, low + 1)
    ]
    return OPS["stack"](rows, axis=-2)


def _types(
    ab: TensorType, b: TensorType, low: int, up: int, **params: Any
) -> Sequence[TensorType]:
    name = "solve_banded"
    first, rows, n = matrix_shape(name, ab)
    second, m, k = matrix_shape(name, b)
    known = all(isinstance(size, int) for size in (m, n))
    if (isinstance(rows, int) and rows != low + up + 1) or (known and m != n):
        raise ShapeError(
            f"{name}: ab is {ab}, b is {b}, with (l, u) = ({low}, {up})",
            remedy="ab has l + u + 1 rows, and as many columns as b has rows",
        )
    batch = broadcast_shapes(name, [first, second])
    return (TensorType(lapack_dtype(name, ab, b), (*batch, m, k)),)


def _value(ab: Any, b: Any, low: int, up: int, strong: bool = False) -> Any:
    blank = 0 in (*ab.shape[:-2], *b.shape[:-2])  # a stack of no systems

    def one(ab: Any, b: Any) -> Any:
        if ab.shape != (low + up + 1, b.shape[0]):
            raise ValueError(f"solve_banded: {ab.shape} does not fit {b.shape}")
        if not b.size:
            return b
        if blank:
            ab = np.ones_like(ab)  # regular whatever the bands: only ones, but on one diagonal
            ab[np.arange(low + up + 1) != up] = 0
        return scipy("linalg").solve_banded((low, up), ab, b, check_finite=False)

    found = stacked(one, (2, 2), common([ab, b]))
    return zeros_kept(found, b) if strong else found


def _vjp(node: Apply, gs: Cotangents) -> Rules:
    """X = A⁻¹B;  B̄ = A⁻ᵀ X̄,  Ā: the bands of -B̄ Xᵀ."""
    (ab, _), x, g, params = node.inputs, node.output(0), gs[0], node.op.params
    assert g is not None
    low, up = params["low"], params["up"]
    to_b = _banded(_transposed(ab, low, up), g, low=up, up=low, strong=True)
    return lambda: -_bands_of(to_b, x, low, up), lambda: to_b


def _jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """dX = A⁻¹(dB - dA X)."""
    (ab, _), x, (to_ab, to_b) = node.inputs, node.output(0), ts
    low, up = node.op.params["low"], node.op.params["up"]
    moved = to_b
    if to_ab is not None:
        parts = [  # of row i: Σ_d dA[i, i - d] x[i - d], with element (i, j) in column j
            _shifted(weigh(to_ab[..., up + d, :][..., None, :], x.mT), -d)
            for d in range(-up, low + 1)
        ]
        moved = total([to_b, -total(parts).mT])
    return (_banded(ab, moved, low=low, up=up, strong=True),)


_banded = MatrixOp(
    "solve_banded", types=_types, value=_value, vjp=_vjp, jvp=_jvp, hazard=RISKY,
    columns=True)  # fmt: skip


def _reference(l_and_u: Any, ab: Any, b: Any) -> Any:
    def call(ab: Any, b: Any) -> Any:
        if not b.size and ab.shape == (sum(l_and_u) + 1, b.shape[0]):
            return b
        return scipy("linalg").solve_banded(l_and_u, ab, b)

    return like_lapack(call, (2, -2))(ab, b)


def _bands(rng: np.random.Generator, low: int, up: int, n: int) -> np.ndarray[Any, Any]:
    x = rng.normal(size=(low + up + 1, n))
    x[up] += 5.0
    return x


@public(namespace="linalg", reference=_reference, samples=lambda rng: [
    Sample((), {"l_and_u": (1, 1)}, {"ab": _bands(rng, 1, 1, 4), "b": rng.normal(size=4)}),
    Sample((), {"l_and_u": (2, 0)}, {"ab": _bands(rng, 2, 0, 3), "b": rng.normal(size=(3, 2))}),
    Sample((), {"l_and_u": (0, 1)}, {
        "ab": np.stack([_bands(rng, 0, 1, 3), _bands(rng, 0, 1, 3)]),
        "b": rng.normal(size=(3, 2))})])  # fmt: skip
def solve_banded(l_and_u: tuple[int, int], ab: Any, b: Any) -> Variable:
    """x with a·x = b for banded matrices `a`, as ``scipy.linalg.solve_banded``; needs SciPy.

    l_and_u: how many diagonals lie below and above the main one. ab (…, l + u + 1, n): the
    diagonals, a[i, j] in ab[u + i - j, j]; elements outside of `a` are not read. b: a vector (n,)
    or matrices (…, n, k). Raises np.linalg.LinAlgError for a singular matrix.

    >>> import graphad as ga
    >>> ab = ga.constant([[0.0, 1.0], [2.0, 2.0], [1.0, 0.0]])
    >>> ga.linalg.solve_banded((1, 1), ab, [3.0, 3.0]).eval()
    array([1., 1.])
    """
    try:
        low, up = (int(n) for n in l_and_u)
    except (TypeError, ValueError):
        low = up = -1
    if low < 0 or up < 0:
        raise UseError(f"solve_banded: l_and_u={l_and_u!r}", remedy="give a pair of integers ≥ 0")
    call = lambda ab, x: _banded(ab, x, low=low, up=up)  # noqa: E731
    return right_sides("solve_banded", call, ab, b)


# ---- Toeplitz matrices -----------------------------------------------------------------------
def _toeplitz_types(c: TensorType, r: TensorType, b: TensorType, **params: Any) -> Any:
    name = "solve_toeplitz"
    stack, n, k = matrix_shape(name, b)
    sizes = [t.shape[-1] for t in (c, r)]
    if isinstance(n, int) and any(isinstance(s, int) and s != n for s in sizes):
        raise ShapeError(
            f"solve_toeplitz: c is {c}, r is {r}, b is {b}",
            remedy="c, r and the columns of b have equal sizes",
        )
    batch = broadcast_shapes(name, [c.shape[:-1], r.shape[:-1], stack])
    return (TensorType(lapack_dtype(name, c, r, b), (*batch, n, k)),)


def _toeplitz_value(c: Any, r: Any, b: Any, strong: bool = False) -> Any:
    def one(c: Any, r: Any, b: Any) -> Any:
        if not b.size and c.shape == r.shape == b.shape[:1]:
            return b
        return scipy("linalg").solve_toeplitz((c, r), b, check_finite=False)

    c, r, b = common([c, r, b])
    found = stacked(one, (1, 1, 2), [c, r, b]).astype(c.dtype, copy=False)
    return zeros_kept(found, b) if strong else found


def _first(c: Variable, r: Variable) -> Variable:
    """r, with the first element of c instead of its own."""
    c, r = spread([c, r], 1)
    return OPS["concatenate"]([c[..., :1], r[..., 1:]], axis=-1)


def _along(left: Variable, right: Variable, sign: int) -> Variable:
    """Sums over the diagonals of left·rightᵀ, left being a cotangent.

    Element k is Σ_j left[j + k]·right[j] for sign 1, Σ_j left[j]·right[j + k] for sign -1: a
    product with the matrix whose element (k, j) is the (j + k)-th of the one or the other.
    """
    first, second = (left, right) if sign > 0 else (right, left)
    n = first.shape[-2]
    place = OPS["arange"](n)[:, None] + OPS["arange"](n)
    inside = place < as_variable(n)
    moved = first.mT[..., OPS["where"](inside, place, 0)]
    moved = OPS["where"](inside, moved, 0)
    column = second.mT[..., None]
    product = times(moved, column) if sign > 0 else times(column, moved, 1)
    return OPS["sum"](product, axis=-3)[..., 0]


def _toeplitz_vjp(node: Apply, gs: Cotangents) -> Rules:
    """X = T⁻¹B;  B̄ = T⁻ᵀ X̄,  T̄ = -B̄ Xᵀ, of which c and r get the sums along diagonals."""
    (c, r, _), x, g = node.inputs, node.output(0), gs[0]
    assert g is not None
    to_b = _solve_toeplitz(_first(c, r), c, g, strong=True)

    def to_r() -> Variable:
        found = _along(to_b, x, -1)
        return -OPS["concatenate"]([OPS["zeros_like"](found[..., :1]), found[..., 1:]], axis=-1)

    return lambda: -_along(to_b, x, 1), to_r, lambda: to_b


def _toeplitz_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """dX = T⁻¹(dB - dT X)."""
    (c, r, _), x, (to_c, to_r, to_b) = node.inputs, node.output(0), ts
    moved = to_b
    if to_c is not None or to_r is not None:
        column = OPS["zeros_like"](c) if to_c is None else to_c
        row = OPS["zeros_like"](r) if to_r is None else to_r
        moved = total([to_b, -times(toeplitz(column, row), x)])
    return (_solve_toeplitz(c, r, moved, strong=True),)


_solve_toeplitz = MatrixOp(
    "solve_toeplitz", types=_toeplitz_types, value=_toeplitz_value,
    vjp=_toeplitz_vjp, jvp=_toeplitz_jvp, hazard=RISKY, core=(1, 1, 2),
    columns=True)  # fmt: skip


def _toeplitz_reference(c_or_cr: Any, b: Any) -> Any:
    c, r = c_or_cr if isinstance(c_or_cr, list) else (c_or_cr, np.conj(c_or_cr))

    def call(c: Any, r: Any, b: Any) -> Any:
        if not c.shape == r.shape == b.shape[:1]:
            raise ValueError("sizes do not fit")
        return scipy("linalg").solve_toeplitz((c, r), b) if b.size else b

    return like_lapack(call, (1, 1, -2))(c, r, b)


def _steep(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    x = rng.normal(size=shape)
    x[..., 0] = 5.0
    return x


@public(namespace="linalg", reference=_toeplitz_reference, samples=lambda rng: [
    Sample((_steep(rng, 3), rng.normal(size=3))),
    Sample(([_steep(rng, 3), rng.normal(size=3)], rng.normal(size=(3, 2)))),
    Sample(([_steep(rng, 2, 2), _steep(rng, 2)], rng.normal(size=(2, 1))))])  # fmt: skip
def solve_toeplitz(c_or_cr: Arrays, b: Any) -> Variable:
    """x with toeplitz(c, r)·x = b, by n² operations, as ``scipy.linalg.solve_toeplitz``.

    Needs SciPy. c_or_cr: the first column c (…, n), or the pair (c, r) with the first row, whose
    first element is not read; b: a vector (n,) or matrices (…, n, k). By Levinson's recursion,
    which fails (np.linalg.LinAlgError) if a leading part of the matrix is singular.

    >>> import graphad as ga
    >>> ga.linalg.solve_toeplitz(ga.constant([2.0, 1.0]), [3.0, 3.0]).eval()
    array([1., 1.])
    """
    c, r = c_or_cr if isinstance(c_or_cr, tuple | list) else (c_or_cr, None)
    column = as_variable(c)
    row = conj(column) if r is None else as_variable(r)
    for variable in (column, row):
        if not variable.ndim:
            raise ShapeError("solve_toeplitz: a scalar instead of a vector (…, n)")
    call = lambda c, x: _solve_toeplitz(c, row, x)  # noqa: E731
    return right_sides("solve_toeplitz", call, column, b)
