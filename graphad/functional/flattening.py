"""`flatten`: any nesting of arrays and numbers as one vector, with the exact inverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.errors import ShapeError, UseError
from graphad.functional.choosing import NUMBERS
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, as_variable, describe


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """(a vector with all elements of `value`, the function that puts such a vector back).

    value   any nesting of lists, tuples, dicts (in the order of their sorted keys), namedtuples,
            dataclasses and types known to `ga.tree.register`, of arrays and numbers

    The vector has the common dtype, as ``np.concatenate`` would have it, float64 where there is
    nothing. The inverse gives each leaf its shape and dtype back, a Python number as a number of
    its type where the vector holds values; complex leaves need a complex vector. Both work on
    Variables and Tracers, and are differentiable; results are Variables where a leaf is one.
    Raises UseError for leaves that are no numbers, ShapeError for a vector of another length.

    >>> import numpy as np, graphad as ga
    >>> vector, unflatten = ga.flatten({"b": [3.0, 4.0], "a": np.array([[1.0], [2.0]])})
    >>> vector
    array([1., 2., 3., 4.])
    >>> unflatten(2 * vector)
    {'b': [6.0, 8.0], 'a': array([[2.],
           [4.]])}
    """
    leaves, structure = tree.flatten(value)
    for path, leaf in zip(structure.paths("value"), leaves, strict=True):
        if not isinstance(leaf, (Variable, np.ndarray, *NUMBERS)) or (
            isinstance(leaf, np.ndarray) and leaf.dtype.kind not in "biufc"
        ):
            raise UseError(
                f"flatten: {path} is {type(leaf).__name__}",
                remedy="leaves are numbers and arrays; keep other things out of the container",
            )
    kinds = [None if type(leaf) in (bool, int, float, complex) else leaf.dtype for leaf in leaves]
    shapes = [() if kind is None else leaf.shape for leaf, kind in zip(leaves, kinds, strict=True)]
    types = [type(leaf) for leaf in leaves]

    def unflatten(vector: Any) -> Any:
        return structure.unflatten(_parts(vector, shapes, kinds, types))

    return _joined(leaves), unflatten


def _joined(leaves: Sequence[Any]) -> Any:
    if not any([isinstance(leaf, Variable) for leaf in leaves]):
        arrays = [np.ravel(leaf) for leaf in leaves]
        return np.concatenate(arrays) if arrays else np.zeros(0)
    flat = [OPS["ravel"](as_variable(leaf)) for leaf in leaves]
    return flat[0] if len(flat) == 1 else OPS["concatenate"](flat)


def _parts(
    vector: Any, shapes: Sequence[Any], kinds: Sequence[Any], types: Sequence[type]
) -> list[Any]:
    symbolic = isinstance(vector, Variable)
    given = vector if symbolic else np.asarray(vector)
    sizes = [1] * len(shapes)
    for i, shape in enumerate(shapes):
        for size in shape:
            sizes[i] = sizes[i] * size
    total: Any = sum(sizes)
    known = isinstance(total, int) and all(isinstance(n, int) for n in given.shape)
    if given.ndim != 1 or (known and given.shape[0] != total):
        raise ShapeError(
            f"unflatten: a vector of length {total} is needed, "
            + (describe(vector) if symbolic else f"an array of shape {given.shape} was given"),
            remedy="pass the vector that flatten gave, or one of its length",
        )
    parts, start = [], 0
    for shape, kind, python, size in zip(shapes, kinds, types, sizes, strict=True):
        piece = given[start : start + size]
        start = start + size
        if symbolic:
            piece = OPS["reshape"](piece, shape)
            parts.append(piece if kind in (None, piece.dtype) else piece.astype(kind))
        elif kind is None:
            parts.append(python(piece[0]))
        else:
            part = np.array(piece, dtype=kind).reshape(shape)
            parts.append(part if issubclass(python, np.ndarray) else part[()])
    return parts
