"""How the chunks of a kernel are divided among threads: machine code asks for it."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

from graphad.codegen.threads import Task, crew


class Owner:
    """What a function in machine code holds on to: the code, and descriptions of functions."""

    def __init__(self, library: Any, methods: Sequence[Any]) -> None:
        self.library, self.methods = library, methods


class Sharing(Owner):
    """What a kernel holds on to: its machine code, and how its chunks are divided."""

    def __init__(self, library: Any, methods: Sequence[Any], threads: int) -> None:
        super().__init__(library, methods)
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
