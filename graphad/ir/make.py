"""Constructors of leaves: tensor, scalar, vector, matrix, constant, shared."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.cell import Cell
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant, Shared, Variable, as_array


def tensor(name: str | None = None, shape: Any = (), dtype: Any = "float64") -> Variable:
    """A symbolic input with the given shape and dtype.

    Shape entries are ints, names such as "batch" (the same size everywhere in a graph), or None
    (a size known only when the function is called).

    >>> tensor("images", shape=("batch", 28, 28), dtype="float32").type
    float32[batch, 28, 28]
    """
    if name is not None and (not isinstance(name, str) or not name):
        raise UseError(
            f"the name of a variable is a word, {name!r} was given",
            remedy='write the name first and the shape by keyword: ga.tensor("x", shape=(3,))',
        )
    entries = shape if isinstance(shape, tuple | list) else (shape,)
    return Variable(TensorType(dtype, entries), name=name)


def scalar(name: str | None = None, dtype: Any = "float64") -> Variable:
    """A symbolic number.

    >>> scalar("x").type
    float64[]
    """
    return tensor(name, (), dtype)


def _with_rank(name: Any, shape: Any, rank: int, kind: str, dtype: Any) -> Variable:
    entries = (None,) * rank if shape is None else shape
    entries = entries if isinstance(entries, tuple | list) else (entries,)
    if len(entries) != rank:
        raise UseError(
            f"a {kind} has {rank} axes, shape={shape!r} has {len(entries)}",
            remedy="use ga.tensor(name, shape=(…)) for other numbers of axes",
        )
    return tensor(name, entries, dtype)


def vector(name: str | None = None, shape: Any = None, dtype: Any = "float64") -> Variable:
    """A symbolic array with one axis, of unknown size unless a shape is given.

    >>> vector("t", shape=("batch",), dtype="int64").type
    int64[batch]
    """
    return _with_rank(name, shape, 1, "vector", dtype)


def matrix(name: str | None = None, shape: Any = None, dtype: Any = "float64") -> Variable:
    """A symbolic array with two axes, of unknown sizes unless a shape is given.

    >>> matrix("x", shape=("batch", 64)).type
    float64[batch, 64]
    """
    return _with_rank(name, shape, 2, "matrix", dtype)


def constant(value: Any, dtype: Any = None, name: str | None = None) -> Constant:
    """A variable whose value (copied) is part of the graph; NaN and infinities are legal.

    >>> constant([1, 2]).type
    int64[2]
    """
    return Constant(as_array(value, dtype), name=name)


def shared(value: Any, name: str | None = None, dtype: Any = None) -> Shared:
    """A variable with a value (copied) that outlives calls: parameters, counters, states.

    ``w.value`` reads a copy, ``w.value = array`` assigns (shape and dtype are checked); the
    `updates` of a compiled function change it.

    >>> w = shared(np.zeros((2, 3)), name="w")
    >>> w.value.shape, w.type
    ((2, 3), float64[2, 3])
    """
    array = np.array(as_array(value, dtype))
    array.flags.writeable = False
    return Shared(TensorType(array.dtype, array.shape), Cell(array), name=name)
