"""What small loops work on: strided arrays in memory, formulas, numbers in registers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphad.codegen.scalars import Scalar


class Place:
    """A strided array in memory: base is a pointer in the code, offset and strides in elements.

    kind: "carry" (overwritten at the end of a step), "row", "fixed", "temporary".
    """

    __slots__ = ("base", "dtype", "kind", "offset", "shape", "strides")

    def __init__(
        self, base: str, dtype: np.dtype, shape: Sequence[int], kind: str,
        strides: Sequence[int] | None = None, offset: int = 0,
    ) -> None:  # fmt: skip
        self.base, self.dtype, self.shape, self.kind = base, dtype, tuple(shape), kind
        self.strides = contiguous(shape) if strides is None else tuple(strides)
        self.offset = offset

    def view(self, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> Place:
        """Other sizes and strides on the same memory."""
        return Place(self.base, self.dtype, shape, self.kind, strides, self.offset + offset)

    @property
    def is_contiguous(self) -> bool:
        """Do the elements lie one after the other?"""
        pairs = zip(self.shape, self.strides, contiguous(self.shape), strict=True)
        return all([n == 1 or a == b for n, a, b in pairs])

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of an array in C order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def aligned(place: Place, ndim: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of an operand in a loop over `shape`: 0 along axes that it is stretched over."""
    lead = ndim - len(place.shape)
    own = [0 if n == 1 else s for n, s in zip(place.shape, place.strides, strict=True)]
    return (*[0] * lead, *own)


def pieces(count: int, lanes: int) -> tuple[int, list[tuple[int, int]]]:
    """(full vectors, [(start, lanes)] of the shorter ones that are left)."""
    full = count // lanes
    left, start, rest = [], full * lanes, count - full * lanes
    while rest:
        width = 1 << (rest.bit_length() - 1)
        left.append((start, width))
        start, rest = start + width, rest - width
    return full, left


class Formula:
    """An elementwise expression: instructions on operands, which are places or single numbers."""

    __slots__ = ("root", "shape")

    def __init__(self, root: Scalar, shape: Sequence[int]) -> None:
        self.root, self.shape = root, tuple(shape)


COMPLEX: dict[np.dtype, np.dtype] = {  # the dtype of a part
    np.dtype("complex128"): np.dtype("float64"),
    np.dtype("complex64"): np.dtype("float32"),
}


class Pair:
    """Complex numbers by their parts, which are formulas, places or numbers of a float dtype."""

    __slots__ = ("dtype", "imag", "real", "shape")

    def __init__(
        self, real: Formula | Place | Number, imag: Formula | Place | Number, dtype: np.dtype,
        shape: Sequence[int],
    ) -> None:  # fmt: skip
        self.real, self.imag, self.dtype, self.shape = real, imag, dtype, tuple(shape)


class Number:
    """A single number in a register."""

    __slots__ = ("dtype", "name")

    def __init__(self, name: str, dtype: np.dtype) -> None:
        self.name, self.dtype = name, dtype


def collapsed(
    sizes: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[list[int], list[tuple[int, ...]]]:
    """Sizes and strides with neighbouring axes joined where all operands run on through them."""
    kept: list[int] = []
    rows: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(sizes):
        if size == 1:
            continue
        joins = bool(kept) and all(
            [r[-1] == s[axis] * size for r, s in zip(rows, strides, strict=True)]
        )
        if joins:
            kept[-1] *= size
        else:
            kept.append(size)
        for r, s in zip(rows, strides, strict=True):
            if joins:
                r[-1] = s[axis]
            else:
                r.append(s[axis])
    if not kept:
        return [1], [(1,) if k == 0 else (0,) for k in range(len(strides))]
    return kept, [tuple(r) for r in rows]
