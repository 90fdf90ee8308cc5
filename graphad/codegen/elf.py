"""Object files → images: sections laid out as they will lie in memory, relocations resolved.

Reads what LLVM writes for x86-64 in ELF (System V ABI, chapters 4 and 5 of the generic part; the
relocations are those of the AMD64 supplement). Code is made for any distance between functions,
so that addresses outside are whole ones, `R_X86_64_64`; of relative ones only those within the
file occur. Anything else (data that is written, thread-local or common storage, constructors,
functions that choose themselves, relocations of other kinds) gives None: such code is loaded by
LLVM. Unwinding tables are left out, since nothing throws.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from graphad.codegen.image import PAGE, Image

# fmt: off
PROGBITS, SYMTAB, RELA, NOBITS, REL, GROUP, UNWIND = 1, 2, 4, 8, 9, 17, 0x70000001
WRITE, ALLOC, TLS = 1, 2, 0x400
SECTION, FILE, LOCAL_STORAGE, CHOOSING = 3, 4, 6, 10  # kinds of symbols
RESERVED = 0xFF00                          # from here on numbers are no sections: absolute, common
ADDRESS, PC32, PLT32, PC64 = 1, 2, 4, 24   # relocations
# fmt: on
X86_64, RELOCATABLE = 62, 1
LARGEST = 1 << 26  # bytes of an image; the cache does not keep larger ones
_header = struct.Struct("<16sHHIQQQIHHHHHH")
_section = struct.Struct("<IIQQQQIIQQ")
_symbol = struct.Struct("<IBBHQQ")
_relocation = struct.Struct("<QQq")


class _Other(Exception):
    """The file holds something that only LLVM loads."""


def image_of(code: bytes) -> Image | None:
    """The image of an object file; None where it holds what images do not."""
    try:
        return _Reader(code).image()
    except (_Other, struct.error, IndexError, ValueError, OverflowError):
        return None


class _Reader:
    def __init__(self, code: bytes) -> None:
        self.code = code
        head = _header.unpack_from(code)
        if head[0][:7] != b"\x7fELF\x02\x01\x01" or head[1:3] != (RELOCATABLE, X86_64):
            raise _Other("another format")
        start, size, count = head[6], head[11], head[12]
        if size != _section.size or not 0 < count < RESERVED:
            raise _Other("other headers")
        self.sections = [_section.unpack_from(code, start + i * size) for i in range(count)]
        self.at: dict[int, int] = {}  # where sections lie in memory
        self.data = bytearray()
        self.size = 0

    def image(self) -> Image:
        """Lay out, then resolve."""
        for number, section in enumerate(self.sections):
            self._place(number, section)
        symbols = self._symbols()
        inner: list[tuple[int, int]] = []
        outer: list[tuple[int, str, int]] = []
        for section in self.sections:
            if section[1] in (RELA, REL) and section[7] in self.at:
                self._relocate(section, symbols, inner, outer)
        entries = {
            name: self.at[where] + value
            for name, kind, where, value in symbols
            if name and where in self.at and kind not in (SECTION, FILE)
        }
        return Image(bytes(self.data), self.size, inner, outer, entries)

    def _place(self, number: int, section: Sequence[Any]) -> None:
        """A section that has to be in memory gets its place there."""
        kind, flags, start, size, align = (section[i] for i in (1, 2, 4, 5, 8))
        if kind == GROUP:
            raise _Other("sections in groups")
        if not flags & ALLOC or kind == UNWIND or self._name(section) == ".eh_frame":
            return
        if (flags & TLS or kind not in (PROGBITS, NOBITS) or align > PAGE
                or (flags & WRITE and size)):  # fmt: skip
            raise _Other("a section of another kind")
        place = -(-self.size // max(align, 1)) * max(align, 1)
        self.at[number], self.size = place, place + size
        if self.size > LARGEST:
            raise _Other("a large file")
        if kind == PROGBITS:
            if start + size > len(self.code):
                raise _Other("cut off")
            self.data.extend(bytes(place - len(self.data)))
            self.data += self.code[start : start + size]

    def _name(self, section: Sequence[Any]) -> str:
        names = self.sections[_header.unpack_from(self.code)[13]]
        return self._text(names[4] + section[0])

    def _text(self, start: int) -> str:
        return self.code[start : self.code.index(b"\0", start)].decode()

    def _symbols(self) -> list[tuple[str, int, int, int]]:
        """(name, kind, section, value) of each."""
        tables = [s for s in self.sections if s[1] == SYMTAB]
        if len(tables) != 1:
            raise _Other("no table of symbols")
        start, size, names = tables[0][4], tables[0][5], self.sections[tables[0][6]][4]
        found = []
        for i in range(size // _symbol.size):
            name, info, _, where, value, _ = _symbol.unpack_from(
                self.code, start + i * _symbol.size
            )
            found.append((self._text(names + name), info & 15, where, value))
        return found

    def _relocate(
        self, section: Sequence[Any], symbols: Sequence[tuple[str, int, int, int]],
        inner: list[tuple[int, int]], outer: list[tuple[int, str, int]],
    ) -> None:  # fmt: skip
        if section[1] == REL:
            raise _Other("relocations without addends")
        start, size, base = section[4], section[5], self.at[section[7]]
        for i in range(size // _relocation.size):
            offset, info, addend = _relocation.unpack_from(self.code, start + i * _relocation.size)
            kind, place = info & 0xFFFFFFFF, base + offset
            name, what, where, value = symbols[info >> 32]
            if what in (LOCAL_STORAGE, CHOOSING) or where >= RESERVED:
                raise _Other("a symbol of another kind")
            if where == 0:  # defined elsewhere
                if kind != ADDRESS or not name:
                    raise _Other("something near, outside")
                outer.append((self._within(place, 8), name, addend))
                continue
            if where not in self.at:
                raise _Other("something that is not in memory")
            target = self.at[where] + value + addend
            if kind == ADDRESS:
                inner.append((self._within(place, 8), target))
            elif kind in (PC32, PLT32):
                struct.pack_into("<i", self.data, self._within(place, 4), target - place)
            elif kind == PC64:
                struct.pack_into("<q", self.data, self._within(place, 8), target - place)
            else:
                raise _Other("a relocation of another kind")

    def _within(self, place: int, size: int) -> int:
        if not 0 <= place <= len(self.data) - size:
            raise _Other("outside of what is there")
        return place
