"""The rest of NumPy's elementwise functions and their neighbours."""

from graphad.ops.functions import (
    aliases,
    arithmetic,
    comparing,
    convolution,
    cross,
    interpolation,
    parts,
    polynomials,
    roots,
    running,
    selecting,
    sinc,
    windows,
)

__all__ = [
    "aliases", "arithmetic", "comparing", "convolution", "cross", "interpolation", "parts",
    "polynomials", "roots", "running", "selecting", "sinc", "windows",
]  # fmt: skip
