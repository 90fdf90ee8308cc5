"""Lines of a block's body, and the memory they write to.

Values of a block live in slots of a workspace; a slot is taken over when the value in it has been
read for the last time. A `Val` is known by a small sample of it, which tells dtype and rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.codegen.naming import Names
from graphad.codegen.recording import Traced
from graphad.codegen.statements import takes_out
from graphad.codegen.vocabulary import ARRAY, call, literal
from graphad.plan.group import Axes, Operand, Result
from graphad.records import Record


class Val:
    """A value in the body: an array of one block, known by what a small sample of it is."""

    __slots__ = ("base", "index", "last", "result", "sample", "slot", "text")

    def __init__(
        self, sample: Any, text: str = "", base: Val | None = None, index: str = ""
    ) -> None:
        self.sample, self.text = sample, text
        self.base, self.index = base, index  # of a view
        self.last = -1  # the line that reads it last
        self.result: int | None = None  # position among the results, if it is one
        self.slot: int | None = None

    @property
    def root(self) -> Val:
        return self if self.base is None else self.base.root

    def __str__(self) -> str:
        return self.text if self.base is None else f"{self.base}[{self.index}]"


class Line:
    """``target = function(arguments)``; "patch" puts `arguments[0]` where it is 0."""

    __slots__ = ("arguments", "function", "keywords", "place", "target")

    def __init__(
        self, function: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any], target: Val,
        place: str = "",
    ) -> None:  # fmt: skip
        self.function, self.arguments, self.keywords = function, arguments, keywords
        self.target, self.place = target, place


class Buffer(Record):
    """A view of a slot of the workspace: dtype, and shape by axes of the frame."""

    slot: int
    dtype: np.dtype
    axes: Axes


class Body(Record):
    """The source of one block, and what its parameters are.

    parameters: operands, then results that are written in place, then buffers.
    """

    source: str
    name: str
    bound: dict[str, Any]
    operands: tuple[Operand, ...]
    written: tuple[int, ...]  # positions of results that are written block by block
    partial: tuple[tuple[int, str], ...]  # positions of those that are combined, and how
    buffers: tuple[Buffer, ...] = ()
    slots: tuple[int, ...] = ()  # bytes of one element of each slot
    element_bytes: int = 0  # of operands and results
    limit: int = 1  # axes of the frame before this one may be cut


def ufunc_name(function: str) -> str:
    """The name of the ufunc that a recorded call stands for."""
    return "absolute" if function == "abs" else function


def call_text(function: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """The text of a call whose arguments are values of the body, numbers or dtypes."""
    shown = [Traced(None, str(a)) if isinstance(a, Val) else a for a in arguments]  # type: ignore[arg-type]
    if function in ARRAY:
        return ARRAY[function](*shown, **keywords)
    return call(function, tuple(shown), keywords)


class Emitter:
    """Gives values their memory, and writes the lines.

    `frame` are the sizes that samples have along the axes of the frame; `written` are the results
    that are computed in place, by position.
    """

    def __init__(
        self, names: Names, frame: Sequence[int], written: Mapping[int, tuple[Result, Val]]
    ) -> None:
        self.names, self.frame, self.full = names, tuple(frame), math.prod(frame)
        self.written = written
        self.slots: list[int] = []
        self.free: list[int] = []
        self.buffers: dict[Buffer, str] = {}
        self.targets: dict[int, str] = {}
        self.direct: dict[Val, int] = {}
        for position, (_, value) in written.items():
            self.targets[position] = names.unique(f"r{position}")
            if value.base is None and value not in self.direct:
                self.direct[value] = position

    def body(self, lines: Sequence[Line]) -> list[str]:
        source: list[str] = []
        place = ""
        for i, line in enumerate(lines):
            if line.place != place:
                source.append(f"# {line.place}")
                place = line.place
            source += self._line(i, line)
            for argument in line.arguments:
                if isinstance(argument, Val):
                    self._release(argument.root, i)
            self._release(line.target.root, i)
        return source

    def _release(self, value: Val, i: int) -> None:
        if value.slot is not None and value.last <= i:
            self.free.append(value.slot)
            value.slot = None

    def _line(self, i: int, line: Line) -> list[str]:
        if line.function == "patch":
            kept, made = line.arguments
            mask = self._mask(kept)
            return [f"copyto({made}, {kept}, where=equal({kept}, 0{mask}))"]
        ufunc = ufunc_name(line.function)
        full = np.size(line.target.sample) == self.full
        if full and not line.keywords and takes_out(ufunc) and getattr(np, ufunc).nout == 1:
            texts = [str(a) if isinstance(a, Val) else literal(a) for a in line.arguments]
            out = self._memory(i, line)
            return [f"{ufunc}({', '.join(texts)}, out={out})"]
        if full and line.function == "astype":
            value = str(line.arguments[0])
            out = self._memory(i, line, fresh=True)
            return [f'copyto({out}, {value}, casting="unsafe")']
        text = call_text(line.function, line.arguments, line.keywords)
        line.target.text = self.names.temporary()
        return [f"{line.target.text} = {text}"]

    def _mask(self, kept: Val) -> str:
        if np.size(kept.sample) != self.full:
            return ""
        slot = self._slot(1)
        self.free.append(slot)  # used at once
        return f", out={self._buffer(slot, np.dtype(bool), np.shape(kept.sample))}"

    def _memory(self, i: int, line: Line, fresh: bool = False) -> str:
        """Where a call writes: a result, the memory of an operand that dies, or a slot."""
        target, dtype = line.target, line.target.sample.dtype
        position = self.direct.get(target)
        if position is not None and self.written[position][0].variable.dtype == dtype:
            target.text = self.targets[position]
            return target.text
        shape = np.shape(target.sample)
        for operand in () if fresh else line.arguments:
            if (
                isinstance(operand, Val) and operand.base is None and operand.slot is not None
                and operand.last == i and operand.sample.dtype == dtype
                and np.shape(operand.sample) == shape
            ):  # fmt: skip
                target.slot, operand.slot = operand.slot, None
                target.text = operand.text
                return target.text
        target.slot = self._slot(dtype.itemsize)
        target.text = self._buffer(target.slot, dtype, shape)
        return target.text

    def _slot(self, itemsize: int) -> int:
        for position, slot in enumerate(self.free):
            if self.slots[slot] == itemsize:
                return self.free.pop(position)
        self.slots.append(itemsize)
        return len(self.slots) - 1

    def _buffer(self, slot: int, dtype: np.dtype, shape: Sequence[int]) -> str:
        axes = tuple([None if size == 1 else self.frame.index(size) for size in shape])
        buffer = Buffer(slot, dtype, axes)
        if buffer not in self.buffers:
            self.buffers[buffer] = self.names.unique(f"b{len(self.buffers)}")
        return self.buffers[buffer]

    def copies(self) -> list[str]:
        """Copies results into their place that were not computed there."""
        pairs = [(self.targets[p], str(value)) for p, (_, value) in self.written.items()]
        return [f"copyto({target}, {value})" for target, value in pairs if value != target]
