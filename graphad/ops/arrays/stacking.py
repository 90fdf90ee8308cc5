"""Joining with axes added first: atleast_1d/2d/3d, vstack, hstack, dstack, column_stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.common import Arrays, public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def _grown(axes: dict[int, tuple[int, ...]]) -> Callable[[Any], Variable]:
    """The function that inserts ``axes[ndim]``, where that is given."""

    def grow(array: Any) -> Variable:
        variable = as_variable(array)
        new = axes.get(variable.ndim)
        result: Variable = OPS["expand_dims"](variable, new) if new else variable
        return result

    return grow


_one = _grown({0: (0,)})
_two = _grown({0: (0, 1), 1: (0,)})
_three = _grown({0: (0, 1, 2), 1: (0, 2), 2: (2,)})
_columns = _grown({0: (0, 1), 1: (1,)})


def _each(grow: Callable[[Any], Variable], arrays: Any) -> Any:
    found = tuple([grow(array) for array in arrays])
    return found[0] if len(found) == 1 else found


def _ones(rng: np.random.Generator) -> list[Sample]:
    return [Sample((_x(*shape),)) for shape in ((), (3,), (2, 3), (2, 3, 2))]


@public(np.atleast_1d, topic="shape", samples=_ones)
def atleast_1d(ary: Any, /, *arys: Any) -> Any:
    """Scalars as arrays (1,), as ``np.atleast_1d``; a tuple for several arguments.

    >>> import graphad as ga
    >>> ga.atleast_1d(ga.scalar("x")).type
    float64[1]
    """
    return _each(_one, (ary, *arys))


@public(np.atleast_2d, topic="shape", samples=_ones)
def atleast_2d(ary: Any, /, *arys: Any) -> Any:
    """Vectors (n,) as rows (1, n), as ``np.atleast_2d``; a tuple for several arguments.

    >>> import graphad as ga
    >>> ga.atleast_2d(ga.vector("x", shape=(3,))).type
    float64[1, 3]
    """
    return _each(_two, (ary, *arys))


@public(np.atleast_3d, topic="shape", samples=_ones)
def atleast_3d(ary: Any, /, *arys: Any) -> Any:
    """Vectors (n,) as (1, n, 1), matrices (n, m) as (n, m, 1), as ``np.atleast_3d``.

    A tuple for several arguments.

    >>> import graphad as ga
    >>> ga.atleast_3d(ga.vector("x", shape=(3,))).type
    float64[1, 3, 1]
    """
    return _each(_three, (ary, *arys))


def _joined(
    name: str, grow: Callable[[Any], Variable], tup: Any, axis: int, dtype: Any = None,
    casting: str = "same_kind",
) -> Variable:  # fmt: skip
    """The arrays, grown, joined along `axis` (vectors along their only one)."""
    if isinstance(tup, Variable) or not isinstance(tup, tuple | list) or not tup:
        raise UseError(
            f"{name} takes a list of arrays, not {type(tup).__name__}",
            remedy=f"write ga.{name}([x, y])",
        )
    arrays = [grow(array) for array in tup]
    result: Variable = OPS["concatenate"](arrays, axis=0 if arrays[0].ndim == 1 else axis)
    if dtype is None:
        return result
    if not np.can_cast(result.dtype, dtype, casting):  # type: ignore[arg-type]
        raise UseError(
            f"{name}: {result.dtype} to {np.dtype(dtype)} with casting={casting!r}",
            remedy='convert the arrays with x.astype(...), or pass casting="unsafe"',
        )
    return result.astype(dtype)


def _lists(*rows: tuple[tuple[int, ...], ...]) -> Callable[..., list[Sample]]:
    return lambda rng: [Sample(([_x(*shape) for shape in shapes],)) for shapes in rows]


@public(np.vstack, topic="shape",
        samples=_lists(((3,), (3,)), ((2, 3), (3,), (1, 3)), ((), ())))  # fmt: skip
def vstack(tup: Arrays, *, dtype: Any = None, casting: str = "same_kind") -> Variable:
    """Arrays joined along axis 0, vectors (n,) as rows (1, n), as ``np.vstack``.

    Raises UseError for what is no list, ShapeError for sizes that do not fit.

    >>> import graphad as ga
    >>> ga.vstack([ga.vector("x", shape=(3,)), [[1.0, 2.0, 3.0]]]).type
    float64[2, 3]
    """
    return _joined("vstack", _two, tup, 0, dtype, casting)


@public(np.hstack, topic="shape",
        samples=_lists(((3,), (2,)), ((2, 3), (2, 1)), ((), (2,))))  # fmt: skip
def hstack(tup: Arrays, *, dtype: Any = None, casting: str = "same_kind") -> Variable:
    """Arrays joined along axis 1, vectors along their only axis, as ``np.hstack``.

    Raises UseError for what is no list, ShapeError for sizes that do not fit.

    >>> import graphad as ga
    >>> ga.hstack([ga.vector("x", shape=(3,)), 1.0]).type
    float64[4]
    """
    return _joined("hstack", _one, tup, 1, dtype, casting)


@public(np.dstack, topic="shape",
        samples=_lists(((3,), (3,)), ((2, 3), (2, 3, 2)), ((), ())))  # fmt: skip
def dstack(tup: Arrays) -> Variable:
    """Arrays joined along axis 2, after `atleast_3d`, as ``np.dstack``.

    Raises UseError for what is no list, ShapeError for sizes that do not fit.

    >>> import graphad as ga
    >>> ga.dstack([ga.vector("x", shape=(3,)), [1.0, 2.0, 3.0]]).type
    float64[1, 3, 2]
    """
    return _joined("dstack", _three, tup, 2)


@public(np.column_stack, topic="shape",
        samples=_lists(((3,), (3,)), ((2, 3), (2,))))  # fmt: skip
def column_stack(tup: Arrays) -> Variable:
    """Vectors (n,) as columns beside each other, matrices as they are, as ``np.column_stack``.

    Raises UseError for what is no list, ShapeError for sizes that do not fit.

    >>> import graphad as ga
    >>> ga.column_stack([ga.vector("x", shape=(3,)), [1.0, 2.0, 3.0]]).type
    float64[3, 2]
    """
    return _joined("column_stack", _columns, tup, 1)
