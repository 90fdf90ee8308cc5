"""What the user says about axes of arguments and results, checked, one entry for each leaf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.sizes import joint_size
from graphad.ir.variable import Variable, describe

Axis = int | None


def axes_of(spec: Any, value: Any, what: str) -> list[Axis]:
    """The axis for each leaf of `value`: an int or None counts for everything below it.

    >>> axes_of([0, {"a": None, "b": 1}], [7, {"a": 8, "b": (9, 10)}], "in_axes")
    [0, None, 1, 1]
    """
    if spec is None or (isinstance(spec, int | np.integer) and not isinstance(spec, bool)):
        axis = None if spec is None else int(spec)
        return [axis] * len(tree.flatten(value)[0])
    keys, parts = _children(spec)
    other_keys, others = _children(value)
    if keys is None or keys != other_keys:
        raise UseError(
            f"{what} is {spec!r}",
            cause=f"it does not have the structure of {tree.flatten(value)[1]!r}",
            remedy="give an int, None, or a container like the argument with such entries",
        )
    rows = zip(keys, parts, others, strict=True)
    return [axis for key, part, other in rows for axis in axes_of(part, other, f"{what}[{key!r}]")]


def _children(value: Any) -> tuple[tuple | None, Sequence[Any]]:
    """The keys and the values of a container, (None, ()) of a leaf."""
    if isinstance(value, Variable | np.ndarray):
        return None, ()
    structure = tree.flatten(value)[1]
    if structure.kind is None:
        return None, ()
    if isinstance(value, dict):
        return structure.keys, [value[key] for key in structure.keys]
    if isinstance(value, list | tuple):
        return tuple(range(len(value))), list(value)
    return structure.keys, [getattr(value, key) for key in structure.keys]


def checked_axis(axis: int, variable: Variable, what: str) -> int:
    """A non-negative axis; AxisError names the argument."""
    ndim = variable.ndim
    if not -ndim <= axis < ndim:
        raise AxisError(
            f"{what} has no axis {axis}",
            cause=f"it is {describe(variable)}",
            remedy=f"valid axes are {-ndim} … {ndim - 1}" if ndim
            else "it has no axes at all: pass None for what is the same for all rows",
        )  # fmt: skip
    return axis % ndim


def joint_rows(name: str, sizes: Sequence[tuple[str, Any]]) -> Any:
    """The number of rows of all stacks, an entry of a ``.shape``; ShapeError where they differ."""
    first, rows = sizes[0]
    for path, size in sizes[1:]:
        joint = rows if size == rows else joint_size(rows, size)
        if joint is None or (joint != rows and rows == 1) or (size != rows and size == 1):
            raise ShapeError(
                f"{name}: {first} has {rows} rows, {path} has {size}",
                remedy="give stacks with equal numbers of rows; what is the same for all rows is "
                "not mapped (None)",
            )
        if joint != rows:  # a number, or a name, is better known
            first, rows = path, size
    return rows
