"""Where NumPy keeps the parts of an array object, found out once on a known array."""

from __future__ import annotations

import ctypes
import functools

import numpy as np


@functools.cache
def layout() -> dict[str, int] | None:
    """Offsets of data, dtype, flags, sizes, strides and type in an ndarray; None if they are not
    as expected.

    >>> sorted(layout() or {})
    ['data', 'dtype', 'flags', 'sizes', 'strides', 'type']
    """
    head = object.__basicsize__
    found = {"type": head - 8, "data": head, "sizes": head + 16, "strides": head + 24,
             "dtype": head + 40, "flags": head + 48}  # fmt: skip
    known = np.empty((3, 5, 7))[:, 1:4]
    return found if _agrees(known, found) and _agrees(np.empty((2, 9), "int8"), found) else None


def _agrees(array: np.ndarray, offsets: dict[str, int]) -> bool:
    if np.ndarray.__basicsize__ < offsets["flags"] + 4:
        return False
    base, count = id(array), array.ndim
    data = ctypes.c_void_p.from_address(base + offsets["data"]).value
    if ctypes.c_int.from_address(base + offsets["data"] + 8).value != count:
        return False
    if data != array.ctypes.data:
        return False
    sizes = ctypes.c_void_p.from_address(base + offsets["sizes"]).value
    strides = ctypes.c_void_p.from_address(base + offsets["strides"]).value
    flags = ctypes.c_int.from_address(base + offsets["flags"]).value
    if sizes is None or strides is None or strides != sizes + 8 * count:
        return False
    if flags != array.flags.num:
        return False
    pointers = {"type": np.ndarray, "dtype": array.dtype}
    if any([ctypes.c_void_p.from_address(base + offsets[k]).value != id(v)
            for k, v in pointers.items()]):  # fmt: skip
        return False
    kind = ctypes.c_ssize_t * count
    return (tuple(kind.from_address(sizes)) == array.shape
            and tuple(kind.from_address(strides)) == array.strides)  # fmt: skip
