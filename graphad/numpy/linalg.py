"""The names of `numpy.linalg`: symbolic when an argument is symbolic, plain NumPy otherwise."""

from __future__ import annotations

from typing import Any

from numpy import linalg as _plain

from graphad.numpy.dispatch import namespace

__all__ = [*_plain.__all__]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    found = namespace(_plain, "linalg", name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_plain)})
