"""Native kernels: the groups of one program as one module of machine code, and its callables."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

from graphad.codegen import llvm, mathlib
from graphad.codegen.arrays import layout
from graphad.codegen.entry import Entry
from graphad.codegen.inside import described
from graphad.codegen.loops import Loop
from graphad.codegen.nest import Nest
from graphad.codegen.objects import GLOBALS
from graphad.codegen.threads import Task, available_threads, crew
from graphad.plan.group import Group


class Kernels:
    """Machine code of the groups of a program; `functions` take operands, then result arrays.

    `text` is the module in LLVM's language, `loops` the instructions it was made from.
    """

    def __init__(
        self, groups: Sequence[Group], threads: int | None = None, cache: bool | str = False
    ) -> None:
        self.threads = threads or available_threads()
        self.loops: list[Loop] = []
        self.nests: list[Nest] = []
        declared: dict[str, str] = {}
        functions: list[str] = []
        offsets = layout()
        assert offsets is not None
        known: dict[Any, int] = {}  # groups that differ in their variables alone share a kernel
        numbers = [known.setdefault(described(group), i) for i, group in enumerate(groups)]
        for i in known.values():
            loop = Loop(groups[i])
            nest = Nest(loop, f"nest{i}", llvm.width(), declared)
            functions += nest.write()
            functions += Entry(nest, f"kernel{i}", offsets).write()
            self.loops.append(loop)
            self.nests.append(nest)
        self.text = llvm.module_text(functions, declared, GLOBALS)
        llvm.add_math(declared)
        self._library = llvm.Library(self.text, cache)
        methods = {
            i: llvm.method(f"kernel{i}", self._library.address(f"kernel{i}"))
            for i in known.values()
        }
        sharing = Sharing(self._library, list(methods.values()), self.threads)
        made = {i: llvm.callable_of(method, sharing) for i, method in methods.items()}
        self.functions = [made[i] for i in numbers]


class Sharing:
    """What a kernel holds on to: its machine code, and how its chunks are divided."""

    def __init__(self, library: llvm.Library, methods: Sequence[Any], threads: int) -> None:
        self.keep = (library, methods)
        self.threads = threads

    def share(self, nest: int, parameters: int, chunks: int, several: bool = True) -> None:
        """Run all chunks, each exactly once, on up to `threads` threads; wait for all of them.
        Not `several`: on this one."""
        run = _as_function(nest)
        parts = min(self.threads, chunks) if several else 1
        if parts == 1:
            _check(run(parameters, 0, chunks))
            return
        bounds = [chunks * i // parts for i in range(parts + 1)]
        tasks = [Task(run, parameters, bounds[i], bounds[i + 1]) for i in range(1, parts)]
        full = crew(self.threads).share(tasks, lambda: run(parameters, 0, bounds[1]))
        for task in tasks:
            if task.error is not None:
                raise task.error
        _check(full or any([task.result for task in tasks]))


def _check(full: int) -> None:
    if full:
        raise MemoryError("no memory for the rows that a kernel keeps")


@functools.lru_cache(maxsize=1024)
def _as_function(address: int) -> Any:
    """A nest as a function; ctypes releases the interpreter lock while it runs."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return kind(address)


@functools.cache
def is_possible() -> bool:
    """Are there vector registers, and arrays as expected? Raises without llvmlite."""
    return llvm.width() > 0 and layout() is not None


def functions() -> frozenset[str]:
    """The math functions that kernels can call."""
    return mathlib.available(llvm.width())
