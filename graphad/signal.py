"""Convolution in several axes under the names of `scipy.signal`: ``ga.signal.convolve``, ….

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

__all__ = OPS.names("signal")  # each is loaded at first use


def __getattr__(name: str) -> Any:
    if name in __all__:
        globals()[name] = OPS[f"signal.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.signal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
