"""What `numpy.linalg` has beside linear algebra: diagonal, outer, trace.

They work on the last axes, unlike the functions of the same names outside of ``linalg``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import public
from graphad.ir.families.decomposition import matrix_shape
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable, describe


@public(np.linalg.diagonal, namespace="linalg", samples=lambda rng: [
    Sample((rng.normal(size=(3, 4)),)), Sample((rng.normal(size=(2, 3, 3)),), {"offset": 1}),
    Sample((rng.normal(size=(3, 2)),), {"offset": -1})])  # fmt: skip
def diagonal(x: Any, /, *, offset: int = 0) -> Variable:
    """Elements x[…, i, i + offset] of each matrix, as ``np.linalg.diagonal``.

    >>> import graphad as ga
    >>> ga.linalg.diagonal(ga.tensor("x", shape=("n", 3, 4))).type
    float64[n, 3]
    """
    variable = as_variable(x)
    matrix_shape("diagonal", variable.type)
    return OPS["diagonal"](variable, offset, -2, -1)


@public(np.linalg.trace, namespace="linalg", samples=lambda rng: [
    Sample((rng.normal(size=(3, 4)),)), Sample((rng.normal(size=(2, 3, 3)),), {"offset": 1}),
    Sample((rng.normal(size=(2, 2)),), {"dtype": "complex128"})])  # fmt: skip
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Variable:
    """Sum of a diagonal of each matrix: (…, m, n) gives (…), as ``np.linalg.trace``.

    >>> import graphad as ga
    >>> ga.linalg.trace(ga.tensor("x", shape=("n", 3, 3))).type
    float64[n]
    """
    variable = as_variable(x)
    matrix_shape("trace", variable.type)
    return OPS["trace"](variable, offset, -2, -1, dtype)


@public(np.linalg.outer, namespace="linalg", samples=lambda rng: [
    Sample((rng.normal(size=3), rng.normal(size=2)))])  # fmt: skip
def outer(x1: Any, x2: Any, /) -> Variable:
    """All products of elements of two vectors (n,) and (m,): (n, m), as ``np.linalg.outer``.

    Raises ShapeError for arrays that are no vectors.

    >>> import graphad as ga
    >>> ga.linalg.outer(ga.constant([1, 2]), [1, 10]).eval()
    array([[ 1, 10],
           [ 2, 20]])
    """
    first, second = as_variable(x1), as_variable(x2)
    for variable in (first, second):
        if variable.ndim != 1:
            raise ShapeError(
                f"outer: {describe(variable)} is no vector", remedy="use ga.outer, which ravels"
            )
    return first[:, None] * second
