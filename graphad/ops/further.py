"""Everything that `graphad.ops` does not load at once; the op table asks for it when needed."""

from graphad.ops import (
    arrays,
    effects,
    fft,
    filters,
    functions,
    linalg,
    logprod,
    nn,
    products,
    random,
    signal,
    special,
    statistics,
    stats,
)

__all__ = [
    "arrays",
    "effects",
    "fft",
    "filters",
    "functions",
    "linalg",
    "logprod",
    "nn",
    "products",
    "random",
    "signal",
    "special",
    "statistics",
    "stats",
]
