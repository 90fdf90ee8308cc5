"""Outside libraries that ops compute with, imported on first use; the only file that does.

Parts for pictures, data and conversions have files of their own in `viz`, `demo` and `interop`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec
from typing import Any

from graphad.errors import MissingLibraryError


def _found(name: str) -> ModuleSpec | None:
    """Where a package is, if it is installed; it is not loaded."""
    import importlib.util  # this file loads with ops that may never ask

    return importlib.util.find_spec(name)


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
def lapack() -> Any:
    """LAPACK's routines as SciPy has them, ``lapack().dtrtrs``.

    Where `scipy.linalg` is not loaded yet, its extension module with the routines is loaded by
    itself, in a fortieth of the time. Raises MissingLibraryError without SciPy.

    >>> lapack().dtrtrs([[2.0]], [4.0])
    (array([2.]), 0)
    """
    from importlib.util import module_from_spec

    name = "scipy.linalg._flapack"
    found = None if "scipy.linalg" in sys.modules else _found("scipy")
    for folder in () if found is None else found.submodule_search_locations or ():
        finder = FileFinder(
            os.path.join(folder, "linalg"), (ExtensionFileLoader, EXTENSION_SUFFIXES)
        )
        spec = finder.find_spec(name)
        if spec is not None and spec.loader is not None:
            try:
                module = module_from_spec(spec)
                spec.loader.exec_module(module)
            except ImportError:  # it needs what the package prepares
                continue
            return sys.modules.setdefault(name, module)  # where the package finds it later
    return scipy("linalg").lapack


class _Alone:
    """A block in which LAPACK of SciPy keeps to the calling thread.

    The threads of OpenBLAS wait for work without sleeping. NumPy's and SciPy's are apart, and of
    two libraries that were used a moment ago each finds the processors taken by the other: short
    work is done sooner without them. Blocks nest, also across threads; the last one out restores
    what was set before the first. Where there is no OpenBLAS, nothing happens.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth, self.before = 0, 0

    @functools.cached_property
    def calls(self) -> tuple[Any, Any] | None:
        """(how many threads, set as many) of SciPy's OpenBLAS."""
        lapack()
        file = sys.modules["scipy.linalg._flapack"].__file__
        library = ctypes.CDLL(file)
        names = [f"scipy_openblas_{verb}_num_threads" for verb in ("get", "set")]
        if not all([hasattr(library, name) for name in names]):
            return None
        get, set_ = (getattr(library, name) for name in names)
        return get, set_

    def __enter__(self) -> None:
        if self.calls is None:
            return
        get, set_ = self.calls
        with self.lock:
            if self.depth == 0:
                self.before = get()
                set_(1)
            self.depth += 1

    def __exit__(self, *failure: object) -> None:
        if self.calls is None:
            return
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                self.calls[1](self.before)


alone = _Alone()


@functools.cache
def has_scipy() -> bool:
    """Is SciPy installed? It is not loaded."""
    return _found("scipy") is not None


def networkx() -> Any:
    """The library of graph algorithms: ``networkx().minimum_cut``.

    Raises MissingLibraryError without networkx.

    >>> networkx().__name__
    'networkx'
    """
    try:
        import networkx as found
    except ImportError as error:
        raise MissingLibraryError(
            "the Python package networkx is needed for this",
            cause=str(error),
            remedy='install the extra `viz`: pip install "graphad[viz]"',
        ) from error
    return found


@functools.cache
def has_networkx() -> bool:
    """Is networkx installed? It is not loaded."""
    return _found("networkx") is not None


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
