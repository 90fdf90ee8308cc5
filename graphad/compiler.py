"""The pipeline: one function, a list of named stages; the table of contents of the compiler.

build (the user) → check → rewrite → plan → generate → run (runtime.Function)
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.codegen.large import PATIENCE, Large
from graphad.codegen.program import Program, generate, is_scalar_plan
from graphad.errors import UseError
from graphad.ir.evaluate import evaluate
from graphad.ir.families.inner import InnerFamily, acts
from graphad.ir.garbage import rarely
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import Op
from graphad.plan import Plan, make_plan
from graphad.records import Record
from graphad.rewrite.passes import simplified_body, simplify
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

    backend: "auto" (the first call node by node, then a NumPy program, or plain floats for graphs
        of scalars; machine code is made in the background for functions that are used much, and
        stays if it is faster),
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

    floats: Program | None = None  # of a graph of scalars

    def __init__(
        self, graph: Graph, options: Options, name: str, seconds: dict[str, float],
        donated: frozenset[int] = frozenset(), report: Any = None,
    ) -> None:  # fmt: skip
        self.graph, self.options, self.name, self.donated = graph, options, name, donated
        self.seconds, self.report = seconds, report

    @property
    def plan(self) -> Plan:
        """The plan of the NumPy program, made when it is first needed."""
        made: Plan = self.once("_plan", self._make_plan)
        return made

    def _make_plan(self) -> Plan:
        with rarely, _timed(self.seconds, "plan"):
            if self.options.memory_budget is None:
                return make_plan(self.graph, None, self.donated)
            maker, sizes = hooks.load("plan.budget"), dict(self.options.sizes)
            allowed = maker.parse_bytes(self.options.memory_budget)
            plan: Plan = maker.plan_within(self.graph, allowed, sizes, self.donated)
            self.graph = plan.graph
            return plan

    @property
    def program(self) -> Program | None:
        """The NumPy program (None for the interpreter), written when it is first needed."""
        if self.options.backend == "interpreter":
            return None
        return self.once("_program", self._make_program)

    def _make_program(self) -> Program:
        plan = self.plan
        with rarely, _timed(self.seconds, "generate"):
            if self.options.is_pinned:  # blocks hold other values, and round so
                return generate(plan, self.name, self.inner)
            return generate(plan, self.name, self.inner, large=self.for_large)

    @property
    def for_large(self) -> Large:
        """What answers for large arrays."""
        made: Large = self.once("_large", self._make_large)
        return made

    def _make_large(self) -> Large:
        waits = self.options.backend == "auto" and not self.options.deterministic
        patience = PATIENCE if waits else 0  # blocks may add up in another order
        return Large(self.graph, self.name, self.inner, self.options.threads, patience)

    @property
    def opens(self) -> bool:
        """Is the first call to be computed without a program (`runtime.opening`)?"""
        if not self.options.has_tiers or self.donated or "_program" in self.__dict__:
            return False
        return not any([n.op.family.is_inner for n in self.graph.nodes]) and not acts(self.graph)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, kept; without a lock, which a forked child could find held."""
        if name not in self.__dict__:
            self.__dict__[name] = make()
        return self.__dict__[name]

    @property
    def native(self) -> Native | Numbers | None:
        """The program in machine code; None where there is nothing to gain.

        Raises MissingLibraryError without llvmlite.
        """
        found: Native | Numbers | None = self.once("_native", self._make_native)
        return found

    def recall(self) -> bool:
        """Is the program in machine code there, or has another process made it, so that it is now?
        Nothing is compiled for that."""
        if "_native" not in self.__dict__:
            choice = self.options.cache
            store = hooks.load("codegen.cache").store(choice) if choice is not False else None
            if store is None or store.is_empty():
                return False
            found = hooks.load("natively").recall(self)
            if found is None:
                return False
            self.once("_native", lambda: found[0])
        return True

    def _make_native(self) -> Native | Numbers | None:
        with rarely:
            found: Native | Numbers | None = hooks.load("natively").native(self)
        return found

    def tell(self) -> None:
        """Tell other processes of the program in machine code, if it is new."""
        hooks.load("natively").tell(self)

    def inner_compiler(self, backend: str) -> Callable[[Op], Callable[..., Any]]:
        """What compiles ops that hold inner graphs, with another backend."""
        return inner_compiler(self.options._replace(backend=backend))

    @property
    def inner(self) -> Callable[[Op], Callable[..., Any]]:
        """What compiles ops that hold inner graphs."""
        return inner_compiler(self.options)

    @property
    def large(self) -> Large | None:
        """The program for large arrays, once it is in use."""
        program = None if self.floats is not None else self.program
        found: Large | None = None if program is None else self.__dict__.get("_large")
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

    @property
    def runner(self) -> Any:
        """What runs on arrays, native or the NumPy program; None: the interpreter."""
        native = self.native if self.options.backend == "llvm" and self.floats is None else None
        return self.program if native is None else native

    def __getstate__(self) -> dict[str, Any]:
        """With the program, without machine code, which is made anew."""
        _ = self.program if self.floats is None else None
        return {k: v for k, v in self.__dict__.items() if k not in ("_native", "_kept", "_untold")}


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
    seconds: dict[str, float] = {}
    with _timed(seconds, "check"):
        _check(graph, options, "build")
    if options.backend == "interpreter":
        return Compiled(graph, options, name, seconds)
    with rarely, _timed(seconds, "rewrite"):
        graph, report = simplify(graph, options.rules, exact=options.is_exact)
        _check(graph, options, "rewrite")
    compiled = Compiled(graph, options, name, seconds, donated, report)
    numbers = options.backend in ("auto", "llvm") and not options.is_exact
    if numbers and not any([v.ndim for v in graph.inputs]) and is_scalar_plan(compiled.plan):
        with _timed(seconds, "generate"):
            compiled.floats = hooks.load("codegen.floats").generate_floats(compiled.plan, name)
    if compiled.floats is None and not compiled.opens:
        _ = compiled.program
    if options.backend == "llvm":
        with _timed(seconds, "kernels"):
            _ = compiled.native
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
        body = simplified_body(op.params["graph"], options.rules, options.is_exact)
        plan = make_plan(body)
        scalar = options.backend in ("auto", "llvm") and not options.is_exact
        native = options.backend == "llvm"
        loop: Callable[..., Any] = hooks.load("codegen.scanned").Loop(
            op,
            plan,
            runs[0],
            inner_compiler(options),
            scalar,
            native,
            options.cache,
            scalar and not options.deterministic,
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


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Notes how long a stage takes."""
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
