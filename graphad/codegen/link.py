"""Where the functions and objects lie that machine code names.

Whoever writes a name into machine code that only graphad knows tells here where it is (`tell`);
the others are found by their names: functions of Python and of the C library in this process,
vector functions as `mathlib` finds them.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from graphad.codegen import mathlib
from graphad.codegen.unfit import Unfit

DTYPE = "graphad_dtype_"  # followed by the dtype's name

told: dict[str, int] = {
    "graphad_unfit": id(Unfit), "_Py_NoneStruct": id(None), "graphad_ndarray": id(np.ndarray),
}  # fmt: skip


origins: dict[str, tuple[str, str]] = {}  # what lies in machine code: its entry, its name there


def tell(name: str, address: int) -> None:
    """The thing of this name lies there."""
    told[name] = address


def address(name: str) -> int | None:
    """Where it lies; None if nothing of this name is known."""
    found = told.get(name)
    return _found(name) if found is None else found


@functools.cache
def _found(name: str) -> int | None:
    if name.startswith(("_ZGV", "__svml_")):
        return mathlib.address(name)
    if name.startswith(DTYPE):
        return id(np.dtype(name[len(DTYPE) :]))
    if name.startswith("graphad_"):
        return None
    function = getattr(process(), name, None)
    if function is None:
        function = getattr(mathematics(), name, None)
    return None if function is None else address_of(function)


def address_of(function: Any) -> int | None:
    """Where a function of a library lies."""
    return ctypes.cast(function, ctypes.c_void_p).value


@functools.cache
def process() -> ctypes.CDLL:
    """All that is loaded in this process."""
    return ctypes.CDLL(None)


@functools.cache
def mathematics() -> ctypes.CDLL:
    """The C library's functions: of this process, or of its library of mathematics."""
    library = None
    if not hasattr(process(), "exp"):
        from ctypes.util import find_library  # loads slowly; Linux does not need it

        library = find_library("m")
    return ctypes.CDLL(library) if library else process()
