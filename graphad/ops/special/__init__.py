"""Special functions, with SciPy's values and derivatives stated as graph."""

from graphad.ops.special import (
    bessel,
    entropy,
    error,
    gamma,
    hypergeometric,
    incomplete,
    moments,
    others,
)

__all__ = [
    "bessel", "entropy", "error", "gamma", "hypergeometric", "incomplete", "moments", "others",
]  # fmt: skip
