"""Linear algebra on stacks of matrices, by LAPACK."""

from graphad.ops.linalg import (
    chains,
    cholesky,
    determinants,
    eigen,
    equations,
    functions,
    inverses,
    lstsq,
    norms,
    qr,
    svd,
    systems,
    triangular,
)

__all__ = [
    "chains",
    "cholesky",
    "determinants",
    "eigen",
    "equations",
    "functions",
    "inverses",
    "lstsq",
    "norms",
    "qr",
    "svd",
    "systems",
    "triangular",
]
