"""Norms of vectors and matrices, and condition numbers: `norm`, vector_norm, matrix_norm, cond.

Conventions where a norm has a kink: the derivative of a 2-norm, Frobenius norm or p-norm at 0 is
0; |x| has derivative 0 at 0; largest and smallest elements that are equal share the derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, UseError
from graphad.ir.families.common import normalize_axes, public
from graphad.ir.families.decomposition import matrix_shape, square_shape
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.linalg.svd import largest, svdvals
from graphad.ops.linalg.systems import inverse_or_nan, regular

_Axes = tuple[int, ...]


def _floating(x: Any) -> Variable:
    variable = as_variable(x)
    return variable if variable.dtype.kind in "fc" else variable.astype("float64")


def _root_at(total: Variable, root: Any) -> Variable:
    """`root(total)`, with value and derivative 0 where total = 0."""
    zero = total == 0
    return OPS["where"](zero, 0, root(OPS["where"](zero, 1, total)))


def _euclidean(x: Variable, axes: _Axes, keepdims: bool) -> Variable:
    """√Σ|x|²."""
    if x.dtype.kind == "c":
        squares = OPS["square"](OPS["real"](x)) + OPS["square"](OPS["imag"](x))
    else:
        squares = OPS["square"](x)
    return _root_at(OPS["sum"](squares, axis=axes, keepdims=keepdims), OPS["sqrt"])


def _vector(x: Variable, order: Any, axes: _Axes, keepdims: bool) -> Variable:
    """The p-norm over `axes`."""
    if order is None or order == 2:
        return _euclidean(x, axes, keepdims)
    if isinstance(order, str):
        raise UseError(
            f"norm: ord={order!r} of vectors", remedy='a number, np.inf, -np.inf; "fro", "nuc" '
            "are norms of matrices: give two axes")  # fmt: skip
    keywords: dict[str, Any] = {"axis": axes, "keepdims": keepdims}
    if order == 0:
        return OPS["sum"]((x != 0).astype(OPS["real"](x).dtype), **keywords)
    size = OPS["abs"](x)
    if order == np.inf:
        return largest(size, **keywords)
    if order == -np.inf:
        return OPS["min"](size, **keywords)
    if order == 1:
        return OPS["sum"](size, **keywords)
    if 0 < order < 1:  # |x|^p has the slopes -∞ and ∞ at 0: the derivative counts as 0
        powers = OPS["where"](size == 0, 0, OPS["where"](size == 0, 1, size) ** float(order))
    else:
        powers = size ** float(order)
    total = OPS["sum"](powers, **keywords)
    return _root_at(total, lambda t: t ** (1.0 / float(order)))


# The norm of matrices: what is taken of the column sums, or (second entry) of singular values.
_MATRIX: dict[Any, tuple[str, bool]] = {
    1: ("largest", False), -1: ("min", False),
    2: ("largest", True), -2: ("min", True), "nuc": ("sum", True),
}  # fmt: skip


def _matrix(x: Variable, order: Any, axes: _Axes, keepdims: bool) -> Variable:
    """The norm of matrices whose rows and columns are the two `axes`."""
    if order is None or order in ("fro", "f"):
        return _euclidean(x, axes, keepdims)
    rows, columns = axes
    if order in (np.inf, -np.inf):
        rows, columns, order = columns, rows, 1 if order > 0 else -1
    if order not in _MATRIX:
        raise UseError(
            f"norm: ord={order!r} of matrices",
            remedy='choose 1, -1, 2, -2, np.inf, -np.inf, "fro" or "nuc"',
        )
    kind, singular = _MATRIX[order]
    if singular:
        parts, along = svdvals(OPS["moveaxis"](x, axes, (-2, -1))), (x.ndim - 2,)
    else:
        parts, along = OPS["sum"](OPS["abs"](x), axis=rows), (columns - (columns > rows),)
    result = largest(parts, axis=along, keepdims=False) if kind == "largest" else (
        OPS[kind](parts, axis=along))  # fmt: skip
    return OPS["expand_dims"](result, tuple(sorted(axes))) if keepdims else result


def _padded(norm: Any) -> Any:
    """NumPy's norm; of arrays without elements as NumPy 2.3 defines it (by zeros around them)."""

    def reference(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        if np.size(x) == 0 and not (isinstance(ord, int | float) and ord < 0):
            chosen = range(np.ndim(x)) if axis is None else np.atleast_1d(axis) % np.ndim(x)
            x = np.pad(x, [(0, 1) if i in chosen else (0, 0) for i in range(np.ndim(x))])
        return norm(x, ord, axis, keepdims)

    return reference


def _norm_samples(rng: np.random.Generator) -> list[Sample]:
    x = np.array([[1.5, -2.25, 0.75, 3.125], [-1.25, 2.5, 4.5, 1.125], [2.75, 1.0625, -3.5, 2.0]])
    stack = np.stack([x, x[:, ::-1] * 1.25])
    choices: Sequence[dict[str, Any]] = (
        {}, {"axis": 1}, {"ord": 1, "axis": 0}, {"ord": 3, "axis": -1, "keepdims": True},
        {"ord": np.inf, "axis": 1}, {"ord": -np.inf, "axis": 0}, {"ord": 0, "axis": 0},
        {"ord": 1}, {"ord": -1}, {"ord": np.inf}, {"ord": -np.inf}, {"ord": "fro"},
        {"ord": 2}, {"ord": -2}, {"ord": "nuc", "keepdims": True}, {"ord": 0.5, "axis": 1},
    )  # fmt: skip
    wide: Sequence[dict[str, Any]] = (
        {}, {"axis": (0, 2)}, {"axis": (2, 1), "ord": 1, "keepdims": True},
        {"axis": (1, 0), "ord": 2}, {"axis": 2, "ord": 2},
    )  # fmt: skip
    return [*[Sample((x,), c) for c in choices], *[Sample((stack,), c) for c in wide]]


@public(
    np.linalg.norm, namespace="linalg", samples=_norm_samples, reference=_padded(np.linalg.norm)
)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Variable:
    """Norm of vectors (axis an int) or matrices (axis a pair of ints), as ``np.linalg.norm``.

    Without `axis` and `ord` the 2-norm of all elements; without `axis`, x is a vector or a matrix.
    Of vectors: ord is a number p, Σ|x|^p to the power 1/p; inf, -inf: largest, smallest |x|; 0:
    how many are not zero. Of matrices: "fro", "nuc" (sum of the singular values), 2, -2 (largest,
    smallest singular value), 1, -1 (largest, smallest column sum of |x|), inf, -inf (row sum).
    The derivative at x = 0 is 0, a subgradient. Raises UseError for another `ord`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> slope = ga.grad(ga.linalg.norm(x), x)
    >>> slope.eval({x: [3.0, 4.0]}), slope.eval({x: [0.0, 0.0]})
    (array([0.6, 0.8]), array([0., 0.]))
    """
    variable = _floating(x)
    if axis is None and ord is None:
        return _euclidean(variable, tuple(range(variable.ndim)), keepdims)
    given: Any = tuple(range(variable.ndim)) if axis is None else axis
    axes = tuple(given) if isinstance(given, tuple | list) else (given,)
    axes = tuple([normalize_axes(a, variable.ndim, "norm")[0] for a in axes])
    if len(axes) == 1:
        return _vector(variable, ord, axes, keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise AxisError(
            f"norm: axis={axis!r} of an array with {variable.ndim} axes",
            remedy="name one axis (vectors) or two different ones (matrices)",
        )
    return _matrix(variable, ord, axes, keepdims)


def _vector_reference(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    axes = tuple(range(np.ndim(x))) if axis is None else axis
    call = lambda x, o, a, k: np.linalg.vector_norm(x, ord=o, axis=a, keepdims=k)  # noqa: E731
    return _padded(call)(x, ord, axes, keepdims)


def _matrix_reference(x: Any, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _padded(np.linalg.norm)(x, ord, (-2, -1), keepdims)


@public(np.linalg.vector_norm, namespace="linalg", reference=_vector_reference,
        samples=lambda rng: [
    Sample((rng.permutation(12).reshape(2, 3, 2) / 4 + 1.25,), k) for k in (
        {}, {"axis": 1}, {"axis": (0, 2), "ord": 1}, {"axis": (1, 2), "keepdims": True},
        {"ord": np.inf}, {"ord": 3, "axis": -1})])  # fmt: skip
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Variable:
    """p-norm over `axis` (None: over all elements), as ``np.linalg.vector_norm``; see `norm`.

    >>> import graphad as ga
    >>> float(ga.linalg.vector_norm(ga.constant([[1.0, -2.0], [3.0, 4.0]]), ord=1).eval())
    10.0
    """
    variable = _floating(x)
    return _vector(variable, ord, normalize_axes(axis, variable.ndim, "vector_norm"), keepdims)


@public(np.linalg.matrix_norm, namespace="linalg", reference=_matrix_reference,
        samples=lambda rng: [
    *[Sample((regular(rng, 2, 3, 3),), k) for k in ({}, {"ord": 2})],
    *[Sample((rng.permutation(18).reshape(2, 3, 3) / 4 - 1.625,), k) for k in (
        {"ord": 1}, {"ord": np.inf, "keepdims": True})]])  # fmt: skip
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Variable:
    """Norm of each matrix (…, m, n), as ``np.linalg.matrix_norm``; see `norm`.

    >>> import numpy as np, graphad as ga
    >>> float(ga.linalg.matrix_norm(ga.constant([[1.0, -2.0], [3.0, 4.0]]), ord=np.inf).eval())
    7.0
    """
    variable = _floating(x)
    matrix_shape("matrix_norm", variable.type)
    return _matrix(variable, ord, (variable.ndim - 2, variable.ndim - 1), keepdims)


# ---- condition number ------------------------------------------------------------------------
def _cond_reference(x: Any, p: Any = None) -> Any:
    return np.real(np.linalg.cond(x, p))  # NumPy 2.0 gives complex64 for complex64


@public(np.linalg.cond, namespace="linalg", reference=_cond_reference, samples=lambda rng: [
    Sample((regular(rng, 2, 3, 3),), {"p": p}) for p in (None, -2, 1, np.inf, "fro")
])  # fmt: skip
def cond(x: Any, p: Any = None) -> Variable:
    """Condition number of each matrix, ‖x‖·‖x⁻¹‖ in the norm `p` (None: 2), as ``np.linalg.cond``.

    x (…, n, n) gives (…); for p = None, 2 or -2 also (…, m, n): the quotient of the largest and
    the smallest singular value. It is infinite for a singular matrix, which has no derivative.

    >>> import graphad as ga
    >>> float(ga.linalg.cond(ga.constant([[2.0, 0.0], [0.0, 8.0]])).eval())
    4.0
    """
    variable = _floating(x)
    if p is None or p in (2, -2):
        singular = svdvals(variable)
        ends = (singular[..., 0], singular[..., -1])
        found = ends[1] / ends[0] if p == -2 else ends[0] / ends[1]
    else:
        square_shape("cond", variable.type)
        axes = (variable.ndim - 2, variable.ndim - 1)
        found = _matrix(variable, p, axes, False) * _matrix(
            inverse_or_nan(variable), p, axes, False
        )
    unknown = OPS["any"](OPS["isnan"](variable), axis=(-2, -1))
    return OPS["where"](OPS["isnan"](found) & ~unknown, np.inf, found)
