"""Loops over small arrays as LLVM text: elementwise formulas, copies.

All sizes are numbers here: the code is made for the shapes of one call. The innermost axis is
worked on in vectors, what is left of it in shorter ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphad.codegen.numbers import has_function
from graphad.codegen.places import Formula, Number, Place, aligned, collapsed, pieces
from graphad.codegen.scalars import BOOL, Scalar
from graphad.codegen.vectors import Text, element

UNROLLED = 4  # vectors that are written one after the other instead of in a loop


class LoopText(Text):
    """Lines of one function with loops; keeps track of the block that is being written."""

    def __init__(self, lanes: int, declared: dict[str, str]) -> None:
        super().__init__(1, declared)
        self.most = lanes
        self.block = "start"
        self.labels = 0
        self.places: list[str] = []  # memory of the function, reserved where it begins
        self.failed = ""  # where it is noted that something is wrong

    def label(self, name: str) -> None:
        super().label(name)
        self.block = name

    def reserve(self, kind: str) -> str:
        """The address of memory for one `kind` on the stack."""
        name = self.fresh()
        self.places.append(f"  {name} = alloca {kind}")
        return name

    def failure(self) -> str:
        """The address of an i64 that is not 0 when something is wrong."""
        if not self.failed:
            self.failed = self.reserve("i64")
            self.places.append(f"  store i64 0, ptr {self.failed}")
        return self.failed

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

    def folded(
        self, count: int, first: str, kind: str, emit: Callable[[str, str], str]
    ) -> str:  # fmt: skip
        """``for i in range(count): first = emit(i, first)``, in a register of type `kind`."""
        head, done = self.new_label("loop"), self.new_label("done")
        before, index, following, total = self.block, self.fresh(), self.fresh(), self.fresh()
        self.do(f"br label %{head}")
        self.label(head)
        place = len(self.lines)
        made = emit(index, total)
        self.do(f"{following} = add i64 {index}, 1")
        more = self.put(f"icmp ult i64 {following}, {count}")
        self.lines[place:place] = [
            f"  {index} = phi i64 [ 0, %{before} ], [ {following}, %{self.block} ]",
            f"  {total} = phi {kind} [ {first}, %{before} ], [ {made}, %{self.block} ]",
        ]
        self.do(f"br i1 {more}, label %{head}, label %{done}")
        self.label(done)
        return made

    def _call(self, function: str, args: Sequence[str], dtype: np.dtype) -> str:
        """Of a single number the C library's function, as NumPy's programs on floats call it; in
        single precision a lane of a vector."""
        if self.lanes > 1:
            return super()._call(function, args, dtype)
        if dtype.itemsize == 8 and has_function(function):
            kinds = ", ".join(["double"] * len(args))
            self.declared[function] = f"declare double @{function}({kinds})"
            given = ", ".join([f"double {a}" for a in args])
            return self.put(f"call double @{function}({given})")
        self.lanes = 16 // dtype.itemsize
        wide = super()._call(function, [self.splat(a, element(dtype)) for a in args], dtype)
        found = self.extract(wide, dtype)
        self.lanes = 1
        return found

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
        if dtype.kind == "c":
            kind = f"i{8 * dtype.itemsize}"
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


class Loops:
    """Writes loops over formulas whose operands are listed in `operands`."""

    def __init__(self, text: LoopText, operands: list[Place | Number]) -> None:
        self.text, self.operands = text, operands

    # -- one element (or vector) ---------------------------------------------------------------
    def value(
        self, root: Scalar, where: Callable[[Place], str], names: dict[int, str] | None = None
    ) -> str:
        """The value of a formula at one position; `where` gives the address of an operand, `names`
        what has been computed there."""
        t = self.text
        names = {} if names is None else names
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

    def together(
        self, roots: Sequence[Scalar], shape: Sequence[int], targets: Sequence[Place]
    ) -> None:
        """Several formulas in one loop, which share what they compute."""
        if not targets[0].size:
            return
        places = list({id(p): p for root in roots for p in self.used(root)}.values())
        strides = [aligned(p, len(shape), shape) for p in places]
        sizes, moved = collapsed(shape, [*[p.strides for p in targets], *strides])
        owns, rest = moved[: len(targets)], moved[len(targets) :]
        others = dict(zip(map(id, places), rest, strict=True))

        def emit(index: list[str], inner: str | int, lanes: int) -> None:
            where, names = self._where(index, inner, others), dict[int, str]()
            values = [self.value(root, where, names) for root in roots]
            for value, target, own in zip(values, targets, owns, strict=True):
                place = self._address(target, own, index, inner)
                self.text.store(value, place, target.dtype)

        self._nest(sizes, False, emit)

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
