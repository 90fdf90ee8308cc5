"""Products that sum over axes: matmul, and what is made of it (dot, tensordot, inner, …)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError
from graphad.ir.families.common import (
    broadcast_shapes,
    clash,
    normalize_axis,
    public,
    weigh,
)
from graphad.ir.families.contraction import Contraction
from graphad.ir.families.stacks import lifted
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Variable, as_variable, describe


def _matmul_shape(a: Shape, b: Shape) -> Shape:
    if not a or not b:
        raise ShapeError(
            "matmul (@) needs at least one axis on both sides, one operand is a scalar",
            remedy="multiply by a scalar with *",
        )
    inner_a, inner_b = a[-1], b[-2] if len(b) > 1 else b[0]
    joint = joint_size(inner_a, inner_b)
    if joint is None or (1 in (inner_a, inner_b) and inner_a != inner_b):
        raise clash(
            "matmul (@)", [a, b], (inner_a, 0, len(a) - 1), (inner_b, 1, max(len(b) - 2, 0))
        )
    batch = broadcast_shapes("matmul (@)", [a[:-2], b[:-2]])
    rows = a[-2:-1] if len(a) > 1 else ()
    columns = b[-1:] if len(b) > 1 else ()
    return (*batch, *rows, *columns)


def _flat(x: Variable) -> Variable:
    """A stack of matrices (…, n, k) as one matrix, one below the other."""
    return OPS["reshape"](x, (_product(x.shape[:-1]), x.shape[-1]))


def _matmul_vjp(
    g: Variable, a: Variable, b: Variable, strong: Sequence[int]
) -> Sequence[Callable[[], Variable]]:
    """C = A B;  Ā = C̄ Bᵀ,  B̄ = Aᵀ C̄; vectors are columns or rows as their place demands."""
    keep_a, keep_b = 0 in strong, 1 in strong
    if a.ndim == 1 and b.ndim == 1:
        return lambda: weigh(g, b, keep_b), lambda: weigh(g, a, keep_a)
    if a.ndim == 2 and b.ndim == 1:
        return lambda: weigh(g[:, None], b, keep_b), lambda: _matmul.times(g, a, 0, keep_a)
    if a.ndim == 1 and b.ndim == 2:
        return lambda: _matmul.times(g, b, 1, keep_b), lambda: weigh(g, a[:, None], keep_a)
    row = a[None, :] if a.ndim == 1 else a
    column = b[:, None] if b.ndim == 1 else b
    if a.ndim == 1:
        g = OPS["expand_dims"](g, -2)
    if b.ndim == 1:
        g = OPS["expand_dims"](g, -1)

    def to_a() -> Variable:
        found = _matmul.times(g, column.mT, 0, keep_b)
        return OPS["sum"](found, axis=-2) if a.ndim == 1 else found

    def to_b() -> Variable:
        if row.ndim > 2 and column.ndim == 2:  # one product, without a stack of matrices to add
            found = _matmul.times(_flat(g), _flat(row).mT, 1, keep_a)
        else:
            found = _matmul.times(g, row.mT, 1, keep_a)
        return OPS["sum"](found, axis=-1) if b.ndim == 1 else found

    return to_a, to_b


def _matmul_rows(
    product: Callable[..., Variable], node: Apply, operands: Sequence[Variable],
    batched: Sequence[bool],
) -> Variable:  # fmt: skip
    """One product where one operand is the same for all rows, else a stack of products.

    Vectors become rows or columns where the axis of the stack would be taken for one of a matrix.
    """
    (a, b), ranks = operands, [v.ndim for v in node.inputs]
    if not batched[1] and ranks[1] <= 2:
        if ranks[0] == 1:  # (rows, k) @ (k, …)
            return product(a, b)
        flat = product(_flat(a), b)  # the rows of all matrices below each other
        result: Variable = OPS["reshape"](flat, (*a.shape[:-1], *b.shape[1:]))
        return result
    if not batched[0] and ranks == [2, 1]:  # each (n, k) @ (k,), as (rows, k) @ (k, n)
        return product(b, a.mT, turned=True)
    if not batched[0] and ranks == [1, 1]:
        return product(b, a, turned=True)
    stack = max(ranks) - 2 if max(ranks) > 2 else 0
    row, column = ranks[0] == 1, ranks[1] == 1
    a = OPS["expand_dims"](a, -2) if row else a
    b = OPS["expand_dims"](b, -1) if column else b
    a = lifted(a, stack + 2) if batched[0] else a
    b = lifted(b, stack + 2) if batched[1] else b
    gone = tuple([axis for axis, is_gone in ((-2, row), (-1, column)) if is_gone])
    found = product(a, b)
    return OPS["squeeze"](found, axis=gone) if gone else found


_matmul = Contraction(
    "matmul", shape=_matmul_shape, value=lambda xp, a, b: xp.matmul(a, b), vjp=_matmul_vjp,
    batch=_matmul_rows,
)  # fmt: skip


def _pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> Callable[..., list[Sample]]:
    return lambda rng: [Sample((rng.normal(size=a), rng.normal(size=b))) for a, b in shapes]


@public(np.matmul, np.linalg.matmul, aliases=("linalg.matmul",), topic="contraction",
        samples=_pairs(
    ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((2, 1, 2, 3), (4, 3, 2)),
    ((0, 3), (3, 2)), ((2, 0), (0, 2))))  # fmt: skip
def matmul(a: Any, b: Any) -> Variable:
    """Matrix product ``a @ b``, as ``np.matmul``: (…, n, k) and (…, k, m) give (…, n, m).

    Leading axes broadcast; a vector is a row on the left and a column on the right.
    Raises ShapeError, which says where both sizes come from, when the inner sizes differ.

    >>> import graphad as ga
    >>> (ga.matrix("x", shape=("batch", 3)) @ ga.matrix("w", shape=(3, 2))).type
    float64[batch, 2]
    """
    return _matmul(a, b)


@public(np.dot, topic="contraction", samples=_pairs(
    ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((), (3,)),
    ((2, 3, 4), (5, 4, 2))))  # fmt: skip
def dot(a: Any, b: Any) -> Variable:
    """As ``np.dot``: product of scalars and arrays, inner product of vectors, matrix product,
    in general the sum over the last axis of `a` and the last but one of `b`.

    >>> import graphad as ga
    >>> float(ga.dot(ga.constant([1.0, 2.0]), [3.0, 4.0]).eval())
    11.0
    """
    first, second = as_variable(a), as_variable(b)
    if first.ndim == 0 or second.ndim == 0:
        return first * second
    if (second.ndim <= 2 or first.ndim == 1) and second.ndim <= 2:
        return _matmul(first, second)
    return tensordot(first, second, ([first.ndim - 1], [second.ndim - 2]))


@public(np.inner, topic="contraction", samples=_pairs(((3,), (3,)), ((2, 3), (4, 3)), ((), (3,))))
def inner(a: Any, b: Any) -> Variable:
    """Sum over the last axes of both operands, as ``np.inner``.

    >>> import graphad as ga
    >>> ga.inner(ga.matrix("a", shape=(2, 3)), ga.matrix("b", shape=(4, 3))).type
    float64[2, 4]
    """
    first, second = as_variable(a), as_variable(b)
    if first.ndim == 0 or second.ndim == 0:
        return first * second
    return tensordot(first, second, ([first.ndim - 1], [second.ndim - 1]))


@public(np.outer, topic="contraction", samples=_pairs(((3,), (2,)), ((2, 2), (3,))))
def outer(a: Any, b: Any) -> Variable:
    """All products of an element of `a` and one of `b` (both flattened): (n, m), as ``np.outer``.

    >>> import graphad as ga
    >>> ga.outer(ga.vector("a", shape=(2,)), ga.vector("b", shape=(3,))).type
    float64[2, 3]
    """
    first, second = as_variable(a), as_variable(b)
    first = first if first.ndim == 1 else OPS["ravel"](first)
    second = second if second.ndim == 1 else OPS["ravel"](second)
    return first[:, None] * second


@public(np.vdot, topic="contraction", samples=_pairs(((3,), (3,)), ((2, 3), (2, 3))))
def vdot(a: Any, b: Any) -> Variable:
    """Σ conj(a)·b over all elements, as ``np.vdot``.

    >>> import graphad as ga
    >>> float(ga.vdot(ga.constant([1.0, 2.0]), [3.0, 4.0]).eval())
    11.0
    """
    first, second = OPS["ravel"](as_variable(a)), OPS["ravel"](as_variable(b))
    return _matmul(OPS["conj"](first) if first.dtype.kind == "c" else first, second)


@public(np.tensordot, np.linalg.tensordot, aliases=("linalg.tensordot",), topic="contraction",
        samples=lambda rng: [
    Sample((rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 4, 5)))),
    Sample((rng.normal(size=(2, 3)), rng.normal(size=(3, 4))), {"axes": 1}),
    Sample((rng.normal(size=2), rng.normal(size=3)), {"axes": 0}),
    Sample((rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 2))), {"axes": ((0, 2), (1, 0))}),
])  # fmt: skip
def tensordot(a: Any, b: Any, axes: Any = 2) -> Variable:
    """Sum over pairs of axes, as ``np.tensordot``: the last n of `a` with the first n of `b`, or
    the axes listed in the pair `axes`.

    >>> import graphad as ga
    >>> a, b = ga.tensor("a", shape=(2, 3, 4)), ga.tensor("b", shape=(4, 3))
    >>> ga.tensordot(a, b, ((1, 2), (1, 0))).type
    float64[2]
    """
    first, second = as_variable(a), as_variable(b)
    left: list[Any]
    right: list[Any]
    if isinstance(axes, int | np.integer):
        count = int(axes)
        left, right = list(range(first.ndim - count, first.ndim)), list(range(count))
    else:
        left, right = ([x] if isinstance(x, int | np.integer) else list(x) for x in axes)
    if len(left) != len(right):
        raise AxisError(
            f"tensordot: axes={axes!r} lists {len(left)} and {len(right)} axes",
            remedy=f"name as many axes of {describe(first)} as of {describe(second)}",
        )
    left = [normalize_axis(i, first.ndim, "tensordot") for i in left]
    right = [normalize_axis(i, second.ndim, "tensordot") for i in right]
    return _joined_product(first, second, left, right)


def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def _joined_product(a: Variable, b: Variable, left: list[int], right: list[int]) -> Variable:
    """One matrix product: kept axes of each side and summed axes become one axis each."""
    for i, j in zip(left, right, strict=True):
        sizes = a.type.shape[i], b.type.shape[j]
        known = isinstance(sizes[0], int) and isinstance(sizes[1], int)
        if joint_size(*sizes) is None or (known and sizes[0] != sizes[1]):
            raise clash("tensordot", [a.type.shape, b.type.shape],
                        (sizes[0], 0, i), (sizes[1], 1, j))  # fmt: skip
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [j for j in range(b.ndim) if j not in right]
    first, second = OPS["transpose"](a, (*rows, *left)), OPS["transpose"](b, (*right, *columns))
    n, k = [a.shape[i] for i in rows], [a.shape[i] for i in left]
    m, k2 = [b.shape[j] for j in columns], [b.shape[j] for j in right]
    if len(left) > 1 and k != k2:  # which fails at run time unless they are equal
        first, second = (
            OPS["broadcast_to"](first, (*n, *k2)),
            OPS["broadcast_to"](second, (*k, *m)),
        )
    product = _matmul(
        OPS["reshape"](first, (_product(n), _product(k))),
        OPS["reshape"](second, (_product(k2), _product(m))),
    )
    return OPS["reshape"](product, (*n, *m))
