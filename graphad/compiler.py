"""The pipeline: one function, a list of named stages; the table of contents of the compiler.

build (the user) → check → rewrite → plan → generate → run (runtime.Function)
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.codegen.large import PATIENCE, Large
from graphad.codegen.program import Program, generate, is_scalar_plan
from graphad.errors import UseError
from graphad.ir.evaluate import evaluate
from graphad.ir.families.inner import InnerFamily
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import Op
from graphad.plan import Plan, make_plan
from graphad.records import Record
from graphad.rewrite.passes import simplify
from graphad.rewrite.pattern import Rule

if TYPE_CHECKING:
    from graphad.codegen.native import Native
    from graphad.codegen.numbers import Numbers

BACKENDS = ("auto", "numpy", "llvm", "interpreter")
PRECISIONS = ("default", "exact")


class _Fields(Record):
    backend: str
    rules: tuple[Rule, ...]
    debug: bool
    threads: int | None
    deterministic: bool
    cache: bool | str
    memory_budget: int | str | None
    sizes: tuple[tuple[str, int], ...]
    precision: str


class Options(_Fields):
    """How to compile; a frozen value, no global state.

    backend: "auto" (a NumPy program at once, or plain floats for graphs of scalars; machine code
        is made in the background for functions that are used much, and stays if it is faster),
        "numpy", "llvm" (machine code for fused groups of ops and for graphs of scalars, at once;
        needs llvmlite), "interpreter" (the reference: no rewriting, node by node). The last digits
        of results may differ between them.
    rules: the user's own rewrite rules (`ga.rewrite.rule`), applied besides the default ones.
    debug: check the graph after every stage.
    threads: how many threads a native kernel may use; None: as many as there are processors.
        Results do not depend on it.
    deterministic: with backend "auto" keep to the first program, so that equal arguments give
        equal bits at every call.
    cache: keep machine code on disk, so that a second process starts without compiling it: True
        (in the folder that the environment variable GRAPHAD_CACHE_DIR names, which is read when
        first needed, or where the system keeps a user's caches), a folder, or False.
    memory_budget: bytes that results of steps may take, a number or a text such as "200MB"; what
        derivatives need is computed again where it is too much. It pins the NumPy program.
    sizes: for which sizes of named dims the budget is meant, as pairs.
    precision: "default" (formulas may be rewritten so that they round in another way, mostly
        better) or "exact" (only rewriting that keeps every bit, and NumPy's own functions, op by
        op, as the interpreter; a sum over a transposed array, which NumPy adds up in the order of
        its memory, may still differ in the last bits).
    """

    __slots__ = ()

    def __new__(
        cls,
        backend: str = "auto",
        rules: tuple[Rule, ...] = (),
        debug: bool = False,
        threads: int | None = None,
        deterministic: bool = False,
        cache: bool | str = True,
        memory_budget: int | str | None = None,
        sizes: tuple[tuple[str, int], ...] = (),
        precision: str = "default",
    ) -> Options:
        if backend not in BACKENDS:
            raise UseError(f"backend={backend!r}", remedy=f"choose one of {', '.join(BACKENDS)}")
        if not isinstance(cache, bool | str) or cache == "":
            raise UseError(f"cache={cache!r}", remedy="give a folder, True or False")
        if precision not in PRECISIONS:
            raise UseError(
                f"precision={precision!r}", remedy=f"choose one of {', '.join(PRECISIONS)}"
            )
        if precision == "exact" and backend == "llvm":
            raise UseError(
                "precision='exact' with backend='llvm'",
                cause="functions in machine code round differently from NumPy's",
                remedy='choose backend="numpy", or "auto"',
            )
        if memory_budget is not None and backend not in ("auto", "numpy"):
            raise UseError(
                f"memory_budget with backend={backend!r}",
                cause="the budget is kept by the NumPy program",
                remedy='choose backend="numpy", or "auto"',
            )
        return super().__new__(cls, backend, rules, debug, threads, deterministic, cache,
                               memory_budget, sizes, precision)  # fmt: skip

    @property
    def is_exact(self) -> bool:
        """Is every bit to be that of the interpreter?"""
        return self.precision == "exact"

    @property
    def is_pinned(self) -> bool:
        """Does the NumPy program, op by op, answer all calls?"""
        return self.is_exact or self.memory_budget is not None

    @property
    def has_tiers(self) -> bool:
        """May machine code take over from the NumPy program?"""
        return self.backend == "auto" and not self.deterministic and not self.is_pinned

    def __str__(self) -> str:
        """The backend, and what differs from the defaults."""
        parts = [f"backend={self.backend!r}"]
        for name, value, usual in zip(self._fields, self, Options(), strict=True):
            if name not in ("backend", "rules") and value != usual:
                parts.append(f"{name}={value!r}")
        if self.rules:
            parts.append(f"{len(self.rules)} own rules")
        return ", ".join(parts)


class Compiled:
    """What the stages made of a graph, each value printable."""

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        floats: Program | None,
        options: Options,
        name: str,
        seconds: dict[str, float],
        report: Any = None,
    ) -> None:
        self.graph, self.plan, self.floats, self.options = graph, plan, floats, options
        self.name, self.seconds, self.report = name, seconds, report

    @property
    def program(self) -> Program | None:
        """The NumPy program (None for the interpreter); for a graph of scalars, which runs on
        plain floats as long as these have a value, it is written when it is first needed."""
        if self.options.backend == "interpreter":
            return None
        return self._once("_program", self._make_program)

    def _make_program(self) -> Program:
        inner = inner_compiler(self.options)
        if self.options.is_pinned:
            return generate(self.plan, self.name, inner)  # blocks hold other values, and round so
        waits = self.options.backend == "auto" and not self.options.deterministic
        patience = PATIENCE if waits else 0  # blocks may add up in another order
        large = Large(self.graph, self.name, inner, self.options.threads, patience)
        return generate(self.plan, self.name, inner, large=large)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, kept; without a lock, which a forked child could find held."""
        if name not in self.__dict__:
            self.__dict__[name] = make()
        return self.__dict__[name]

    @property
    def native(self) -> Native | Numbers | None:
        """The program in machine code; None where there is nothing to gain.

        Raises MissingLibraryError without llvmlite.
        """
        found: Native | Numbers | None = self._once("_native", self._make_native)
        return found

    def _make_native(self) -> Native | Numbers | None:
        if self.options.is_pinned:
            return None
        if self.floats is not None:
            numbers: Numbers | None = hooks.load("codegen.numbers").generate_numbers(
                self.plan, self.options.cache
            )
            return numbers
        graph, conditions = hooks.load("rewrite.assume").assume_equal(self.graph)
        if conditions.equal:
            graph, _ = simplify(graph, self.options.rules)
            _check(graph, self.options, "assume")
        maker = hooks.load("codegen.native")
        fused = maker.fused_plan(graph)
        if self.program is None or (fused is None and not self._may_loop):
            return None
        fused = make_plan(graph) if fused is None else fused
        inner = inner_compiler(self.options._replace(backend="llvm"))
        fits = conditions.hold if conditions.equal else None
        made: Native = maker.Native(
            fused,
            self.name,
            inner,
            self.program,
            fits,
            self.options.threads,
            self.options.cache,
            self.options.backend == "llvm",
        )
        return made

    @property
    def _may_loop(self) -> bool:
        """Are there loops that become machine code, in a program that has none yet?"""
        inner = {node.op.name for node in self.graph.nodes}
        if any(v.ndim for v in self.graph.inputs):
            return "scan" in inner and self.options.backend == "auto"
        return "scan" in inner or "switch" in inner  # of single numbers it may be one function

    @property
    def large(self) -> Large | None:
        """The program for large arrays, once it is in use."""
        program = None if self.floats is not None else self.program
        bound = program.bound.values() if program is not None else ()
        found = next((b for b in bound if isinstance(b, Large)), None)
        used = found is not None and (found.is_made or found.is_certain)
        return found if used and found is not None and found.program is not None else None

    @property
    def current_plan(self) -> Plan:
        """The plan of the NumPy program, or of the one for large arrays once that is in use."""
        large = self.large
        return self.plan if large is None or large.plan is None else large.plan

    @property
    def source(self) -> str:
        """Source of the NumPy program, and of the one for large arrays once that is in use."""
        program, large = self.program, self.large
        assert program is not None
        if large is None:
            return program.source
        return f"{program.source}\n\n# on large arrays:\n{large.source}"

    def timed(
        self, native: Any, arrays: Sequence[Any], tick: Callable[[], None]
    ) -> tuple[Plan, Callable[..., Sequence[Any]]]:
        """What runs on these arrays, and its plan, with `tick` called after every step; `native`
        is the native program if that has taken over."""
        inner = inner_compiler(self.options)
        if native is not None and hasattr(native, "kernels"):
            program = generate(native.plan, "timed", inner, native.callables, tick=tick)
            return native.plan, program.run
        large = self.large
        if large is not None and large.is_for(arrays):
            assert large.program is not None
            assert large.plan is not None
            maker = hooks.load("codegen.grouping")
            return large.plan, maker.timed(large.program, large.plan, inner, tick).run
        return self.plan, generate(self.plan, "timed", inner, tick=tick).run

    @property
    def runner(self) -> Any:
        """What runs on arrays, native or the NumPy program; None: the interpreter."""
        native = self.native if self.options.backend == "llvm" and self.floats is None else None
        return self.program if native is None else native

    def __getstate__(self) -> dict[str, Any]:
        """Without machine code, which is made anew."""
        return {k: v for k, v in self.__dict__.items() if k != "_native"}


def compile_graph(
    graph: Graph,
    options: Options | None = None,
    name: str = "program",
    donated: frozenset[int] = frozenset(),
) -> Compiled:
    """Run all stages on a graph; `donated` are positions of inputs whose memory may be reused.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> list(compile_graph(ga.Graph([x], [x * x])).seconds)
    ['check', 'rewrite', 'plan', 'generate']
    """
    options = options or Options()
    clock = _Clock()
    _check(graph, options, "build")
    clock.mark("check")
    if options.backend == "interpreter":
        return Compiled(graph, make_plan(graph), None, options, name, clock.seconds)
    graph, report = simplify(graph, options.rules, exact=options.is_exact)
    _check(graph, options, "rewrite")
    clock.mark("rewrite")
    if options.memory_budget is None:
        plan = make_plan(graph, None, donated)
    else:
        maker = hooks.load("plan.budget")
        allowed = maker.parse_bytes(options.memory_budget)
        plan = maker.plan_within(graph, allowed, dict(options.sizes), donated)
        graph = plan.graph
    clock.mark("plan")
    floats = None
    numbers = options.backend in ("auto", "llvm") and not options.is_exact
    if numbers and is_scalar_plan(plan):
        floats = hooks.load("codegen.floats").generate_floats(plan, name)
    compiled = Compiled(graph, plan, floats, options, name, clock.seconds, report)
    if floats is None:
        _ = compiled.program
    clock.mark("generate")
    if options.backend == "llvm":
        _ = compiled.native
        clock.mark("kernels")
    return compiled


def _check(graph: Graph, options: Options, stage: str) -> None:
    if options.debug:
        hooks.load("ir.check").check(graph, stage)


def inner_compiler(options: Options) -> Callable[[Op], Callable[..., Any]]:
    """What compiles ops that hold inner graphs: the same pipeline for each of these."""
    return functools.partial(_compile_inner, options._replace(memory_budget=None))


def _compile_inner(options: Options, op: Op) -> Callable[..., Any]:
    family = op.family
    assert isinstance(family, InnerFamily)
    runs = [Inner(g, options) for g in family.graphs(op.params)]
    if op.name == "scan":
        body = simplify(op.params["graph"], options.rules, exact=options.is_exact)[0]
        plan = make_plan(body)
        scalar = options.backend in ("auto", "llvm") and not options.is_exact
        native = options.backend == "llvm"
        loop: Callable[..., Any] = hooks.load("codegen.scanned").Loop(
            op, plan, runs[0], inner_compiler(options), scalar, native, options.cache
        )
        return loop
    for run in runs:
        _ = run.compiled
    return functools.partial(_call_inner, op, runs)


def _call_inner(op: Op, runs: Sequence[Inner], *arrays: Any) -> Any:
    family = op.family
    assert isinstance(family, InnerFamily)
    return family.run_with(arrays, op.params, np, *[run.spread for run in runs])


class Inner:
    """A compiled inner graph as a callable; pickled without machine code."""

    __slots__ = ("_made", "graph", "options")

    def __init__(self, graph: Graph, options: Options, made: Compiled | None = None) -> None:
        self.graph, self.options, self._made = graph, options, made

    @property
    def compiled(self) -> Compiled:
        """What the stages made of it, when it is first asked for."""
        if self._made is None:
            self._made = compile_graph(self.graph, self.options, "inner")
        return self._made

    def __call__(self, *arrays: Any) -> Sequence[Any]:
        runner = self.compiled.runner
        return evaluate(self.compiled.graph, arrays) if runner is None else runner.run(*arrays)

    def spread(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """The same for a list of arrays."""
        return self(*arrays)

    def __reduce__(self) -> tuple:
        return Inner, (self.graph, self.options, self._made)


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def mark(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self.last
        self.last = now
