"""Memory of large arrays that is used again by the next call, once nobody holds the array.

The system hands out fresh memory page by page, as it is first touched, which takes about as long
as computing what is written there. What loops record for their gradients, and what one kernel
hands to the next, is as large at every call, and dropped before the next.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

LARGE = 1 << 17  # bytes from which memory is kept; below, the allocator keeps it itself
KEPT = 8, 8  # blocks of one size, and sizes, that a program with kernels keeps
SIZES = 2  # different sizes that are kept: sequences may be of another length at every call
LARGEST = 1 << 26  # larger blocks go back to the system


class _Lease(weakref.ref):
    """Knows the memory of an array that is in use."""

    __slots__ = ("block", "home")
    block: np.ndarray
    home: weakref.ref[Store]


class Store:
    """Makes arrays whose memory comes back when the array, and all views of it, are gone.

    >>> store = Store(4)
    >>> a = store.array((500, 100), np.dtype(float))
    >>> place = a.ctypes.data
    >>> del a
    >>> store.array((501, 100), np.dtype(float)).ctypes.data == place
    True
    """

    __slots__ = ("__weakref__", "_free", "_lent", "_most", "_sizes")

    def __init__(self, most: int, sizes: int = SIZES) -> None:
        self._most, self._sizes = most, sizes  # blocks of one size, and sizes, that are kept
        self._free: dict[int, list[np.ndarray]] = {}
        self._lent: dict[int, _Lease] = {}

    def array(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """An array with arbitrary elements."""
        count = int(math.prod(shape))
        size = _rounded(count * dtype.itemsize)
        try:
            block = self._free[size].pop()
        except (KeyError, IndexError):
            block = np.empty(size, np.uint8)
        # over a memoryview, so that views hold on to `flat`, not to the block beneath it
        flat = np.frombuffer(memoryview(block), dtype, count)  # type: ignore[arg-type]
        lease = _Lease(flat, _returned)
        lease.block, lease.home = block, weakref.ref(self)
        self._lent[id(lease)] = lease
        return flat.reshape(shape)

    def fresh(self, shape: Sequence[int], dtype: Any = np.float64) -> np.ndarray:
        """As ``numpy.empty``: small arrays are left to the allocator."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        return self.array(shape, kind) if LARGE <= size <= LARGEST else np.empty(shape, kind)

    def ordered(self, array: np.ndarray, dtype: Any) -> np.ndarray:
        """As ``numpy.ascontiguousarray``."""
        if array.flags.c_contiguous and array.dtype == dtype:
            return array
        made = self.fresh(array.shape, dtype)
        np.copyto(made, array)
        return made

    def reshaped(self, array: np.ndarray, shape: Any) -> np.ndarray:
        """As ``array.reshape(shape)``: a copy where it cannot be a view."""
        return self.ordered(array, array.dtype).reshape(shape)

    def back(self, lease: _Lease) -> None:
        """The array that had this memory is gone."""
        self._lent.pop(id(lease), None)
        size = lease.block.nbytes
        if size not in self._free and len(self._free) >= self._sizes:
            self._free.clear()
        kept = self._free.setdefault(size, [])
        if len(kept) < self._most:
            kept.append(lease.block)


def makers() -> dict[str, Callable[..., Any]]:
    """What makes arrays for one program, by what it is for."""
    store = Store(*KEPT)
    return {"fresh": store.fresh, "ordered": store.ordered, "reshaped": store.reshaped}


def _returned(lease: Any) -> None:
    store = lease.home()
    if store is not None:
        store.back(lease)


def _rounded(size: int) -> int:
    """A size that arrays of about the same size share: at most an eighth more."""
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step
