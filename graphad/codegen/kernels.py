"""Native kernels: the groups of one program as one module of machine code, and its callables."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from graphad.codegen import llvm, mathlib
from graphad.codegen.arrays import layout
from graphad.codegen.entry import Entry
from graphad.codegen.folding import Folded, multiplied
from graphad.codegen.inside import described
from graphad.codegen.loops import Loop
from graphad.codegen.nest import Nest
from graphad.codegen.objects import GLOBALS
from graphad.codegen.sharing import Sharing
from graphad.codegen.threads import available_threads
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
        numbers = [known.setdefault((described(group), multiplied(group)), i)
                   for i, group in enumerate(groups)]  # fmt: skip
        for i in known.values():
            folded = groups[i].product is not None
            loop = Loop(groups[i].by_rows() if folded else groups[i])
            nest = Nest(loop, f"nest{i}", llvm.width(), declared)
            functions += nest.write()
            if folded:
                functions += Folded(
                    nest, f"kernel{i}", offsets, groups[i].inner == 0, cache
                ).write()
            else:
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


@functools.cache
def is_possible() -> bool:
    """Are there vector registers, and arrays as expected? Raises without llvmlite."""
    return llvm.width() > 0 and layout() is not None


def functions() -> frozenset[str]:
    """The math functions that kernels can call."""
    return mathlib.available(llvm.width())
