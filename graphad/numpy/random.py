"""The names of `numpy.random`: NumPy's own generators, which draw arrays.

A draw is an array like any other: inside a function that is traced it is a fresh array in each
trace. Draws that belong to a graph are made by `ga.random`.
"""

from __future__ import annotations

from typing import Any

import numpy


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(name)
    return getattr(numpy.random, name)


def __dir__() -> list[str]:
    return sorted(dir(numpy.random))
