"""Autograd's `scipy`: SciPy's functions, which build graph when an argument is symbolic.

Its modules load when they are first used; `stats` takes SciPy a second.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["integrate", "linalg", "misc", "signal", "special", "stats"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"graphad.autograd.scipy.{name}")
    raise AttributeError(f"graphad.autograd.scipy has no module {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
