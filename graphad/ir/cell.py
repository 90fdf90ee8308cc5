"""The place where a shared variable keeps its array."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np


class Cell:
    """The place where a Shared keeps its array; swapped as a whole, never written into."""

    __slots__ = ("array", "lock")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.lock = threading.RLock()

    def __reduce__(self) -> tuple:
        return Cell, (self.array,)
