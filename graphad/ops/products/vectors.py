"""Products of vectors and matrices in stacks: vecdot, matvec, vecmat."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable, describe


def _pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
    return lambda rng: [Sample((rng.normal(size=a), rng.normal(size=b))) for a, b in shapes]


def _conj(x: Variable) -> Variable:
    return OPS["conj"](x) if x.dtype.kind == "c" else x


def _checked(name: str, a: Any, b: Any, ranks: tuple[int, int]) -> tuple[Variable, Variable]:
    first, second = as_variable(a), as_variable(b)
    for variable, rank in zip((first, second), ranks, strict=True):
        if variable.ndim < rank:
            raise ShapeError(
                f"{name}: {describe(variable)} has {variable.ndim} axes, {rank} are needed",
                remedy="insert axes with x[None, :], or use * for scalars",
            )
    return first, second


_np_vecdot: Any = np.vecdot  # its type stub knows no axis


@public(_np_vecdot, np.linalg.vecdot, aliases=("linalg.vecdot",), topic="contraction",
        samples=lambda rng: [
    *_pairs(((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)))(rng),
    Sample((rng.normal(size=(3, 2)), rng.normal(size=(3, 2))), {"axis": 0})])  # fmt: skip
def vecdot(x1: Any, x2: Any, axis: int = -1) -> Variable:
    """Σ conj(x1)·x2 along `axis`: (…, n) and (…, n) give (…), as ``np.vecdot``.

    >>> import graphad as ga
    >>> ga.vecdot(ga.constant([[1.0, 2.0], [3.0, 4.0]]), [1.0, 10.0]).eval()
    array([21., 43.])
    """
    first, second = _checked("vecdot", x1, x2, (1, 1))
    if axis != -1:
        first, second = (OPS["moveaxis"](v, axis, -1) for v in (first, second))
    product = _conj(first)[..., None, :] @ second[..., :, None]
    return OPS["squeeze"](product, axis=(-2, -1))


@public(
    np.matvec, topic="contraction",
    reference=lambda a, x: np.matmul(a, np.asarray(x)[..., None])[..., 0],
    samples=_pairs(((2, 3), (3,)), ((2, 2, 3), (3,)), ((2, 3), (4, 3))),
)  # fmt: skip
def matvec(x1: Any, x2: Any) -> Variable:
    """Matrix times vector: (…, m, n) and (…, n) give (…, m), as ``np.matvec``.

    >>> import graphad as ga
    >>> ga.matvec(ga.tensor("a", shape=("b", 2, 3)), ga.matrix("x", shape=("b", 3))).type
    float64[b, 2]
    """
    first, second = _checked("matvec", x1, x2, (2, 1))
    return OPS["squeeze"](first @ second[..., None], axis=-1)


def _conjugate(x: Any) -> Any:
    """np.conjugate makes int8 of bool."""
    return np.conjugate(x) if np.iscomplexobj(x) else np.asarray(x)


@public(
    np.vecmat, topic="contraction",
    reference=lambda x, a: np.matmul(_conjugate(x)[..., None, :], a)[..., 0, :],
    samples=_pairs(((2,), (2, 3)), ((2,), (2, 2, 3)), ((4, 2), (2, 3))),
)  # fmt: skip
def vecmat(x1: Any, x2: Any) -> Variable:
    """Vector (conjugated) times matrix: (…, n) and (…, n, m) give (…, m), as ``np.vecmat``.

    >>> import graphad as ga
    >>> ga.vecmat(ga.constant([1.0, 10.0]), [[1.0, 2.0], [3.0, 4.0]]).eval()
    array([31., 42.])
    """
    first, second = _checked("vecmat", x1, x2, (1, 2))
    return OPS["squeeze"](_conj(first)[..., None, :] @ second, axis=-2)
