"""Memory of large results, which is used again when nobody holds it any more.

A fresh array of 80 MB costs the system more than a loop over it costs the processor: every page
has to be found and cleared. The C library keeps what is smaller (`keep_small`); for the rest
`room` keeps the last pieces of memory that results lay in, up to `KEEP` bytes, and gives one out
again once the result, and every view of it, is gone. A caller's own arrays can be `lent` for
results.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

FROM = 1 << 25  # bytes: glibc keeps smaller pieces itself
KEEP = 1 << 28  # bytes that are kept at most
LENT = 1 << 16  # bytes of an array from which it is worth writing into it directly

_rooms: deque[np.ndarray] = deque()  # used or not, the longest unused ones first


@functools.cache
def keep_small() -> None:
    """Let the C library keep the memory of freed arrays of less than `FROM` bytes, up to twice as
    much as that.

    glibc gives memory back to the system, and asks for it again at the next call, from a size on
    that it adapts to the largest array that was freed so far. This one is never touched.
    """
    np.empty(max(FROM - (1 << 16), 1), np.uint8)


def room(shape: Sequence[int], dtype: Any = np.float64) -> np.ndarray:
    """An array whose elements are not set, as of `numpy.empty`.

    >>> room((2, 3)).shape, room((2,), "int8").dtype
    ((2, 3), dtype('int8'))
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not FROM <= size <= KEEP:
        return np.empty(shape, dtype)
    for _ in range(len(_rooms)):
        try:
            memory = _rooms.popleft()  # nobody else looks at it now
        except IndexError:
            break
        if memory.nbytes == size and getrefcount(memory) == _FREE:
            _rooms.append(memory)
            return np.ndarray(shape, dtype, memory)
        _rooms.append(memory)
    memory = np.empty(size, np.uint8)
    _rooms.append(memory)
    while sum([kept.nbytes for kept in _rooms.copy()]) > KEEP:
        _rooms.popleft()
    return np.ndarray(shape, dtype, memory)


_lent = threading.local()


class Place:
    """Makes the array for one result of a program: the one that is lent for it, or as `room`."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def __call__(self, shape: Sequence[int], dtype: Any = np.float64) -> np.ndarray:
        offers: dict[int, np.ndarray] | None = getattr(_lent, "offers", None)
        if offers:
            given = offers.pop(id(self.variable), None)
            if given is not None and given.shape == tuple(shape) and given.dtype == dtype:
                return given
        return room(shape, dtype)


@contextlib.contextmanager
def lent(offers: dict[int, np.ndarray]) -> Iterator[None]:
    """Programs that run in this thread may write results into these arrays, each of them once;
    they are found by the `id` of the variable of the result."""
    before = getattr(_lent, "offers", None)
    _lent.offers = offers
    try:
        yield
    finally:
        _lent.offers = before


def is_whole(array: np.ndarray) -> bool:
    """Is the array no view of another, but for the piece of memory that it was given?"""
    if array.flags.owndata:
        return True
    return any([array.base is piece for piece in _rooms.copy()]) and (
        array.nbytes == array.base.nbytes)  # type: ignore[union-attr]  # fmt: skip


def _free() -> int:
    """The references to a piece that nobody holds, as `room` counts them."""
    pieces = deque([np.empty(1, np.uint8)])
    memory = pieces.popleft()
    return getrefcount(memory)


_FREE = _free()
