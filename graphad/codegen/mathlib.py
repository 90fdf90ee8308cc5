"""Vector math found at run time: glibc's libmvec, or Intel's SVML where that is installed.

Both are at most 4 ulp from the exact value; of SVML the variants below 1 ulp are taken. Names
follow the vector function ABI in libmvec: ``_ZGVeN8v_exp`` is exp of 8 doubles in 512-bit
registers; SVML says ``__svml_exp8_ha``. SVML (``pip install intel-cmplr-lib-rt``) serves the
functions that libmvec lacks, or all of them where there is none (musl, glibc before 2.35). Where
both are missing (macOS, Windows) such ops stay NumPy calls.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

FUNCTIONS = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "exp",
    "exp2", "expm1", "hypot", "log", "log10", "log1p", "log2", "pow", "sin", "sinh", "tan",
    "tanh",
)  # fmt: skip
BINARY = frozenset({"atan2", "hypot", "pow"})
REGISTERS = {128: "b", 256: "d", 512: "e"}  # letters of the ABI on x86


@functools.cache
def library() -> ctypes.CDLL | None:
    """libmvec, None where there is none."""
    try:
        return ctypes.CDLL("libmvec.so.1")
    except OSError:
        return None


_FOLDERS = os.path.join(sys.prefix, "lib"), os.path.join(sys.base_prefix, "lib")


def is_installed() -> bool:
    """Has pip put Intel's library somewhere? Nothing is loaded to find out."""
    return any([os.path.exists(os.path.join(folder, "libsvml.so")) for folder in _FOLDERS])


@functools.cache
def svml() -> ctypes.CDLL | None:
    """Intel's library, where pip puts it or where the system finds it; None where it is not."""
    for folder in (*_FOLDERS, ""):
        try:
            ctypes.CDLL(os.path.join(folder, "libintlc.so.5"))  # which the other one needs
            return ctypes.CDLL(os.path.join(folder, "libsvml.so"))
        except OSError:
            continue
    return None


def _names(function: str, bits: int, lanes: int) -> tuple[str, str]:
    """What a function on `lanes` numbers of `bits` each is called in libmvec, and in SVML."""
    letter, short = REGISTERS[bits * lanes], "f" if bits == 32 else ""
    arguments = "vv" if function in BINARY else "v"
    return (
        f"_ZGV{letter}N{lanes}{arguments}_{function}{short}",
        f"__svml_{function}{short}{lanes}_ha",
    )


def symbol(function: str, bits: int, lanes: int) -> str:
    """The name of a function on `lanes` numbers of `bits` each, in the library that has it.

    >>> symbol("exp", 64, 4) in ("_ZGVdN4v_exp", "__svml_exp4_ha")
    True
    """
    names = _names(function, bits, lanes)
    return next((name for name in names if address(name) is not None), names[0])


@functools.cache
def address(name: str) -> int | None:
    """Where a vector function lies in memory; None for what is none."""
    if name.startswith("_ZGV"):
        found = library()
    else:
        found = svml() if name.startswith("__svml_") else None
    if found is None or not hasattr(found, name):
        return None
    return ctypes.cast(getattr(found, name), ctypes.c_void_p).value


@functools.cache
def available(width: int) -> frozenset[str]:
    """The functions that exist in all shapes that kernels of up to `width` bits use."""
    shapes = [(bits, w // bits) for bits in (32, 64) for w in (128, 256, 512) if w <= width]
    shapes = [(bits, lanes) for bits, lanes in shapes if bits * lanes in REGISTERS]
    return frozenset(
        f for f in FUNCTIONS if all(address(symbol(f, *shape)) is not None for shape in shapes)
    )
