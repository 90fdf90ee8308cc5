"""Products of many matrices: matrix_power and multi_dot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import Arrays, public
from graphad.ir.families.decomposition import square_shape
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.linalg.systems import inv, regular


# ---- products --------------------------------------------------------------------------------
def _power_samples(rng: np.random.Generator) -> list[Sample]:
    x = regular(rng, 2, 3, 3) / 2
    return [Sample((x if n % 2 else x[0],), {"n": n}) for n in (3, 2, 1, 0, -1, -2)]


@public(np.linalg.matrix_power, namespace="linalg", samples=_power_samples)
def matrix_power(a: Any, n: int) -> Variable:
    """a·a·…·a (n factors) of each matrix (…, m, m), as ``np.linalg.matrix_power``.

    n = 0 gives the identity, a negative n powers of the inverse.

    >>> import graphad as ga
    >>> ga.linalg.matrix_power(ga.constant([[1, 1], [0, 1]]), 5).eval()
    array([[1, 5],
           [0, 1]])
    """
    variable = as_variable(a)
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise UseError(f"matrix_power: the exponent {n!r} is not an integer")
    square_shape("matrix_power", variable.type)
    if n == 0:
        one = OPS["eye"](variable.shape[-1], dtype=variable.dtype)
        return OPS["broadcast_to"](one, variable.shape)
    base = variable if n > 0 else inv(variable)
    rows, columns = variable.shape[-2:]
    if n == 1 and rows != columns:  # known at run time only, and no product compares them
        return base @ OPS["eye"](rows, dtype=base.dtype)
    result: Variable | None = None
    count = abs(int(n))
    while count:
        if count % 2:
            result = base if result is None else result @ base
        count //= 2
        base = base @ base if count else base
    assert result is not None
    return result


def _cheapest(sizes: Sequence[Any]) -> dict[tuple[int, int], int]:
    """Where to split the product of matrices i … j with the fewest multiplications; sizes of the
    matrices are sizes[i], sizes[i + 1]. T. Cormen et al., "Introduction to Algorithms", 15.2."""
    known = [size if isinstance(size, int) else 64 for size in sizes]  # a guess
    cost = {(i, i): 0 for i in range(len(sizes) - 1)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, len(sizes) - 1):
        for i in range(len(sizes) - 1 - length):
            j = i + length
            options = [
                (cost[i, k] + cost[k + 1, j] + known[i] * known[k + 1] * known[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], split[i, j] = min(options)
    return split


@public(np.linalg.multi_dot, namespace="linalg", samples=lambda rng: [
    Sample(([rng.normal(size=s) for s in shapes],)) for shapes in [
        ((2, 3), (3, 4), (4, 2)), ((3,), (3, 4), (4, 2), (2,)), ((2, 3), (3, 2)),
        ((2, 3), (3, 4), (4, 2), (2, 3), (3, 1))]])  # fmt: skip
def multi_dot(arrays: Arrays) -> Variable:
    """Product of several matrices in the cheapest order, as ``np.linalg.multi_dot``.

    The first and the last may be vectors. Sizes unknown while building count as 64.
    Raises ShapeError for sizes that clash and arrays that are no matrices.

    >>> import graphad as ga
    >>> x = [ga.matrix("a", shape=("n", 3)), ga.matrix("b", shape=(3, 4)), ga.vector("c", shape=4)]
    >>> ga.linalg.multi_dot(x).type
    float64[n]
    """
    factors = [as_variable(x) for x in arrays]
    if len(factors) < 2:
        raise ShapeError("multi_dot: less than two arrays", remedy="give a list of matrices")
    if len(factors) == 2:
        return OPS["dot"](*factors)
    first, last = factors[0].ndim == 1, factors[-1].ndim == 1
    wrong = [x.ndim for i, x in enumerate(factors)
             if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(factors) - 1))]  # fmt: skip
    if wrong:
        raise ShapeError(
            f"multi_dot: an array with {wrong[0]} axes",
            remedy="the factors are matrices; the first and the last may be vectors",
        )
    factors[0] = factors[0][None, :] if first else factors[0]
    factors[-1] = factors[-1][:, None] if last else factors[-1]
    split = _cheapest([*[x.type.shape[0] for x in factors], factors[-1].type.shape[1]])
    made: dict[tuple[int, int], Variable] = {(i, i): x for i, x in enumerate(factors)}
    for i, j in sorted(_used(split, len(factors)), key=lambda pair: pair[1] - pair[0]):
        made[i, j] = made[i, split[i, j]] @ made[split[i, j] + 1, j]
    result = made[0, len(factors) - 1]
    ends = tuple([axis for axis, vector in enumerate((first, last)) if vector])
    return OPS["squeeze"](result, axis=ends) if ends else result


def _used(split: dict[tuple[int, int], int], count: int) -> set[tuple[int, int]]:
    """The partial products that the whole product is made of."""
    found: set[tuple[int, int]] = set()
    work = [(0, count - 1)]
    while work:
        i, j = work.pop()
        if i < j:
            found.add((i, j))
            work += [(i, split[i, j]), (split[i, j] + 1, j)]
    return found
