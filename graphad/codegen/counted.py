"""Loops of an entry over single numbers: filling, and combining the results of chunks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphad.codegen.scalars import BOOL
from graphad.codegen.vectors import Text, element


class Counted:
    """Writes loops; `counters` are lines that belong to the head of the function."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.counters: list[str] = []

    def loop(self, first: str, last: str, body: Callable[[str], None]) -> None:
        """``for i in range(first, last): body(i)``; the counter lies in memory."""
        t = self.text
        tag = f"loop{t.count}"
        place = f"%{tag}.counter"
        self.counters.append(f"  {place} = alloca i64")
        t.do(f"store i64 {first}, ptr {place}")
        t.do(f"br label %{tag}")
        t.label(tag)
        i = t.put(f"load i64, ptr {place}")
        more = t.put(f"icmp ult i64 {i}, {last}")
        t.do(f"br i1 {more}, label %{tag}.body, label %{tag}.end")
        t.label(f"{tag}.body")
        body(i)
        t.do(f"store i64 {t.put(f'add i64 {i}, 1')}, ptr {place}")
        t.do(f"br label %{tag}")
        t.label(f"{tag}.end")

    def combined(
        self, combine: str, dtype: np.dtype, target: str, source: str, count: str, chunks: str,
        step: int,
    ) -> None:  # fmt: skip
        """target[i] = source[0][i] ⊕ source[1][i] ⊕ …, for `count` numbers in `chunks` rows."""
        t = self.text

        def one(i: str) -> None:
            place = t.put(f"getelementptr i8, ptr {target}, i64 {t.put(f'mul i64 {i}, {step}')}")
            self._move(place, self._load(source, i, step, dtype), dtype)

            def add(c: str) -> None:
                index = t.put(f"add i64 {t.put(f'mul i64 {c}, {count}')}, {i}")
                before = self._read(place, dtype)
                after = t.combine(combine, before, self._load(source, index, step, dtype), dtype)
                self._move(place, after, dtype)

            self.loop("1", chunks, add)

        self.loop("0", count, one)

    def _load(self, base: str, index: str, step: int, dtype: np.dtype) -> str:
        t = self.text
        offset = t.put(f"mul i64 {index}, {step}")
        return self._read(t.put(f"getelementptr i8, ptr {base}, i64 {offset}"), dtype)

    def _read(self, place: str, dtype: np.dtype) -> str:
        t = self.text
        if dtype == BOOL:
            return t.put(f"trunc i8 {t.put(f'load i8, ptr {place}')} to i1")
        return t.put(f"load {element(dtype)}, ptr {place}")

    def _move(self, place: str, value: str, dtype: np.dtype) -> None:
        t = self.text
        if dtype == BOOL:
            t.do(f"store i8 {t.put(f'zext i1 {value} to i8')}, ptr {place}")
        else:
            t.do(f"store {element(dtype)} {value}, ptr {place}")
