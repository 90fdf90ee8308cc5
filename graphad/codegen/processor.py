"""Which instructions of the processor machine code may use.

Vectors are as wide as the processor's registers. The environment variable `GRAPHAD_VECTOR_BITS`
(128, 256 or 512; read when first needed) sets a bound: wider registers and all instructions that
came with them are then left out, as on a processor that does not have them.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Mapping

VARIABLE = "GRAPHAD_VECTOR_BITS"
WIDTHS = (128, 256, 512)
# What came with AVX (256 bits) and with AVX-512, by the beginnings of LLVM's names.
_WITH_512 = ("avx512", "avx10", "amx", "evex512")
_WITH_256 = ("avx", "fma", "f16c", "xop", "vaes", "vpclmulqdq", "sm3", "sm4", "sha512")


def bound() -> int:
    """Bits of the widest vectors that are wanted; a variable that says no width is told, and done
    without."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return WIDTHS[-1]
    if text not in map(str, WIDTHS):
        warnings.warn(f"{VARIABLE}={text!r} is none of {WIDTHS}: it is ignored", stacklevel=2)
        return WIDTHS[-1]
    return int(text)


def allowed(features: Mapping[str, bool], bits: int) -> dict[str, bool]:
    """The features without those of vectors wider than `bits`.

    >>> allowed({"avx512f": True, "avx2": True, "sse4.1": True}, 256)
    {'avx512f': False, 'avx2': True, 'sse4.1': True}
    """
    without = (*(_WITH_512 if bits < 512 else ()), *(_WITH_256 if bits < 256 else ()))
    return {name: has and not name.startswith(without) for name, has in features.items()}


def width(features: Mapping[str, bool]) -> int:
    """Bits of the vector registers; 0 where no kernels can be made.

    >>> width({"avx2": True, "sse4.1": True}), width({"neon": True})
    (256, 0)
    """
    if all(features.get(name) for name in ("avx512f", "avx512dq", "avx512bw")):
        return 512
    if features.get("avx2"):
        return 256
    return 128 if features.get("sse4.1") else 0


# ---- what the system says, so that LLVM need not be asked ------------------------------------
_INFORMATION = "/proc/cpuinfo"
_FIRST = 1 << 14  # bytes; there is a paragraph for each processor, and all say the same
_TELLING = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


@functools.cache
def identity() -> str:
    """Kind and abilities of the processor, as Linux tells them; "" elsewhere."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return ""
    try:
        with open(_INFORMATION, "rb", buffering=0) as file:
            text = file.read(_FIRST).decode("ascii", "replace").partition("\n\n")[0]
    except OSError:
        return ""
    rows = dict([line.partition(":")[::2] for line in text.splitlines()])
    told = {name.strip(): value.strip() for name, value in rows.items()}
    return "\n".join([told[name] for name in _TELLING]) if told.keys() >= set(_TELLING) else ""


def width_of(told: str) -> int:
    """Bits of the vector registers that may be used, of a processor with this `identity`.

    >>> width_of("a maker\\na name\\nfpu sse4_1 avx avx2"), width_of("sse2")
    (256, 0)
    """
    flags = told.rpartition("\n")[2].replace("sse4_1", "sse4.1").split()
    return min(width(dict.fromkeys(flags, True)), bound())
