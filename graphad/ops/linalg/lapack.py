"""SciPy's functions of single matrices, as values of ops on stacks and as references of tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.libraries import alone, lapack

SHARED = 1 << 26  # multiplications from which more than one thread is worth waiting for
_LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}  # dtypes in the names of routines


def routine(name: str, dtype: np.dtype[Any], work: int) -> Callable[..., Any]:
    """LAPACK's routine `name` for a dtype; on one thread for a small number of multiplications.

    >>> factor = routine("potrf", np.dtype("float64"), 8)
    >>> factor(np.eye(2) * 4)[0]
    array([[2., 0.],
           [0., 2.]])
    """
    found = getattr(lapack(), f"{_LETTERS[dtype.char]}{name}")

    def single(*arrays: Any, **keywords: Any) -> Any:
        with alone:
            return found(*arrays, **keywords)

    return single if work < SHARED else found


def solved_triangle(a: Any, b: Any, lower: bool, unit: bool = False) -> Any:
    """x with a·x = b; a (n, n), of which one triangle is read, b (n, k), of one dtype.

    unit: the diagonal counts as ones. Raises np.linalg.LinAlgError for a zero on the diagonal.

    >>> solved_triangle(np.array([[2.0, 7.0], [1.0, 1.0]]), np.ones((2, 1)), True)
    array([[0.5],
           [0.5]])
    """
    if not b.size:
        return np.array(b)
    solve = routine("trtrs", b.dtype, b.shape[0] * b.size)
    if a.flags.f_contiguous:
        x, info = solve(a, b, lower=lower, unitdiag=unit)
    else:  # in the order of Fortran it is the transposed matrix
        x, info = solve(a.T, b, lower=not lower, trans=1, unitdiag=unit)
    if info:
        raise np.linalg.LinAlgError(f"singular matrix: 0 at place {info - 1} of the diagonal")
    return x


def factored(a: Any) -> tuple[Any, Any]:
    """(L and U in one matrix, the row that was swapped with each row) of a (m, n).

    >>> factored(np.array([[1.0, 2.0], [2.0, 6.0]]))
    (array([[ 2. ,  6. ],
           [ 0.5, -1. ]]), array([1, 1], dtype=int32))
    """
    packed, pivots, info = routine("getrf", a.dtype, a.size * min(a.shape))(a)
    if info:
        warnings.warn(
            f"the matrix is singular: 0 at place {info - 1} of the diagonal of U",
            RuntimeWarning,
            stacklevel=2,
        )
    return packed, pivots


def cholesky_factor(a: Any) -> Any:
    """L with a = L·Lᴴ; a (n, n), of which the lower triangle is read.

    Raises np.linalg.LinAlgError where `a` is not positive definite.

    >>> cholesky_factor(np.array([[4.0, 9.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    factor = routine("potrf", a.dtype, a.size * a.shape[0])
    # a.T lies in the order of Fortran, and a.T = Uᴴ·U makes a = Uᵀ·conj(U)
    upper, info = factor(a.T, lower=False, clean=True)
    if info:
        raise np.linalg.LinAlgError(
            f"Matrix is not positive definite: its leading part of {info} rows is not"
        )
    return upper.T


def stacked(function: Callable[..., Any], ranks: Sequence[int], arrays: Sequence[Any]) -> Any:
    """`function` of each matrix (rank 2) or vector (rank 1) of the stacks, which broadcast.

    It returns an array or a tuple of arrays.

    >>> stacked(np.outer, (1, 1), [np.ones((5, 2)), np.ones(3)]).shape
    (5, 2, 3)
    """
    leads = [a.shape[: a.ndim - rank] for a, rank in zip(arrays, ranks, strict=True)]
    batch = np.broadcast_shapes(*leads)
    if not batch:
        return function(*arrays)
    cores = [a.shape[a.ndim - rank :] for a, rank in zip(arrays, ranks, strict=True)]
    if 0 in batch:  # what it would be for harmless matrices
        blank = [np.eye(1, *c)[0] / 2 if len(c) == 1 else np.eye(*c) / 2 for c in cores]
        made = function(*[x.astype(a.dtype) for x, a in zip(blank, arrays, strict=True)])
        parts = made if isinstance(made, tuple) else (made,)
        empty = [np.zeros(batch + np.shape(x), np.asarray(x).dtype) for x in parts]
        return tuple(empty) if isinstance(made, tuple) else empty[0]
    full = [np.broadcast_to(a, batch + c) for a, c in zip(arrays, cores, strict=True)]
    results = [function(*[a[place] for a in full]) for place in np.ndindex(*batch)]
    if not isinstance(results[0], tuple):
        return np.reshape(np.stack(results), batch + np.shape(results[0]))
    columns = list(zip(*results, strict=True))
    return tuple([np.reshape(np.stack(c), batch + np.shape(c[0])) for c in columns])


def common(arrays: Sequence[Any]) -> list[Any]:
    """The arrays in the dtype that LAPACK computes with."""
    dtypes = [np.dtype("float64") if a.dtype.kind not in "fc" else a.dtype for a in arrays]
    dtype = np.result_type(*dtypes)
    if dtype.char not in "fdFD":
        raise TypeError(f"no linear algebra in {dtype}")
    return [a.astype(dtype, copy=False) for a in arrays]


def like_lapack(
    function: Callable[..., Any], ranks: Sequence[int], square: Sequence[int] = ()
) -> Callable[..., Any]:
    """SciPy's function as a reference: stacks and dtypes as in NumPy's linear algebra.

    Integers count as float64, float16 is refused, one dtype for all arrays, and single precision
    stays single. `ranks`: of the arrays, 1 for vectors; -2: vectors (n,) or matrices (…, n, k).
    `square`: which arrays are square matrices, if they are not all of them that SciPy refuses.
    """

    def reference(*given: Any, **keywords: Any) -> Any:
        arrays = common([np.asarray(a) for a in given])
        vector = [r == -2 and a.ndim == 1 for a, r in zip(arrays, ranks, strict=True)]
        arrays = [a[:, None] if v else a for a, v in zip(arrays, vector, strict=True)]
        for a, rank in zip(arrays, ranks, strict=True):
            if a.ndim < abs(rank):
                raise ValueError(f"{a.ndim} axes, {abs(rank)} are needed")
        if any([arrays[i].shape[-1] != arrays[i].shape[-2] for i in square]):
            raise ValueError("a matrix is not square")
        call = lambda *matrices: function(*matrices, **keywords)  # noqa: E731
        found = stacked(call, [abs(r) for r in ranks], arrays)
        if isinstance(found, tuple):
            return tuple([_single(x, arrays[0].dtype) for x in found])
        return _single(found[..., 0] if any(vector) else found, arrays[0].dtype)

    return reference


def _single(found: Any, dtype: np.dtype[Any]) -> Any:
    """In the precision of `dtype`, if SciPy gives more."""
    if found.dtype.kind in "fc" and dtype.char in "fF":
        return found.astype("complex64" if found.dtype.kind == "c" else "float32")
    return found
