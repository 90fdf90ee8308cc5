"""The product of matrices as a program calls it: machine code, or BLAS where that is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def multiplier(
    dtype: np.dtype, make: Any, entries: Mapping[tuple[int, int], Callable[..., Any]]
) -> Callable[[Any, Any], Any]:
    """A function (a, b) → a @ b for arrays of one dtype. `entries` are those of `gemm`, by the
    numbers of axes of a and b; `make` makes the result."""
    matmul = np.matmul

    def multiply(a: Any, b: Any) -> Any:
        enter = entries.get((a.ndim, b.ndim))
        if enter is None:
            return matmul(a, b)
        stack = a.shape[:-2] or b.shape[:-2]
        out = make((*stack, a.shape[-2], b.shape[-1]), dtype)
        if enter(a, b, out):
            return out
        return matmul(a, b) if stack else matmul(a, b, out=out)

    multiply.name = f"multiply_{dtype.name}"  # type: ignore[attr-defined]
    given = dtype, make, entries
    multiply.made = "codegen.multiply", "multiplier", given  # type: ignore[attr-defined]
    return multiply
