"""Shared cells: read together before a call, swapped together after it, never written into."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.variable import Shared, shape_text

_swapping = threading.RLock()  # held for the few assignments of one swap, or one read of all cells


def snapshot(variables: Sequence[Shared]) -> list[Any]:
    """The arrays of all cells at one moment; scalars as NumPy scalars."""
    with _swapping:
        arrays = [v.cell.array for v in variables]
    return [a if a.ndim else a[()] for a in arrays]


def swap(variables: Sequence[Shared], values: Sequence[Any]) -> None:
    """Give every cell its new array, all or none; the arrays belong to the cells from now on."""
    ready = []
    for variable, value in zip(variables, values, strict=True):
        array = np.asarray(value, dtype=variable.dtype)
        if array.ndim != variable.ndim or any(
            isinstance(size, int) and size != given
            for size, given in zip(variable.type.shape, array.shape, strict=True)
        ):
            raise ShapeError(
                f"the update of shared variable {variable.name!r} has shape "
                f"{shape_text(array.shape)}, it holds {variable.type}",
                cause="no shared variable was changed",
                remedy="an update keeps the shape; reshape or reduce the expression",
            )
        array.flags.writeable = False
        ready.append(array)
    with _swapping:
        for variable, array in zip(variables, ready, strict=True):
            variable.cell.array = array
