"""Matrices made of vectors and of blocks: block_diag, toeplitz, hankel, circulant, companion, …

Vectors are the last axis; axes before it are a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import broadcast_shapes, public
from graphad.ir.families.decomposition import conj, matrix_shape
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.linalg.lapack import stacked


def _vector(name: str, x: Any, least: int = 0) -> Variable:
    variable = as_variable(x)
    if variable.ndim == 0:
        raise ShapeError(f"{name} of a scalar", remedy="give a vector (…, n)")
    size = variable.type.shape[-1]
    if isinstance(size, int) and size < least:
        raise ShapeError(f"{name} of {size} elements", remedy=f"give {least} or more")
    return variable


def _by_scipy(name: str) -> Any:
    """SciPy's function of each vector of stacks."""

    def reference(*vectors: Any) -> Any:
        if any(np.ndim(x) == 0 for x in vectors):
            raise ValueError("a scalar")
        arrays = [np.asarray(x) for x in vectors]
        return stacked(getattr(scipy("linalg"), name), (1,) * len(arrays), arrays)

    return reference


def spread(arrays: Sequence[Variable], rank: int) -> list[Variable]:
    """The arrays with a common stack before the last `rank` axes, also if it is unknown."""
    stacks = [x.type.shape[: x.ndim - rank] for x in arrays]
    if all([stack == stacks[0] for stack in stacks]):
        return list(arrays)
    broadcast_shapes("the stack", stacks)
    axes = tuple(range(-rank, 0))
    nothing = [
        OPS["sum"](OPS["zeros_like"](x, dtype="int8"), axis=axes, keepdims=True) for x in arrays
    ]
    return [x + sum([n.astype(x.dtype) for n in nothing[1:]], nothing[0].astype(x.dtype))
            for x in arrays]  # fmt: skip


def _joined(c: Variable, r: Variable) -> Variable:
    """Both vectors one after the other; their stacks broadcast."""
    return OPS["concatenate"](spread([c, r], 1), axis=-1)


# ---- constant along diagonals ----------------------------------------------------------------
@public(namespace="linalg", reference=_by_scipy("toeplitz"), samples=lambda rng: [
    Sample((rng.normal(size=3),)), Sample((rng.normal(size=(2, 3)),)),
    Sample((rng.normal(size=3), rng.normal(size=2))),
    Sample((rng.normal(size=(2, 2)), rng.normal(size=3)))])  # fmt: skip
def toeplitz(c: Any, r: Any = None) -> Variable:
    """Matrix (…, m, n) with the first column c (…, m) and the first row r (…, n).

    Constant along each diagonal, as ``scipy.linalg.toeplitz``; the first element of `r` is not
    used, and r is conj(c) if it is not given.

    >>> import graphad as ga
    >>> ga.linalg.toeplitz(ga.constant([1, 2, 3]), [1, 8]).eval()
    array([[1, 8],
           [2, 1],
           [3, 2]])
    """
    column = _vector("toeplitz", c)
    row = conj(column) if r is None else _vector("toeplitz", r)
    m, n = column.shape[-1], row.shape[-1]
    values = _joined(OPS["flip"](column, -1), row[..., 1:])
    index = m - 1 - OPS["arange"](m)[:, None] + OPS["arange"](n)
    result: Variable = values[..., index]
    return result


@public(namespace="linalg", reference=_by_scipy("hankel"), samples=lambda rng: [
    Sample((rng.normal(size=3),)), Sample((rng.normal(size=3), rng.normal(size=2))),
    Sample((rng.normal(size=(2, 2)), rng.normal(size=(2, 3))))])  # fmt: skip
def hankel(c: Any, r: Any = None) -> Variable:
    """Matrix (…, m, n) with the first column c (…, m) and the last row r (…, n).

    Constant along each anti-diagonal, as ``scipy.linalg.hankel``; the first element of `r` is not
    used, and r is 0 if it is not given.

    >>> import graphad as ga
    >>> ga.linalg.hankel(ga.constant([1, 2, 3]), [3, 8]).eval()
    array([[1, 2],
           [2, 3],
           [3, 8]])
    """
    column = _vector("hankel", c)
    row = OPS["zeros_like"](column) if r is None else _vector("hankel", r)
    m, n = column.shape[-1], row.shape[-1]
    index = OPS["arange"](m)[:, None] + OPS["arange"](n)
    result: Variable = _joined(column, row[..., 1:])[..., index]
    return result


@public(namespace="linalg", reference=_by_scipy("circulant"), samples=lambda rng: [
    Sample((rng.normal(size=3),)), Sample((rng.normal(size=(2, 3)),))])  # fmt: skip
def circulant(c: Any) -> Variable:
    """Matrix (…, n, n) whose columns are c (…, n), rolled by one more from each to the next.

    As ``scipy.linalg.circulant``.

    >>> import graphad as ga
    >>> ga.linalg.circulant(ga.constant([1, 2, 3])).eval()
    array([[1, 3, 2],
           [2, 1, 3],
           [3, 2, 1]])
    """
    column = _vector("circulant", c)
    place = OPS["arange"](column.shape[-1])
    result: Variable = column[..., OPS["remainder"](place[:, None] - place, column.shape[-1])]
    return result


# ---- others ----------------------------------------------------------------------------------
def _companion_reference(a: Any) -> Any:
    return _by_scipy("companion")(a)


@public(namespace="linalg", reference=_companion_reference, samples=lambda rng: [
    Sample((rng.uniform(1, 2, size=4),)), Sample((rng.uniform(1, 2, size=(2, 3)),))])  # fmt: skip
def companion(a: Any) -> Variable:
    """Matrix (…, n - 1, n - 1) whose eigenvalues are the roots of the polynomial a (…, n).

    a[0] is the coefficient of the highest power and not 0, as ``scipy.linalg.companion``.

    >>> import graphad as ga
    >>> ga.linalg.companion(ga.constant([2.0, 6.0, 4.0])).eval()
    array([[-3., -2.],
           [ 1.,  0.]])
    """
    variable = _vector("companion", a, least=2)
    rest = [variable[..., 1][..., None], variable[..., 2:]]  # an error at run time if it is short
    first = -OPS["concatenate"](rest, axis=-1) / (1.0 * variable[..., :1])
    n = first.shape[-1]
    below = OPS["eye"](n, dtype=first.dtype)[:-1]
    stack = first.shape[:-1]
    rows = OPS["broadcast_to"](below, (*stack, *below.shape)) if stack else below
    return OPS["concatenate"]([first[..., None, :], rows], axis=-2)


def _block_reference(*arrays: Any) -> Any:
    shapes = [np.shape(x) for x in arrays]
    if all(len(s) <= 2 for s in shapes):
        return scipy("linalg").block_diag(*arrays)
    return stacked(scipy("linalg").block_diag, (2,) * len(arrays), [np.asarray(x) for x in arrays])


@public(namespace="linalg", reference=_block_reference, samples=lambda rng: [
    Sample((rng.normal(size=(2, 3)), rng.normal(size=(1, 2)))),
    Sample((rng.normal(size=3), rng.normal(size=()), rng.normal(size=(2, 2)))),
    Sample((rng.normal(size=(2, 1, 2)), rng.normal(size=(2, 2)))),
    Sample((rng.normal(size=(2, 2)),))])  # fmt: skip
def block_diag(*arrs: Any) -> Variable:
    """Matrix (…, Σm, Σn) with the given matrices (…, m, n) along the diagonal, 0 elsewhere.

    As ``scipy.linalg.block_diag``: a vector counts as one row, a scalar as one element. Stacks
    broadcast.

    >>> import graphad as ga
    >>> ga.linalg.block_diag(ga.constant([[1, 2]]), 3).eval()
    array([[1, 2, 0],
           [0, 0, 3]])
    """
    given = [as_variable(x) for x in arrs]
    blocks = [x if x.ndim > 1 else OPS["reshape"](x, (1, x.size)) for x in given]
    if not blocks:
        return OPS["zeros"]((1, 0))
    dtype = np.result_type(*[x.dtype for x in blocks])
    blocks = spread([x.astype(dtype) for x in blocks], 2)
    rows = []
    for i, x in enumerate(blocks):
        lead = x.shape[:-1]
        parts = [
            x if i == j else OPS["zeros"]((*lead, y.shape[-1]), dtype=dtype)
            for j, y in enumerate(blocks)
        ]
        rows.append(OPS["concatenate"](parts, axis=-1))
    return OPS["concatenate"](rows, axis=-2)


def _khatri_rao_reference(a: Any, b: Any) -> Any:
    return stacked(scipy("linalg").khatri_rao, (2, 2), [np.asarray(a), np.asarray(b)])


@public(namespace="linalg", reference=_khatri_rao_reference, samples=lambda rng: [
    Sample((rng.normal(size=(2, 3)), rng.normal(size=(4, 3)))),
    Sample((rng.normal(size=(2, 2, 3)), rng.normal(size=(1, 3))))])  # fmt: skip
def khatri_rao(a: Any, b: Any) -> Variable:
    """Kronecker product of each column: (…, m, k) and (…, n, k) give (…, m·n, k).

    As ``scipy.linalg.khatri_rao``.

    >>> import graphad as ga
    >>> ga.linalg.khatri_rao(ga.constant([[1, 2], [3, 4]]), [[10, 100]]).eval()
    array([[ 10, 200],
           [ 30, 400]])
    """
    first, second = as_variable(a), as_variable(b)
    _, m, _ = matrix_shape("khatri_rao", first.type)
    _, n, columns = matrix_shape("khatri_rao", second.type)
    sizes: Sequence[Any] = (first.type.shape[-1], columns)
    if all(isinstance(s, int) for s in sizes) and sizes[0] != sizes[1]:
        raise ShapeError(
            f"khatri_rao of {first.type} and {second.type}",
            cause=f"the matrices have {sizes[0]} and {sizes[1]} columns",
            remedy="transpose one of them, or use ga.kron",
        )
    product = first[..., :, None, :] * second[..., None, :, :]
    m, n = first.shape[-2], second.shape[-2]
    return OPS["reshape"](product, (*product.shape[:-3], m * n, product.shape[-1]))
