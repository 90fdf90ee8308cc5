"""Everything that `graphad.ops` does not load at once; the op table asks for it when needed."""

from graphad.ops import (
    arrays,
    fft,
    functions,
    linalg,
    logprod,
    products,
    signal,
    special,
    statistics,
)

# fmt: off
__all__ = [
    "arrays", "fft", "functions", "linalg", "logprod", "products", "signal", "special",
    "statistics",
]
# fmt: on
