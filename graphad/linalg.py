"""Linear algebra under the names of `numpy.linalg`: ``ga.linalg.inv``, ``ga.linalg.eigh``, …

Matrices are the last two axes, axes before them a stack.

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return OPS.names("linalg")
    if OPS.knows(f"linalg.{name}"):  # loaded now
        globals()[name] = OPS[f"linalg.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.linalg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *OPS.names("linalg")})
