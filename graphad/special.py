"""Special functions under the names of `scipy.special`: ``ga.special.gammaln``, ``erf``, …

Values are SciPy's (the extra `scipy`).

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

_FUNCTIONS = OPS.namespace("special")
__all__ = sorted(_FUNCTIONS)
globals().update(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.special' has no attribute {name!r}")
