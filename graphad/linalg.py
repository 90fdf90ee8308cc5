"""Linear algebra under the names of `numpy.linalg`: ``ga.linalg.inv``, ``ga.linalg.eigh``, …

Matrices are the last two axes, axes before them a stack.

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

__all__ = OPS.names("linalg")  # each is loaded at first use


def __getattr__(name: str) -> Any:
    if name in __all__:
        globals()[name] = OPS[f"linalg.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.linalg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
