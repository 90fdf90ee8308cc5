"""Linear algebra under the names of `numpy.linalg`: ``ga.linalg.inv``, ``ga.linalg.eigh``, …

Matrices are the last two axes, axes before them a stack.

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

_FUNCTIONS = OPS.namespace("linalg")
__all__ = sorted(_FUNCTIONS)
globals().update(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.linalg' has no attribute {name!r}")
