"""Special functions under the names of `scipy.special`: ``ga.special.gammaln``, ``erf``, …

Values are SciPy's (the extra `scipy`).

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

__all__ = OPS.names("special")  # each is loaded at first use


def __getattr__(name: str) -> Any:
    if name in __all__:
        globals()[name] = OPS[f"special.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.special' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
