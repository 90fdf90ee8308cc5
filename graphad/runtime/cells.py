"""Shared cells: read together before a call, swapped together after it, never written into.

Calls that update the same cells take turns, so that none of their updates is lost; a call without
updates never waits for them: it reads all its cells at one moment between two swaps.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.variable import Shared

_swapping = threading.RLock()  # held for the few assignments of one swap, or one read of all cells


def snapshot(variables: Sequence[Shared]) -> list[Any]:
    """The arrays of all cells at one moment; scalars as NumPy scalars."""
    with _swapping:
        arrays = [v.cell.array for v in variables]
    return [a if a.ndim else a[()] for a in arrays]


class Turn:
    """A context manager: calls that hold a cell in common run one after the other."""

    __slots__ = ("locks",)

    def __init__(self, variables: Sequence[Shared]) -> None:
        cells = {id(v.cell): v.cell for v in variables}
        self.locks = [cells[key].lock for key in sorted(cells)]  # one order for all: no deadlock

    def __enter__(self) -> None:
        held = []
        try:
            for lock in self.locks:
                lock.acquire()
                held.append(lock)
        except BaseException:
            for lock in held:
                lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        for lock in self.locks:
            lock.release()


def fitted(variables: Sequence[Shared], values: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """The values as arrays for the cells, to which they belong from now on; checked."""
    ready = []
    for variable, value in zip(variables, values, strict=True):
        array = np.asarray(value, dtype=variable.dtype)
        array = array if array.ndim else array.copy()  # of rank 0, it may be a view of an argument
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
    return ready


def swap(variables: Sequence[Shared], arrays: Sequence[np.ndarray[Any, Any]]) -> None:
    """Give every cell its new array, all at one moment."""
    with _swapping:
        for variable, array in zip(variables, arrays, strict=True):
            variable.cell.array = array
