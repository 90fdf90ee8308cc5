"""Reductions over small arrays as LLVM text, of formulas that are not in memory.

Where the last axis is kept, each lane of a vector adds up by itself; where it is reduced, vectors
run along it and their lanes are combined in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphad.codegen.looptext import UNROLLED, Loops
from graphad.codegen.places import Formula, Place, aligned, contiguous, pieces
from graphad.codegen.vectors import identity


class Reductions(Loops):
    """Loops, and those that reduce."""

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

        def simple(index: list[str], inner: str | int, lanes: int) -> None:
            """Over one axis: the sums stay in a register."""
            t.lanes = lanes
            vector, first = t.type(dtype), t.constant(identity(kind, dtype))
            t.lanes = 1

            def add(i: str, before: str) -> str:
                t.lanes = lanes
                where = self._mixed(index, inner, [i], split, strides)
                after = t.combine(kind, before, self.value(formula.root, where), dtype)
                t.lanes = 1
                return after

            found = t.folded(sizes[-1], first, vector, add)
            t.lanes = lanes
            t.store(found, self._address(target, own, index, inner), dtype)
            t.lanes = 1

        def emit(index: list[str], inner: str | int, lanes: int) -> None:
            if split == len(sizes) - 1:
                simple(index, inner, lanes)
                return
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

        def simple(index: list[str], inner: str | int) -> None:
            """Over one axis: the sums stay in registers."""
            outer = [*index, *([inner] if isinstance(inner, str) else [])]
            fixed = inner if isinstance(inner, int) else 0

            def add(before: str, spot: str | int, n: int) -> str:
                t.lanes = n
                where = self._inner(outer, fixed, [], spot, split, strides)
                after = t.combine(kind, before, self.value(formula.root, where), dtype)
                t.lanes = 1
                return after

            full, left = pieces(sizes[-1], width)
            single = t.constant(identity(kind, dtype))
            t.lanes = width
            vector, total = t.type(dtype), t.constant(identity(kind, dtype))
            t.lanes = 1
            if full > UNROLLED:

                def one(i: str, before: str) -> str:
                    spot = i if width == 1 else t.put(f"mul i64 {i}, {width}")
                    return add(before, spot, width)

                total = t.folded(full, total, vector, one)
            else:
                for k in range(full):
                    total = add(total, k * width, width)
            for start, n in left:
                for shift in range(n):
                    single = add(single, start + shift, 1)
            t.lanes = width
            whole = t.extract(t.fold(kind, total, dtype), dtype)
            t.lanes = 1
            t.store(t.combine(kind, whole, single, dtype),
                    self._address(target, own, index, inner), dtype)  # fmt: skip

        def emit(index: list[str], inner: str | int, lanes: int) -> None:
            if split == len(sizes) - 1:
                simple(index, inner)
                return
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
