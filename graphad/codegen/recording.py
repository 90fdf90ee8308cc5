"""A namespace that records: ``xp.add(a, b)`` becomes a line of source instead of an array.

An op's formula is run once with this namespace in place of NumPy. What it calls is written down
as instructions; what cannot be written down (a decision on a run-time size, say) raises
`Unrecordable`, and the op is then called as a whole, with NumPy, at run time.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphad.ir.op import Op
from graphad.ir.types import TensorType


class Unrecordable(Exception):
    """The formula does something that only works on real arrays."""


class Traced:
    """Stands for an array (or a size) in the source: its expression, and its type if known."""

    __slots__ = ("recorder", "text", "type")

    def __init__(self, recorder: Recorder, text: str, type: TensorType | None = None) -> None:
        self.recorder, self.text, self.type = recorder, text, type

    @property
    def dtype(self) -> Any:
        return self._known().dtype

    @property
    def ndim(self) -> int:
        return self._known().ndim

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(
            [
                size
                if isinstance(size, int)
                else Traced(self.recorder, f"{self.text}.shape[{axis}]")
                for axis, size in enumerate(self._known().shape)
            ]
        )

    def _known(self) -> TensorType:
        if self.type is None:
            raise Unrecordable("the type of an intermediate result")
        return self.type

    def item(self) -> Traced:
        if self.text.lstrip("-").isdigit():
            return self
        return Traced(self.recorder, f"{self.text}.item()")

    def astype(self, dtype: Any) -> Traced:
        return self.recorder.record("astype", (self, np.dtype(dtype)), {})

    def __getitem__(self, index: Any) -> Traced:
        return self.recorder.record("getitem", (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.recorder.record("setitem", (self, index, value), {})

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise Unrecordable("a decision on a value")

    __bool__ = __int__ = __float__ = __index__ = __iter__ = __len__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __pow__ = __neg__ = __eq__ = __ne__ = _refuse
    __lt__ = __gt__ = __le__ = __ge__ = __getattr__ = _refuse
    __hash__ = None  # type: ignore[assignment]


class Instruction:
    """One recorded call: `target` = `function`(arguments, keywords)."""

    __slots__ = ("arguments", "function", "keywords", "target")

    def __init__(
        self, target: str, function: str, arguments: tuple, keywords: Mapping[str, Any]
    ) -> None:
        self.target, self.function = target, function
        self.arguments, self.keywords = arguments, keywords


class _At:
    """``xp.add``: callable, with ``.at`` for unbuffered addition, and ``.reduce``."""

    __slots__ = ("name", "recorder")

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.recorder, self.name = recorder, name

    def __call__(self, *arguments: Any, **keywords: Any) -> Traced:
        return self.recorder.record(self.name, arguments, keywords)

    def at(self, total: Traced, index: Any, values: Any) -> None:
        self.recorder.record(f"{self.name}.at", (total, index, values), {})

    def reduce(self, *arguments: Any, **keywords: Any) -> Traced:
        return self.recorder.record(f"{self.name}.reduce", arguments, keywords)


class Recorder:
    """The namespace; collects instructions whose temporaries are named by `fresh`."""

    def __init__(self, fresh: Any) -> None:
        self.instructions: list[Instruction] = []
        self.fresh = fresh

    def __getattr__(self, name: str) -> Any:
        known = getattr(np, name, None)
        if known is None:
            raise Unrecordable(f"numpy has no {name}")
        return known if isinstance(known, float) else _At(self, name)

    def record(self, function: str, arguments: tuple, keywords: Mapping[str, Any]) -> Traced:
        """Write down one call; the result is a new temporary."""
        target = self.fresh()
        self.instructions.append(Instruction(target, function, arguments, keywords))
        return Traced(self, target)


@functools.lru_cache(maxsize=4096)
def recorded(op: Op, types: tuple[TensorType, ...]) -> tuple[tuple[Instruction, ...], str]:
    """The calls that the op's formula makes on a0, a1, …, and the name of the result."""
    names = iter(range(1 << 30))
    recorder = Recorder(lambda: f"t{next(names)}")
    result = op.evaluate(recorder, [Traced(recorder, f"a{i}", t) for i, t in enumerate(types)])
    if not isinstance(result, Traced):
        raise Unrecordable("no traced result")
    return tuple(recorder.instructions), result.text
