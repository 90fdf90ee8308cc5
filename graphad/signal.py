"""Convolution in several axes under the names of `scipy.signal`: ``ga.signal.convolve``, ….

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

_FUNCTIONS = OPS.namespace("signal")
__all__ = sorted(_FUNCTIONS)
globals().update(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.signal' has no attribute {name!r}")
