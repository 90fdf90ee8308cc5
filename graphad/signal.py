"""Convolution in several axes under the names of `scipy.signal`: ``ga.signal.convolve``, ….

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return OPS.names("signal")
    if OPS.knows(f"signal.{name}"):  # loaded now
        globals()[name] = OPS[f"signal.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.signal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *OPS.names("signal")})
