"""Triangular systems and LU decompositions, batched: solve_triangular, lu, lu_factor, lu_solve.

Derivative of P·L·U: F. de Hoog, R. Anderssen, M. Lukas, "Differentiation of matrix functionals
using triangular factorization" (2011), at constant P; with transposes that are not conjugated,
since for complex arrays a gradient is ∂u/∂x - i·∂u/∂y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.common import Arrays, public
from graphad.ir.families.decomposition import (
    Cotangents,
    MatrixOp,
    adjoint,
    lapack_dtype,
    matrix_shape,
    real_dtype,
    times,
    total,
    triangle,
)
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.sizes import minimum
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.linalg.lapack import common, factored, like_lapack, solved_triangle, stacked
from graphad.ops.linalg.systems import regular, right_sides, solve_types, zeros_kept

Rules = Sequence[Callable[[], Variable | None]]


# ---- triangular systems ----------------------------------------------------------------------
def _part(x: Variable, lower: bool, unit: bool = False) -> Variable:
    """One triangle, with the diagonal unless that counts as ones."""
    sign = "greater" if lower else "less"
    return triangle(x, sign if unit else f"{sign}_equal")


def _triangular_value(a: Any, b: Any, lower: bool, unit: bool, strong: bool = False) -> Any:
    def one(a: Any, b: Any) -> Any:
        if a.shape != b.shape[:1] * 2:
            raise ValueError(f"solve_triangular: {a.shape} does not fit {b.shape}")
        return solved_triangle(a, b, lower, unit)

    found = stacked(one, (2, 2), common([a, b]))
    return zeros_kept(found, b) if strong else found


def _triangular_vjp(node: Apply, gs: Cotangents) -> Rules:
    """X = A⁻¹B;  B̄ = A⁻ᵀ X̄,  Ā: the triangle of -B̄ Xᵀ."""
    (a, _), x, g, params = node.inputs, node.output(0), gs[0], node.op.params
    assert g is not None
    lower, unit = params["lower"], params["unit"]
    to_b = _triangular(a.mT, g, lower=not lower, unit=unit, strong=True)
    return lambda: _part(-times(to_b, x.mT), lower, unit), lambda: to_b


def _triangular_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """dX = A⁻¹(dB - dA X)."""
    (a, _), x, (to_a, to_b) = node.inputs, node.output(0), ts
    lower, unit = node.op.params["lower"], node.op.params["unit"]
    moved = total([to_b, None if to_a is None else -times(_part(to_a, lower, unit), x)])
    return (_triangular(a, moved, lower=lower, unit=unit, strong=True),)


_triangular = MatrixOp(
    "solve_triangular", types=lambda a, b, **params: solve_types("solve_triangular", a, b),
    value=_triangular_value, vjp=_triangular_vjp, jvp=_triangular_jvp, hazard=RISKY,
    columns=True)  # fmt: skip


def _turn(name: str, trans: Any) -> int:
    found = {0: 0, "N": 0, 1: 1, "T": 1, 2: 2, "C": 2}.get(trans)
    if found is None:
        raise UseError(f"{name}: trans={trans!r}", remedy='choose 0, 1 or 2 ("N", "T" or "C")')
    return found


def triangular(a: Variable, b: Any, trans: int, lower: bool, unit: bool = False) -> Variable:
    """x of a·x = b, aᵀ·x = b, aᴴ·x = b for trans 0, 1, 2; b (…, n, k)."""
    matrix = (a, a.mT, adjoint(a))[trans] if trans else a
    return _triangular(matrix, b, lower=lower != bool(trans), unit=unit)


def _scipy(name: str, **keywords: Any) -> Any:
    return like_lapack(lambda *xs, **k: getattr(scipy("linalg"), name)(*xs, **k), **keywords)


def _triangular_reference(a: Any, b: Any, **keywords: Any) -> Any:
    def call(a: Any, b: Any, **keywords: Any) -> Any:
        if not b.size and a.shape[0] == b.shape[0]:
            return b
        return scipy("linalg").solve_triangular(a, b, **keywords)

    return like_lapack(call, (2, -2), (0,))(a, b, **keywords)


@public(namespace="linalg", reference=_triangular_reference, samples=lambda rng: [
    Sample((regular(rng, 3, 3), rng.normal(size=3))),
    Sample((regular(rng, 3, 3), rng.normal(size=(3, 2))), {"lower": True}),
    Sample((regular(rng, 2, 2, 2), rng.normal(size=(2, 2))), {"lower": True, "trans": 1}),
    Sample((regular(rng, 2, 2), rng.normal(size=2)), {"unit_diagonal": True, "trans": "C"}),
])  # fmt: skip
def solve_triangular(
    a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Variable:
    """x with a·x = b for triangular matrices, as ``scipy.linalg.solve_triangular``; needs SciPy.

    a (…, n, n), of which one triangle is read: the upper one, or with `lower` the lower one; with
    unit_diagonal the diagonal counts as ones and is not read. b: a vector (n,) or matrices
    (…, n, k). trans: 0 or "N"; 1 or "T" for aᵀ·x = b; 2 or "C" for aᴴ·x = b. Raises ShapeError for
    sizes that clash, and np.linalg.LinAlgError for a zero on the diagonal.

    >>> import graphad as ga
    >>> a = ga.constant([[1.0, 0.0], [3.0, 2.0]])
    >>> ga.linalg.solve_triangular(a, [1, 5], lower=True).eval()
    array([1., 1.])
    """
    turn = _turn("solve_triangular", trans)
    call = lambda m, x: triangular(as_variable(m), x, turn, lower, unit_diagonal)  # noqa: E731
    return right_sides("solve_triangular", call, a, b)


# ---- LU, in one matrix -----------------------------------------------------------------------
def _rows_of(pivots: Any, m: int) -> Any:
    """The row of A in each row of L·U, after row i was swapped with row pivots[i] for each i."""
    rows = np.empty((*pivots.shape[:-1], m), pivots.dtype)
    for place in np.ndindex(pivots.shape[:-1]):
        order = list(range(m))  # a list is swapped faster than an array
        for i, other in enumerate(pivots[place].tolist()):
            order[i], order[other] = order[other], order[i]
        rows[place] = order
    return rows


def _getrf_types(a: TensorType) -> Sequence[TensorType]:
    stack, m, n = matrix_shape("lu", a)
    k = minimum(m, n)
    return (
        TensorType(lapack_dtype("lu", a), (*stack, m, n)),
        TensorType("int32", (*stack, k)),
        TensorType("int32", (*stack, m)),
    )


def _getrf_value(a: Any) -> Any:
    def one(a: Any) -> Any:
        if not a.size:
            pivots = np.zeros(min(a.shape), "int32")
            return a, pivots, np.arange(a.shape[0], dtype="int32")
        packed, pivots = factored(a)
        return packed, pivots, _rows_of(pivots, a.shape[0])

    packed, pivots, rows = stacked(one, (2,), common([a]))
    return packed, pivots.astype("int32", copy=False), rows.astype("int32", copy=False)


def _identity(like: Variable, size: Any) -> Variable:
    eye = OPS["eye"](size, dtype=like.dtype)
    return OPS["broadcast_to"](eye, (*like.shape[:-2], size, size)) if like.ndim > 2 else eye


def _squares(packed: Variable, pivots: Variable) -> tuple[Variable, Variable]:
    """L (m, m) and U (n, n), completed by ones on the diagonal, of a packed (m, n)."""
    (m, n), k = packed.shape[-2:], pivots.shape[-1]
    lower, upper = triangle(packed, "greater"), triangle(packed, "less_equal")
    below, right = _identity(packed, m), _identity(packed, n)
    if k != n:
        upper = OPS["concatenate"]([upper[..., :k, :], right[..., k:, :]], axis=-2)
    elif k != m:
        upper = upper[..., :k, :]
    lower = lower[..., :k]
    if k != m:
        lower = OPS["concatenate"]([lower, OPS["zeros_like"](below)[..., k:]], axis=-1)
    return lower + below, upper


def _permuted(x: Variable, rows: Variable) -> Variable:
    return OPS["take_along_axis"](x, rows[..., None], axis=-2)


def _order(rows: Variable) -> Variable:
    """The inverse of a permutation."""
    return OPS["argsort"](rows, axis=-1)


def _getrf_vjp(node: Apply, gs: Cotangents) -> Rules:
    """With X = L⁻¹ Pᵀ dA U⁻¹: dL = L·tril(X, -1), dU = triu(X)·U; the transpose of that."""
    (packed, pivots, rows), g = node.outputs, gs[0]
    if g is None:
        return (lambda: None,)

    def to_a() -> Variable:
        lower, upper = _squares(packed, pivots)
        first = triangle(lower.mT @ triangle(g, "greater"), "greater")
        second = triangle(triangle(g, "less_equal") @ upper.mT, "less_equal")
        left = triangular(lower, first + second, 1, True, True)
        return _permuted(triangular(upper, left.mT, 0, False).mT, _order(rows))

    return (to_a,)


def _getrf_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable | None]:
    (packed, pivots, rows), t = node.outputs, ts[0]
    assert t is not None
    lower, upper = _squares(packed, pivots)
    left = triangular(lower, _permuted(t, rows), 0, True, True)
    x = triangular(upper, left.mT, 1, False).mT
    moved = lower @ triangle(x, "greater") + triangle(x, "less_equal") @ upper
    return moved, None, None


_getrf = MatrixOp("lu", types=_getrf_types, value=_getrf_value, vjp=_getrf_vjp, jvp=_getrf_jvp)
_pivoted = MatrixOp(
    "pivoted_rows", types=lambda pivots: (pivots,), vjp=lambda node, gs: (lambda: None,),
    value=lambda pivots: _rows_of(pivots, pivots.shape[-1]), core=(1,))  # fmt: skip


# ---- LU, as in SciPy -------------------------------------------------------------------------
def _mixed(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Matrices whose rows are exchanged, with pivots that are clearly the largest."""
    return np.ascontiguousarray(regular(rng, *shape)[..., ::-1, :])


def _lu_reference(a: Any, **keywords: Any) -> Any:
    """SciPy's; of (m, 0) with all of the permutation, of which SciPy has nothing, and with a real
    permutation of a single complex number too."""

    def call(a: Any, **keywords: Any) -> Any:
        found = scipy("linalg").lu(np.array(a), **keywords)  # some versions refuse odd memory
        if len(found) == 2:
            return found
        if a.shape[1]:
            return (found[0].real, *found[1:])
        eye = np.eye(a.shape[0], dtype=found[0].dtype)
        rows = np.arange(a.shape[0], dtype=found[0].dtype)
        return (rows if keywords.get("p_indices") else eye, *found[1:])

    return like_lapack(call, (2,))(a, **keywords)


@public(namespace="linalg", reference=_lu_reference, samples=lambda rng: [
    *[Sample((_mixed(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1)]],
    Sample((_mixed(rng, 3, 3)[:, :2],)), Sample((_mixed(rng, 3, 3)[:2],)),
    Sample((_mixed(rng, 3, 3),), {"permute_l": True}),
    Sample((_mixed(rng, 3, 3),), {"p_indices": True})])  # fmt: skip
def lu(a: Any, permute_l: bool = False, p_indices: bool = False) -> tuple[Variable, ...]:
    """(P, L, U) with a = P·L·U: a permutation, unit lower and upper triangular matrices.

    As ``scipy.linalg.lu``, which it needs: a (…, m, n), P (…, m, m), L (…, m, k), U (…, k, n) with
    k = min(m, n). permute_l: (P·L, U). p_indices: P as indices (…, m), a = L[P]·U. The derivative
    is the one at constant P, and needs the first k columns of `a` to be independent.

    >>> import graphad as ga
    >>> p, l, u = ga.linalg.lu(ga.constant([[1.0, 2.0], [2.0, 6.0]]))
    >>> l.eval(), u.eval()
    (array([[1. , 0. ],
           [0.5, 1. ]]), array([[ 2.,  6.],
           [ 0., -1.]]))
    """
    variable = as_variable(a)
    packed, pivots, rows = _getrf(variable)
    m, k = packed.shape[-2], pivots.shape[-1]
    lower = triangle(
        packed[..., :k], "greater", triangle(OPS["ones_like"](packed[..., :k]), "equal")
    )
    upper, order = triangle(packed[..., :k, :], "less_equal"), _order(rows).astype("int32")
    if permute_l:
        return _permuted(lower, order), upper
    if p_indices:
        return order, lower, upper
    matrix = OPS["equal"](order[..., :, None], OPS["arange"](m))
    return matrix.astype(real_dtype(packed.dtype)), lower, upper


class LUFactor(NamedTuple):
    """What `lu_factor` returns: L and U in one matrix, and the rows that were swapped."""

    lu: Variable
    piv: Variable


@public(namespace="linalg", reference=_scipy("lu_factor", ranks=(2,)), samples=lambda rng: [
    *[Sample((_mixed(rng, *s),)) for s in [(3, 3), (2, 2, 2), (1, 1)]],
    Sample((_mixed(rng, 3, 3)[:, :2],))])  # fmt: skip
def lu_factor(a: Any) -> LUFactor:
    """(lu, piv) for `lu_solve`, as ``scipy.linalg.lu_factor``, which it needs.

    lu (…, m, n): L below the diagonal, U on and above it; row i was swapped with row piv[i].

    >>> import graphad as ga
    >>> factors = ga.linalg.lu_factor(ga.constant([[1.0, 2.0], [2.0, 6.0]]))
    >>> ga.linalg.lu_solve(factors, [3.0, 8.0]).eval()
    array([1., 1.])
    """
    packed, pivots, _ = _getrf(a)
    return LUFactor(packed, pivots)


def _lu_solve_reference(factors: Any, b: Any, trans: int = 0) -> Any:
    packed, pivots = factors

    def call(packed: Any, b: Any) -> Any:
        return scipy("linalg").lu_solve((packed, pivots), b, trans)

    return like_lapack(call, (2, -2), (0,))(packed, b)


def _factors(rng: np.random.Generator, n: int) -> list[Any]:
    return [regular(rng, n, n), np.array([2, 1, 2][:n] if n > 2 else [1, 1], "int32")]


@public(namespace="linalg", reference=_lu_solve_reference, samples=lambda rng: [
    Sample((_factors(rng, 3), rng.normal(size=3))),
    Sample((_factors(rng, 3), rng.normal(size=(3, 2))), {"trans": 1}),
    Sample((_factors(rng, 2), rng.normal(size=(2, 2))), {"trans": 2})])  # fmt: skip
def lu_solve(lu_and_piv: Arrays, b: Any, trans: int = 0) -> Variable:
    """x with a·x = b from ``lu_factor(a)``, as ``scipy.linalg.lu_solve``, which it needs.

    b: a vector (n,) or matrices (…, n, k). trans: 1 for aᵀ·x = b, 2 for aᴴ·x = b.

    >>> import graphad as ga
    >>> factors = ga.linalg.lu_factor(ga.constant([[4.0, 0.0], [1.0, 2.0]]))
    >>> ga.linalg.lu_solve(factors, [4.0, 1.0], trans=1).eval()
    array([0.875, 0.5  ])
    """
    turn = _turn("lu_solve", trans)
    packed, pivots = (as_variable(x) for x in lu_and_piv)
    rows = _pivoted(pivots)

    def call(packed: Any, b: Variable) -> Variable:
        if not turn:
            left = triangular(packed, _permuted(b, rows), 0, True, True)
            return triangular(packed, left, 0, False)
        left = triangular(packed, b, turn, False)
        return _permuted(triangular(packed, left, turn, True, True), _order(rows))

    return right_sides("lu_solve", call, packed, b)
