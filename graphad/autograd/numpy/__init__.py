"""Autograd's `numpy`: NumPy's names; see `graphad.numpy`, which this is."""

from __future__ import annotations

from typing import Any

import graphad.numpy as _names
from graphad.autograd.numpy import fft, linalg, numpy_boxes, random
from graphad.ir.op import OPS

__all__ = [*_names.__all__]
__version__ = _names.__version__


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    found = getattr(_names, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_names)})


OPS.load()  # all operations, which the first gradient would wait for
_OURS = (fft, linalg, numpy_boxes, random)  # they stand before what NumPy calls so
