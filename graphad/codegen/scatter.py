"""Values added at rows of an array: by NumPy, and in machine code once there was much of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.hooks import hooks

WORTH = 1 << 19  # elements added by NumPy from which making machine code would have paid

_added = [0]  # so many elements, so far


def add_at(total: np.ndarray, index: Any, values: Any) -> None:
    """``np.add.at(total, index, values)``, every bit of it.

    >>> total = np.zeros((3, 2))
    >>> add_at(total, (np.array([2, 0, 2]), slice(None)), np.ones((3, 2)))
    >>> total[:, 0]
    array([1., 0., 2.])
    """
    if _added[0] < WORTH:
        items = index if type(index) is tuple else (index,)
        _added[0] += max([np.size(values), *[i.size for i in items if type(i) is np.ndarray]])
    elif hooks.load("codegen.scattercode").add(total, index, values):
        return
    np.add.at(total, index, values)
