"""Loops over small arrays as LLVM text: elementwise formulas, reductions, copies.

All sizes are numbers here: the code is made for the shapes of one call. The innermost axis is
worked on in vectors, what is left of it in shorter ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphad.codegen.numbers import has_function
from graphad.codegen.scalars import BOOL, Scalar
from graphad.codegen.vectors import Text, element, identity

UNROLLED = 4  # vectors that are written one after the other instead of in a loop


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
        return int(np.prod(self.shape, dtype=int))


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


class LoopText(Text):
    """Lines of one function with loops; keeps track of the block that is being written."""

    def __init__(self, lanes: int, declared: dict[str, str]) -> None:
        super().__init__(1, declared)
        self.most = lanes
        self.block = "start"
        self.labels = 0
        self.places: list[str] = []  # memory of the function, reserved where it begins

    def label(self, name: str) -> None:
        super().label(name)
        self.block = name

    def reserve(self, kind: str) -> str:
        """The address of memory for one `kind` on the stack."""
        name = self.fresh()
        self.places.append(f"  {name} = alloca {kind}")
        return name

    def new_label(self, word: str) -> str:
        self.labels += 1
        return f"{word}{self.labels}"

    def loop(self, count: int, emit: Callable[[str], None]) -> None:
        """``for i in range(count)``, count at least 1."""
        head, done = self.new_label("loop"), self.new_label("done")
        before, index, following = self.block, self.fresh(), self.fresh()
        self.do(f"br label %{head}")
        self.label(head)
        place = len(self.lines)
        emit(index)
        self.do(f"{following} = add i64 {index}, 1")
        more = self.put(f"icmp ult i64 {following}, {count}")
        self.lines.insert(place, f"  {index} = phi i64 [ 0, %{before} ], "
                          f"[ {following}, %{self.block} ]")  # fmt: skip
        self.do(f"br i1 {more}, label %{head}, label %{done}")
        self.label(done)

    def _call(self, function: str, args: Sequence[str], dtype: np.dtype) -> str:
        """Of a single number the C library's function, as NumPy's programs on floats call it."""
        if self.lanes > 1 or dtype.itemsize != 8 or not has_function(function):
            return super()._call(function, args, dtype)
        self.declared[function] = (
            f"declare double @{function}({', '.join(['double'] * len(args))})"
        )
        return self.put(f"call double @{function}({', '.join(f'double {a}' for a in args)})")

    # -- memory --------------------------------------------------------------------------------
    def at(self, base: str, dtype: np.dtype, offset: int, index: Sequence[tuple[str, int]]) -> str:
        """The address of base[offset + Σ index · stride]."""
        total: str | None = None
        for name, stride in index:
            if stride:
                part = name if stride == 1 else self.put(f"mul i64 {name}, {stride}")
                total = part if total is None else self.put(f"add i64 {total}, {part}")
        if offset:
            total = str(offset) if total is None else self.put(f"add i64 {total}, {offset}")
        kind = "i8" if dtype == BOOL else element(dtype)
        return (
            base if total is None else self.put(f"getelementptr {kind}, ptr {base}, i64 {total}")
        )

    def read(self, place: str, dtype: np.dtype) -> str:
        if dtype == BOOL:
            byte = self.put(f"load {self.vector('i8')}, ptr {place}, align 1")
            return self.put(f"trunc {self.vector('i8')} {byte} to {self.vector('i1')}")
        return self.put(f"load {self.type(dtype)}, ptr {place}, align {dtype.itemsize}")

    def store(self, value: str, place: str, dtype: np.dtype) -> None:
        if dtype == BOOL:
            byte = self.put(f"zext {self.vector('i1')} {value} to {self.vector('i8')}")
            self.do(f"store {self.vector('i8')} {byte}, ptr {place}, align 1")
        else:
            self.do(f"store {self.type(dtype)} {value}, ptr {place}, align {dtype.itemsize}")

    def copy(self, target: str, source: str, size: int) -> None:
        """So many bytes, from memory that does not overlap."""
        name = "llvm.memcpy.p0.p0.i64"
        self.declared[name] = f"declare void @{name}(ptr, ptr, i64, i1)"
        self.do(f"call void @{name}(ptr {target}, ptr {source}, i64 {size}, i1 false)")


class Formula:
    """An elementwise expression: instructions on operands, which are places or single numbers."""

    __slots__ = ("root", "shape")

    def __init__(self, root: Scalar, shape: Sequence[int]) -> None:
        self.root, self.shape = root, tuple(shape)


class Number:
    """A single number in a register."""

    __slots__ = ("dtype", "name")

    def __init__(self, name: str, dtype: np.dtype) -> None:
        self.name, self.dtype = name, dtype


class Loops:
    """Writes loops over formulas whose operands are listed in `operands`."""

    def __init__(self, text: LoopText, operands: list[Place | Number]) -> None:
        self.text, self.operands = text, operands

    # -- one element (or vector) ---------------------------------------------------------------
    def value(self, root: Scalar, where: Callable[[Place], str]) -> str:
        """The value of a formula at one position; `where` gives the address of an operand."""
        t = self.text
        names: dict[int, str] = {}
        stack = [root]
        while stack:
            top = stack[-1]
            if id(top) in names:
                stack.pop()
                continue
            if top.op == "load":
                names[id(top)] = self._load(self.operands[top.extra], where)
                continue
            pending = [a for a in top.args if id(a) not in names]
            if pending:
                stack += reversed(pending)
                continue
            names[id(top)] = t.write(top, [names[id(a)] for a in top.args])
        return names[id(root)]

    def _load(self, operand: Place | Number, where: Callable[[Place], str]) -> str:
        t = self.text
        if isinstance(operand, Number):
            return t.splat(operand.name, element(operand.dtype))
        address = where(operand)
        if address.startswith("splat "):
            lanes, t.lanes = t.lanes, 1
            one = t.read(address[6:], operand.dtype)
            t.lanes = lanes
            return t.splat(one, element(operand.dtype))
        return t.read(address, operand.dtype)

    def used(self, root: Scalar) -> list[Place]:
        """The places that a formula reads."""
        found: dict[int, Place] = {}
        seen: set[int] = set()
        stack = [root]
        while stack:
            top = stack.pop()
            if id(top) in seen:
                continue
            seen.add(id(top))
            operand = self.operands[top.extra] if top.op == "load" else None
            if isinstance(operand, Place):
                found[top.extra] = operand
            stack += top.args
        return list(found.values())

    # -- loops ---------------------------------------------------------------------------------
    def elementwise(self, formula: Formula, target: Place) -> None:
        """target[…] = formula[…], for all elements."""
        if not target.size:
            return
        places = self.used(formula.root)
        strides = [aligned(p, len(formula.shape), formula.shape) for p in places]
        sizes, moved = collapsed(formula.shape, [target.strides, *strides])
        own, others = moved[0], dict(zip(map(id, places), moved[1:], strict=True))

        def emit(index: list[str], inner: str | int, lanes: int) -> None:
            t = self.text
            t.lanes = lanes
            value = self.value(formula.root, self._where(index, inner, others))
            t.store(value, self._address(target, own, index, inner), target.dtype)
            t.lanes = 1

        vector = own[-1] == 1 and all(s[-1] in (0, 1) for s in others.values())
        self._nest(sizes, vector, emit)

    def _nest(self, sizes: Sequence[int], vector: bool, emit: Callable[..., None]) -> None:
        """Loops over all axes, the last in vectors."""
        t = self.text
        index: list[str] = []

        def level(axis: int) -> None:
            if axis < len(sizes) - 1:

                def inside(i: str) -> None:
                    index.append(i)
                    level(axis + 1)
                    index.pop()

                t.loop(sizes[axis], inside)
                return
            self.strip(sizes[-1], t.most if vector else 1, lambda at, n: emit(index, at, n))

        level(0)

    def strip(self, count: int, lanes: int, emit: Callable[[str | int, int], None]) -> None:
        """A row of `count` elements in vectors: ``emit(first element, lanes)``."""
        t = self.text
        full, left = pieces(count, lanes)
        if full > UNROLLED:
            t.loop(
                full, lambda i: emit(i if lanes == 1 else t.put(f"mul i64 {i}, {lanes}"), lanes)
            )
        else:
            for k in range(full):
                emit(k * lanes, lanes)
        for start, width in left:
            emit(start, width)

    def _where(
        self, index: Sequence[str], inner: str | int, strides: dict[int, tuple[int, ...]]
    ) -> Callable[[Place], str]:
        def where(place: Place) -> str:
            own = strides[id(place)]
            address = self._address(place, own, index, inner)
            return f"splat {address}" if not own[-1] and self.text.lanes > 1 else address

        return where

    def _address(
        self, place: Place, strides: Sequence[int], index: Sequence[str], inner: str | int
    ) -> str:
        pairs = list(zip(index, strides, strict=False))
        offset = place.offset
        if isinstance(inner, int):
            offset += inner * strides[-1]
        else:
            pairs.append((inner, strides[-1]))
        return self.text.at(place.base, place.dtype, offset, pairs)

    def reduce(
        self, kind: str, formula: Formula, axes: Sequence[int], dtype: np.dtype, target: Place
    ) -> None:
        """target = formula reduced over `axes`; target has the sizes of the other axes."""
        kept = [a for a in range(len(formula.shape)) if a not in axes]
        order = [*kept, *axes]
        sizes = [formula.shape[a] for a in order]
        places = self.used(formula.root)
        strides = {}
        for p in places:
            whole = aligned(p, len(formula.shape), formula.shape)
            strides[id(p)] = tuple([whole[a] for a in order])
        split = len(kept)
        if not split:
            sizes, split = [1, *sizes], 1
            strides = {key: (0, *s) for key, s in strides.items()}
        own = (*contiguous(sizes[:split]),)
        last = [s[-1] for s in strides.values()]
        along = all(s in (0, 1) for s in last) and 1 in last and sizes[-1] > 1
        across = all(s[split - 1] in (0, 1) for s in strides.values()) and sizes[split - 1] > 1
        if across:
            self._across(kind, formula, sizes, split, strides, own, dtype, target)
        else:
            self._along(kind, formula, sizes, split, strides, own, dtype, target, along)

    def _across(
        self, kind: str, formula: Formula, sizes: Sequence[int], split: int,
        strides: dict[int, tuple[int, ...]], own: Sequence[int], dtype: np.dtype, target: Place,
    ) -> None:  # fmt: skip
        """Vectors along the last axis that is kept; every lane adds up by itself."""
        t = self.text

        def emit(index: list[str], inner: str | int, lanes: int) -> None:
            t.lanes = lanes
            total = t.reserve(t.type(dtype))
            self._start(kind, total, dtype)
            deeper: list[str] = []

            def level(axis: int) -> None:
                if axis == len(sizes):
                    t.lanes = lanes
                    where = self._mixed(index, inner, deeper, split, strides)
                    self._add(kind, total, self.value(formula.root, where), dtype)
                    t.lanes = 1
                    return

                def inside(i: str) -> None:
                    deeper.append(i)
                    level(axis + 1)
                    deeper.pop()

                t.lanes = 1
                t.loop(sizes[axis], inside)

            level(split)
            t.lanes = lanes
            found = t.put(f"load {t.type(dtype)}, ptr {total}")
            t.store(found, self._address(target, own, index, inner), dtype)
            t.lanes = 1

        self._nest(sizes[:split], True, emit)

    def _mixed(
        self, index: Sequence[str], inner: str | int, deeper: Sequence[str], split: int,
        strides: dict[int, tuple[int, ...]],
    ) -> Callable[[Place], str]:  # fmt: skip
        def where(place: Place) -> str:
            own = strides[id(place)]
            pairs = [*zip(index, own, strict=False), *zip(deeper, own[split:], strict=True)]
            offset = place.offset
            if isinstance(inner, int):
                offset += inner * own[split - 1]
            else:
                pairs.append((inner, own[split - 1]))
            address = self.text.at(place.base, place.dtype, offset, pairs)
            return f"splat {address}" if not own[split - 1] and self.text.lanes > 1 else address

        return where

    def _along(
        self, kind: str, formula: Formula, sizes: Sequence[int], split: int,
        strides: dict[int, tuple[int, ...]], own: Sequence[int], dtype: np.dtype, target: Place,
        vector: bool,
    ) -> None:  # fmt: skip
        """Vectors along the last axis that is reduced, added up in the end."""
        t = self.text
        width = t.most if vector else 1
        while width > sizes[-1]:
            width //= 2

        def emit(index: list[str], inner: str | int, lanes: int) -> None:
            t.lanes = width
            total = t.reserve(t.type(dtype))
            self._start(kind, total, dtype)
            t.lanes = 1
            single = t.reserve(t.type(dtype))
            self._start(kind, single, dtype)
            outer = [*index, *([inner] if isinstance(inner, str) else [])]

            def level(axis: int, deeper: list[str]) -> None:
                if axis < len(sizes) - 1:
                    t.loop(sizes[axis], lambda i: level(axis + 1, [*deeper, i]))
                    return
                self.strip(sizes[-1], width, lambda at, n: piece(deeper, at, n))

            def piece(deeper: Sequence[str], at: str | int, n: int) -> None:
                for shift in range(0, 1 if n == width else n):
                    t.lanes = n if n == width else 1
                    spot = at if n == width else int(at) + shift
                    fixed = inner if isinstance(inner, int) else 0
                    where = self._inner(outer, fixed, deeper, spot, split, strides)
                    acc = total if n == width else single
                    self._add(kind, acc, self.value(formula.root, where), dtype)
                    t.lanes = 1

            level(split, [])
            t.lanes = width
            whole = t.fold(kind, t.put(f"load {t.type(dtype)}, ptr {total}"), dtype)
            whole = t.extract(whole, dtype)
            t.lanes = 1
            rest = t.put(f"load {t.type(dtype)}, ptr {single}")
            found = t.combine(kind, whole, rest, dtype)
            t.store(found, self._address(target, own, index, inner), dtype)

        self._nest(sizes[:split], False, emit)

    def _inner(
        self, outer: Sequence[str], fixed: int, deeper: Sequence[str], spot: str | int, split: int,
        strides: dict[int, tuple[int, ...]],
    ) -> Callable[[Place], str]:  # fmt: skip
        def where(place: Place) -> str:
            own = strides[id(place)]
            pairs = [
                *zip(outer, own[:split], strict=False),
                *zip(deeper, own[split:], strict=False),
            ]
            offset = place.offset
            if len(outer) < split:
                offset += fixed * own[split - 1]
            if isinstance(spot, int):
                offset += spot * own[-1]
            else:
                pairs.append((spot, own[-1]))
            address = self.text.at(place.base, place.dtype, offset, pairs)
            return f"splat {address}" if not own[-1] and self.text.lanes > 1 else address

        return where

    def _start(self, kind: str, total: str, dtype: np.dtype) -> None:
        t = self.text
        t.do(f"store {t.type(dtype)} {t.constant(identity(kind, dtype))}, ptr {total}")

    def _add(self, kind: str, total: str, value: str, dtype: np.dtype) -> None:
        t = self.text
        before = t.put(f"load {t.type(dtype)}, ptr {total}")
        t.do(f"store {t.type(dtype)} {t.combine(kind, before, value, dtype)}, ptr {total}")


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
