"""Discrete Fourier transforms under the names of `numpy.fft`: ``ga.fft.fft``, ``ga.fft.irfftn``, …

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

__all__ = OPS.names("fft")  # each is loaded at first use


def __getattr__(name: str) -> Any:
    if name in __all__:
        globals()[name] = OPS[f"fft.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.fft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
