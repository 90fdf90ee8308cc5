"""Distributions under the names of `scipy.stats`: ``ga.stats.norm.logpdf(x, loc, scale)``, …

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS

_FUNCTIONS = OPS.namespace("stats")
__all__ = sorted(_FUNCTIONS)
globals().update(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.stats' has no attribute {name!r}")
