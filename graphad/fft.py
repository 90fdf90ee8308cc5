"""Discrete Fourier transforms under the names of `numpy.fft`: ``ga.fft.fft``, ``ga.fft.irfftn``, …

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

_FUNCTIONS = OPS.namespace("fft")
__all__ = sorted(_FUNCTIONS)
globals().update(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.fft' has no attribute {name!r}")
