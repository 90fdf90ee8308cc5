"""What this machine does at best, measured once: bytes a second in a copy, operations in a matmul.

The yardsticks of a profile. Both use what NumPy uses: one thread for the copy, BLAS as it is set
up for the product.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np

COPY = 1 << 25  # bytes: more than the caches of one core
ORDER = 512  # of the matrices
TRIES = 5


@functools.cache
def copy_rate() -> float:
    """Bytes a second, read and written, of ``np.copyto`` into memory that is in use."""
    source, target = np.ones(COPY, np.uint8), np.ones(COPY, np.uint8)
    return 2 * COPY / _shortest(lambda: np.copyto(target, source))


@functools.cache
def product_rate() -> float:
    """Operations a second in the product of two float64 matrices."""
    a = np.ones((ORDER, ORDER))
    out = np.empty_like(a)
    return float(2 * ORDER**3 / _shortest(lambda: np.matmul(a, a, out=out)))


def _shortest(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(TRIES):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
