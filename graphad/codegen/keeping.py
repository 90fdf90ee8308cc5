"""Entries for other processes: what `kept` reads of a program.

What is bound in a program is told by its kind; where there is something of another kind, such as
what acts on the world, nothing is kept. A Python function around machine code tells itself how to
make it again: its `made` is (module, name of the function that makes it, arguments), as of
`multiply.multiplier`.
"""

from __future__ import annotations

import contextlib
import functools
import marshal
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.codegen import rooms, scatter
from graphad.codegen.kept import Memory
from graphad.codegen.program import Program, call_op
from graphad.codegen.running import Shapes
from graphad.codegen.sharing import Owner, Sharing
from graphad.codegen.unfit import Unfit
from graphad.ir.families.inner import InnerFamily, acts
from graphad.ir.op import Op

MOST = 1 << 20  # bytes of constants
FILE = "<graphad program of the cache>"


if TYPE_CHECKING:
    from graphad.codegen.native import Native


class _Other(Exception):
    """Something that no entry tells."""


def keep_numbers(memory: Memory, made: Any) -> None:
    """Keep the program of a graph of scalars, None if there is none."""
    with contextlib.suppress(_Other, ValueError):  # of marshal
        memory.put(None if made is None else _function(made.run))


def keep(memory: Memory, made: Native | None, equal: Sequence[tuple[int, ...]] = ()) -> None:
    """Keep a program with kernels, None if there is none."""
    if made is None:
        memory.put(None)
    elif not acts(made.plan.graph):
        with contextlib.suppress(_Other, ValueError):
            found = made.__dict__.get("with_kernels")
            program = None if found is None else _Writer(memory, made).program(found)
            memory.put({"equal": [tuple(row) for row in equal], "kernels": program})


def keep_variant(
    memory: Memory, native: Native, shapes: Shapes, made: Program | None, looped: bool
) -> None:
    """Keep the program for inputs of these shapes."""
    if acts(native.plan.graph):
        return
    with contextlib.suppress(_Other, ValueError):
        program = None if made is None else _Writer(memory, native).program(made)
        memory.put((program, looped), shapes)


def _entry(owner: Any) -> str:
    """The entry that its machine code is in."""
    name: str = getattr(owner.library, "name", "") if isinstance(owner, Owner) else ""
    if not name:
        raise _Other("no machine code that is kept")
    return name


def _function(function: Any) -> tuple:
    owner: Any = getattr(function, "__self__", None)
    name = _entry(owner)
    needed = tuple([(symbol, *origin) for symbol, origin in owner.library.needed.items()])
    if not all([library for _, library, _ in needed]):
        raise _Other("other machine code, which is not kept")
    return "function", name, function.__name__, isinstance(owner, Sharing), needed


class _Writer:
    def __init__(self, memory: Memory, native: Native) -> None:
        self.memory, self.native = memory, native
        self.size = 0

    def program(self, made: Program) -> tuple[bytes, dict[str, Any]]:
        """(code of the function, what is bound in it)"""
        run = made.run
        if len(made.parts) != 1 or not isinstance(run, types.FunctionType) or run.__closure__:
            raise _Other("several parts")
        names = {name: v for name, v in run.__globals__.items() if name != "__builtins__"}
        bound = {name: self.value(name, value) for name, value in names.items()}
        return marshal.dumps(run.__code__.replace(co_filename=FILE)), bound

    def value(self, name: str, value: Any) -> tuple:
        """How an entry tells what a name stands for."""
        if isinstance(getattr(value, "__self__", None), Owner):
            return _function(value)
        if isinstance(value, Owner):
            return "owner", _entry(value), isinstance(value, Sharing)
        if isinstance(value, dict) and all(map(callable, value.values())):
            return "functions", {key: _function(function) for key, function in value.items()}
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, np.generic):
            return "number", _plain(value.dtype), value.tobytes()
        if isinstance(value, np.dtype):
            return "dtype", _plain(value)
        if isinstance(value, types.MethodType):
            for what, maker in self._makers().items():
                if value == maker:
                    return "memory", what
        made = getattr(value, "made", None) if isinstance(value, types.FunctionType) else None
        if made is not None:
            return "made", *made[:2], tuple([self.value("", given) for given in made[2]])
        return self._named(name, value)

    def _named(self, name: str, value: Any) -> tuple:
        if value is Unfit:
            return ("unfit",)
        if value is rooms.room:
            return ("room",)
        if value is scatter.add_at:
            return ("scatter",)
        if isinstance(value, rooms.Place):
            return self._place(value.variable)
        if isinstance(value, functools.partial) and value.args and isinstance(value.args[0], Op):
            if isinstance(value.args[0].family, InnerFamily):
                return "inner", self._node(value.args[0])
            if value.func is call_op and len(value.args) == 1:
                return "op", self._node(value.args[0])
        op = getattr(value, "op", None)
        if isinstance(op, Op) and isinstance(op.family, InnerFamily):  # a loop
            return "inner", self._node(op)
        called = getattr(value, "__name__", name)
        if (callable(value) or type(value) is float) and getattr(np, called, None) is value:
            return "numpy", called
        if type(value) in (int, float, bool, str, dict):
            return "plain", value
        raise _Other(name)

    def _makers(self) -> Mapping[str, Any]:
        return self.native.callables.memory if "callables" in self.native.__dict__ else {}

    def _array(self, value: np.ndarray) -> tuple:
        self.size += value.nbytes
        flags = value.flags
        if self.size > MOST or not value.size or not (flags.c_contiguous or flags.f_contiguous):
            raise _Other("large constants")
        order = "C" if flags.c_contiguous else "F"
        return "array", _plain(value.dtype), value.shape, value.tobytes(order), order  # type: ignore[arg-type]

    def _place(self, variable: Any) -> tuple:
        """Of a result of this graph, which may be lent; others never are."""
        for i, output in enumerate(self.memory.graph.outputs):
            if output is variable:
                return "place", i
        return ("room",)

    def _node(self, op: Op) -> int:
        """Where the op is in the graph."""
        for i, node in enumerate(self.memory.graph.nodes):
            if node.op == op:
                return i
        raise _Other("an op of another graph")


def _plain(dtype: np.dtype) -> str:
    if dtype.kind not in "biufc":
        raise _Other("objects")
    return dtype.str
