"""Layers of networks: convolution, pooling, normalisation, dropout.

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

_FUNCTIONS = OPS.namespace("nn")
__all__ = sorted(_FUNCTIONS)
globals().update(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.nn' has no attribute {name!r}")
