"""Discrete Fourier transforms under the names of `numpy.fft`: ``ga.fft.fft``, ``ga.fft.irfftn``, …

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return OPS.names("fft")
    if OPS.knows(f"fft.{name}"):  # loaded now
        globals()[name] = OPS[f"fft.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.fft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *OPS.names("fft")})
