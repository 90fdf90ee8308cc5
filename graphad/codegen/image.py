"""Machine code of the cache, brought into memory: no compiler is loaded for that.

An image is what `elf` made of an object file: bytes as they will lie in memory, and the places
where addresses are still missing. Memory is written first, and made executable when it cannot be
written any more. What this cannot do (another system, one that forbids such memory, a name that
is not there) is told by None: the code is then compiled anew.
"""

from __future__ import annotations

import ctypes
import marshal
import struct
import sys
from collections.abc import Callable

from graphad.codegen import link

MAGIC = b"image 1\n"
PAGE = 4096
_PRIVATE, _ANONYMOUS = 0x02, 0x20  # Linux
_READ, _WRITE, _EXECUTE = 1, 2, 4
_address = struct.Struct("<Q")

Find = Callable[[str], "int | None"]


class Image:
    """data: what lies in memory, from a multiple of `PAGE` on, and `size`, with what is zero.
    inner: (place, offset): there belongs the address of what lies at the offset.
    outer: (place, name, addend): there belongs the address of what is called so, and so much more.
    entries: offsets of functions, by their names.
    """

    __slots__ = ("data", "entries", "inner", "outer", "size")

    def __init__(
        self, data: bytes, size: int, inner: list[tuple[int, int]],
        outer: list[tuple[int, str, int]], entries: dict[str, int],
    ) -> None:  # fmt: skip
        self.data, self.size = data, size
        self.inner, self.outer, self.entries = inner, outer, entries


def dumped(image: Image) -> bytes:
    """As bytes."""
    told = image.data, image.size, image.inner, image.outer, image.entries
    return MAGIC + marshal.dumps(told, 2)


class Code:
    """Code in memory, for as long as this object lives."""

    __slots__ = ("__weakref__", "_memory", "entries")

    def __init__(self, memory: object, entries: dict[str, int]) -> None:
        self._memory, self.entries = memory, entries  # addresses, by names

    def address(self, name: str) -> int:
        """Where a function begins."""
        return self.entries[name]


def is_possible() -> bool:
    """Can images be used here?"""
    return sys.platform == "linux" and sys.byteorder == "little" and sys.maxsize > 1 << 32


def load(entry: bytes, find: Find = link.address) -> Code | None:
    """The code of an entry whose checksum is right; None where that cannot be."""
    if not is_possible() or not entry.startswith(MAGIC):
        return None
    image = Image(*marshal.loads(entry[len(MAGIC) :]))
    places: dict[str, int] = {}
    for _, name, _ in image.outer:
        if name not in places:
            found = find(name)
            if not found:
                return None
            places[name] = found
    return _mapped(image, places)


def _mapped(image: Image, places: dict[str, int]) -> Code | None:
    import mmap  # not everywhere there

    try:
        memory = mmap.mmap(-1, max(image.size, 1), _PRIVATE | _ANONYMOUS, _READ | _WRITE)
    except OSError:
        return None
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory[: len(image.data)] = image.data
    write = _address.pack_into
    for place, offset in image.inner:
        write(memory, place, base + offset)
    for place, name, addend in image.outer:
        write(memory, place, places[name] + addend & 0xFFFFFFFFFFFFFFFF)
    protect = link.process().mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    if protect(base, len(memory), _READ | _EXECUTE):
        return None
    return Code(memory, {name: base + offset for name, offset in image.entries.items()})
