"""Outside libraries that ops compute with, imported on first use; the only file that does.

Parts for pictures, data and conversions have files of their own in `viz`, `demo` and `interop`.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

from graphad.errors import MissingLibraryError


def scipy(part: str) -> Any:
    """A part of SciPy: ``scipy("special").erf``.

    Raises MissingLibraryError without SciPy.

    >>> float(scipy("special").erf(0.0))
    0.0
    """
    try:
        import scipy
    except ImportError as error:
        raise MissingLibraryError(
            f"scipy.{part} is needed for this operation",
            cause=str(error),
            remedy='install it: pip install "graphad[scipy]"',
        ) from error
    return getattr(scipy, part)


@functools.cache
def has_scipy() -> bool:
    """Is SciPy installed? It is not loaded."""
    return importlib.util.find_spec("scipy") is not None


def tqdm() -> Any:
    """The progress bar of tqdm: ``tqdm()(total=100)``.

    Raises MissingLibraryError without tqdm.

    >>> tqdm().__name__
    'tqdm'
    """
    try:
        import tqdm as found
    except ImportError as error:
        raise MissingLibraryError(
            "tqdm is needed for a progress bar",
            cause=str(error),
            remedy="install it: pip install tqdm, or leave progress=True away",
        ) from error
    return found.tqdm
