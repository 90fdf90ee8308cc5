"""Layers of networks: convolution, pooling, normalisation, dropout.

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return OPS.names("nn")
    if OPS.knows(f"nn.{name}"):  # loaded now
        globals()[name] = OPS[f"nn.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.nn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *OPS.names("nn")})
