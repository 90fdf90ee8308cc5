"""Vector math: glibc's libmvec, found at run time; at most 4 ulp from the exact value.

Names follow the vector function ABI: ``_ZGVeN8v_exp`` is exp of 8 doubles in 512-bit registers.
Where the library is missing (macOS, Windows, musl, older glibc) functions are missing too, and
such ops stay NumPy calls.
"""

from __future__ import annotations

import ctypes
import functools

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


def symbol(function: str, bits: int, lanes: int) -> str:
    """The name of a function on `lanes` numbers of `bits` each.

    >>> symbol("exp", 64, 8), symbol("pow", 32, 8)
    ('_ZGVeN8v_exp', '_ZGVdN8vv_powf')
    """
    letter = REGISTERS[bits * lanes]
    arguments = "vv" if function in BINARY else "v"
    return f"_ZGV{letter}N{lanes}{arguments}_{function}{'f' if bits == 32 else ''}"


@functools.cache
def address(name: str) -> int | None:
    """Where a vector function lies in memory."""
    found = library()
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
