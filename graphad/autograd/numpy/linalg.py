"""The names of `numpy.linalg`; see `graphad.numpy`."""

from typing import Any

from graphad.numpy import linalg as _names


def __getattr__(name: str) -> Any:
    return getattr(_names, name)


def __dir__() -> list[str]:
    return dir(_names)
