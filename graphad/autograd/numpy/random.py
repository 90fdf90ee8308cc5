"""The names of `numpy.random`; see `graphad.numpy`."""

from typing import Any

import numpy.random as _names


def __getattr__(name: str) -> Any:
    return getattr(_names, name)


def __dir__() -> list[str]:
    return dir(_names)
