"""The program in machine code of what was compiled: found on disk, or made from the graph."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphad.ir.hooks import hooks
from graphad.plan import make_plan
from graphad.rewrite.passes import simplify

if TYPE_CHECKING:
    from graphad.codegen.kept import Memory
    from graphad.codegen.native import Native
    from graphad.codegen.numbers import Numbers


class Later:
    """The NumPy program of what was compiled, written when it is first needed; no cycle."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = weakref.ref(compiled)

    @property
    def run(self) -> Any:
        """Its function."""
        compiled = self._compiled()
        assert compiled is not None  # the function that holds it holds this, too
        return compiled.program.run


def native(compiled: Any) -> Native | Numbers | None:
    """The program; None where there is nothing to gain. `compiled` is of `compiler.Compiled`.

    Raises MissingLibraryError without llvmlite.
    """
    if compiled.options.is_pinned:
        return None
    found = recall(compiled)
    if found is not None:
        known: Native | Numbers | None = found[0]
        return known
    untold = Untold()
    made, equal = _made(compiled, untold)
    if compiled.options.cache is not False:
        compiled.once("_untold", lambda: (made, equal, untold))
        if compiled.options.backend == "llvm":
            tell(compiled)
    return made


class Untold:
    """Programs for some shapes, of which other processes are told once nobody waits for them."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.variants: list[Any] = []  # as of `Running.variant`, with their shapes
        self.memory = memory  # from when on they are told at once

    def variant(self, native: Native, shapes: Any, made: Any, looped: bool) -> None:
        """One more of them."""
        if self.memory is None:
            self.variants.append((shapes, made, looped))
        else:
            hooks.load("codegen.keeping").keep_variant(self.memory, native, shapes, made, looped)


def tell(compiled: Any) -> None:
    """Tell other processes of a program that was made from its graph."""
    told = compiled.__dict__.pop("_untold", None)
    memory = None if told is None else _memory(compiled)
    if told is None or memory is None:
        return
    made, equal, untold = told
    keeping = hooks.load("codegen.keeping")
    if compiled.floats is not None:
        keeping.keep_numbers(memory, made)
        return
    keeping.keep(memory, made, equal)
    untold.memory = memory
    for variant in untold.variants:
        keeping.keep_variant(memory, made, *variant)
    untold.variants.clear()


def recall(compiled: Any) -> tuple[Any] | None:
    """The program that another process has made, maybe None; None: nothing is known of it."""
    choice = compiled.options.cache
    store = hooks.load("codegen.cache").store(choice) if choice is not False else None
    memory = None if store is None or store.is_empty() else _memory(compiled)
    if memory is None:
        return None
    kept = hooks.load("codegen.kept")
    anew = functools.partial(_anew, weakref.ref(compiled))  # no cycle
    inner = compiled.inner_compiler("llvm")
    found = kept.recall(memory, compiled, inner, Later(compiled), anew)
    return None if found is kept.UNKNOWN else (found,)


def _anew(compiled: weakref.ref[Any]) -> Any:
    found = compiled()
    return None if found is None else _made(found, Untold(_memory(found)))[0]


def _memory(compiled: Any) -> Memory | None:
    """What is on disk of this graph; None: nothing is kept of it."""
    options = compiled.options
    if options.cache is False or options.rules or options.debug or options.is_pinned:
        return None
    kind = f"{options.backend} {'kernels' if compiled.floats is None else 'numbers'}"
    make = hooks.load("codegen.kept").Memory.of
    found: Memory | None = compiled.once(
        "_kept", lambda: make(compiled.graph, kind, options.cache)
    )
    return found


def _made(compiled: Any, untold: Untold) -> tuple[Any, Sequence[Any]]:
    """The program made from the graph, and which sizes it takes as equal."""
    if compiled.floats is None:
        return _with_kernels(compiled, untold)
    cache = compiled.options.cache
    return hooks.load("codegen.numbers").generate_numbers(compiled.plan, cache), ()


def _with_kernels(compiled: Any, untold: Untold) -> tuple[Native | None, Sequence[Any]]:
    """The program with kernels, and which sizes it takes as equal."""
    options = compiled.options
    graph, conditions = hooks.load("rewrite.assume").assume_equal(compiled.graph)
    if conditions.equal:
        graph, _ = simplify(graph, options.rules)
        if options.debug:
            hooks.load("ir.check").check(graph, "assume")
    maker = hooks.load("codegen.native")
    fused = maker.fused_plan(graph)
    if options.backend == "interpreter" or (fused is None and not _may_loop(compiled)):
        return None, ()
    made: Native = maker.Native(
        make_plan(graph) if fused is None else fused,
        compiled.name,
        compiled.inner_compiler("llvm"),
        Later(compiled),
        conditions.hold if conditions.equal else None,
        options.threads,
        options.cache,
        options.backend == "llvm",
        untold.variant,
    )
    return made, conditions.equal


def _may_loop(compiled: Any) -> bool:
    """Are there loops that become machine code, in a program that has none yet?"""
    graph = compiled.graph
    inner = {node.op.name for node in graph.nodes}
    if any(v.ndim for v in graph.inputs):
        return "scan" in inner and compiled.options.backend == "auto"
    return "scan" in inner or "switch" in inner  # of single numbers it may be one function
