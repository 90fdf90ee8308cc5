"""The same numbers in another layout of memory, dtype or size: what an op has to put up with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Variant = Callable[[Array], Array]


def fortran(array: Array) -> Array:
    """First axis contiguous: a transposed array."""
    return np.array(array, order="F")


def strided(array: Array) -> Array:
    """Every second element of a larger array, along each axis.

    >>> strided(np.arange(3.0)).strides
    (16,)
    """
    larger: Array = np.zeros([2 * size for size in array.shape], array.dtype)
    step: Any = (..., *[slice(None, None, 2)] * array.ndim)
    view = larger[step]
    view[...] = array
    return view


def backward(array: Array) -> Array:
    """Negative strides along each axis.

    >>> backward(np.arange(3.0)).strides
    (-8,)
    """
    flip: Any = (..., *[slice(None, None, -1)] * array.ndim)
    copied: Array = np.array(array[flip], order="C")
    return np.asarray(copied[flip])


def unaligned(array: Array) -> Array:
    """Starts one byte after an aligned address.

    >>> unaligned(np.arange(3.0)).flags.aligned
    False
    """
    memory = np.zeros(array.nbytes + 1, np.uint8)
    view = np.frombuffer(memory, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def readonly(array: Array) -> Array:
    """An array that must not be written."""
    copied = np.array(array)
    copied.flags.writeable = False
    return copied


def without_rows(array: Array) -> Array:
    """No element along the first axis."""
    return array[:0] if array.ndim else array


def without_columns(array: Array) -> Array:
    """No element along the last axis."""
    return array[..., :0] if array.ndim else array


def one_row(array: Array) -> Array:
    """One element along the first axis."""
    return array[:1] if array.ndim else array


def scalar(array: Array) -> Array:
    """The first element, without axes; an array without elements stays as it is."""
    return np.asarray(array.ravel()[0]) if array.size else array


LAYOUTS: Mapping[str, Variant] = {
    f.__name__: f for f in (fortran, strided, backward, unaligned, readonly)
}
RESIZED: Mapping[str, Variant] = {
    f.__name__: f for f in (without_rows, without_columns, one_row, scalar)
}
