"""The programs of one function for one signature: a tree of paths, one for each way of deciding.

A path is a graph with the guards that were decided on the way. Its program computes the guards
with the results; where they come out as expected, the results are right. Where they do not, the
outcomes that were seen lead to another path of the tree, or to a new one. Where that happens often
all paths become one tree of programs, which computes once what they share (`stages`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphad import tree
from graphad.assemble import function
from graphad.errors import GraphadWarning, TracerError
from graphad.functional.calls import own_values
from graphad.functional.content import content
from graphad.functional.stages import UNKNOWN, Stages
from graphad.functional.tracer import CONVERSIONS, Guard
from graphad.functional.tracing import Run
from graphad.ir.context import resolve
from graphad.ir.evaluate import evaluate
from graphad.ir.garbage import rarely
from graphad.ir.graph import Graph
from graphad.ir.op import freeze
from graphad.ir.variable import Shared, Variable
from graphad.ir.walk import leaves_of, toposort
from graphad.runtime.function import Function
from graphad.runtime.opening import expect

MAX_PATHS = 32
OUTSIDE = object()  # the result of a function that uses Variables from outside
ENDLESS = frozenset({"while_loop"})  # ops that may not end where a guard does not hold
VAIN = 0.02  # seconds lost by wrong guesses after which paths are joined
REMEDY = (
    "pass what changes as an argument (static_argnames=… if it is no array), or leave jit away"
)
PLAIN = ("bool", "int", "index")  # decisions that compare as Python numbers


def difference(first: Run, second: Run) -> str | None:
    """What two runs that decided alike differ in; None: their graphs and numbers are the same."""
    made = [content(run.inputs, [*run.outputs, *[g.variable for g in run.guards]])
            for run in (first, second)]  # fmt: skip
    if made[0].key != made[1].key or first.structure != second.structure:
        return "the graph is another one"
    for one, other in zip(made[0].constants, made[1].constants, strict=True):
        if one.value.tobytes() != other.value.tobytes():
            if one.ndim:
                return f"an array of type {one.type} holds other numbers"
            return f"{one.value} has become {other.value}"
    return None


class Path:
    """One way through the function: its graph, and its program once it is compiled."""

    __slots__ = ("checks", "expected", "function", "joins", "plain", "run", "safe", "single")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.checks = [CONVERSIONS[g.kind] for g in run.guards]
        self.expected = [freeze(g.outcome) for g in run.guards]
        plain = all([g.kind in PLAIN for g in run.guards])
        self.plain = [g.outcome for g in run.guards] if plain else None
        self.function: Function | None = None
        self.single = run.structure == tree.LEAF and isinstance(run.leaves[0], Variable)
        self.safe = self.joins = not run.guards
        if run.guards:
            targets = [*run.outputs, *[g.variable for g in run.guards]]
            nodes = toposort(targets)
            self.safe = not any([node.op.name in ENDLESS for node in nodes])
            self.joins = self.safe and not (  # may it be a part of a tree of programs?
                any([node.op.family.is_effect for node in nodes])
                or any([isinstance(v, Shared) for v in leaves_of(nodes, targets, frozenset())])
            )

    def compile(self, name: str, options: dict[str, Any], again: bool = True) -> Function:
        """The program; `again`: it is known that it will be called more than once."""
        if self.function is None:
            outputs = [*self.run.outputs, *[g.variable for g in self.run.guards]]
            with rarely:
                self.function = function(
                    self.run.inputs, outputs, name=name, unused="ignore", **options
                )
                if again:
                    expect(self.function)
        return self.function

    def result(self, values: Sequence[Any]) -> Any:
        """The results in their container."""
        if self.single:
            return values[0]
        rest = iter(values)
        leaves = [next(rest) if isinstance(v, Variable) else v for v in self.run.leaves]
        return self.run.structure.unflatten(leaves)


class Fork:
    """A node of the tree: the guard that is decided here, and where its outcomes lead."""

    __slots__ = ("branches", "guard", "recent")

    def __init__(self) -> None:
        self.guard: Guard | None = None
        self.branches: dict[Any, Fork] = {}
        self.recent: Path | None = None  # the path below that was taken last


class Paths:
    """All paths of a function for one signature."""

    def __init__(
        self,
        name: str,
        retrace: Callable[..., Run],
        options: dict[str, Any],
        limit: int,
        quiet: bool = False,
        debug: bool = False,
    ) -> None:
        self.name, self.retrace, self.options, self.limit = name, retrace, options, limit
        self.debug = debug  # is the function run at each call, to see whether it does the same?
        self.root, self.count = Fork(), 0
        self.gave_up, self.quiet = False, quiet
        self.stages: Stages | None = None  # all paths in one, where decisions change often
        self.vain = 0.0  # seconds of programs whose decisions turned out otherwise
        self.worth = VAIN

    def __call__(self, arrays: Sequence[Any], context: Any = None) -> Any:
        """The results for these arrays; `context` is handed on to what traces the function."""
        if self.gave_up:
            return self._node_by_node(arrays, context)
        if self.debug and self.count:
            self._traced(arrays, context)
        path = self.root.recent
        if path is not None and path.function is not None and not path.checks:
            return path.result(path.function(*arrays))
        stages = self.stages
        if stages is not None:
            return self._staged(stages, arrays, context)
        tried: set[Path] = set()
        while path is not None and path.safe and path not in tried:
            tried.add(path)
            if path.function is None and path.joins and path.checks:
                other = self._guessed(path, arrays)
                if other is not path:  # it may never be taken again: not worth a program
                    path = other
                    continue
            compiled = path.function or path.compile(self.name, self.options)
            start = time.perf_counter()
            try:
                values = compiled(*arrays)
            except Exception:
                if not path.checks:
                    raise
                break  # perhaps only because a guard does not hold
            count = len(values) - len(path.checks)
            if path.plain is None or list(values[count:]) != path.plain:
                other = self._other(path, values[count:])
                if other is not path:
                    self.vain += time.perf_counter() - start
                    path = other
                    continue
            if path is not self.root.recent:
                self._was_taken(path)
                if self.vain > self.worth:
                    self._join()
            return path.result(values[:count])
        return self._traced(arrays, context)

    def _guessed(self, path: Path, arrays: Sequence[Any]) -> Path | None:
        """Where the guards of a path without a program lead, computed node by node."""
        guards = [guard.variable for guard in path.run.guards]
        try:
            return self._other(path, evaluate(Graph(path.run.inputs, guards), arrays))
        except Exception:  # perhaps only because a guard does not hold
            return None

    def _staged(self, stages: Stages, arrays: Sequence[Any], context: Any) -> Any:
        """By the tree of programs."""
        try:
            found = stages(arrays)
        except Exception:  # perhaps only because a decision comes too late
            found = UNKNOWN
        return self._traced(arrays, context) if found is UNKNOWN else found

    def _join(self) -> None:
        """Make one tree of the paths; where that cannot be, wait for ever longer."""
        self.vain, self.worth = 0.0, 2 * self.worth
        paths = list(self._all())
        if all([path.joins for path in paths]):
            self.stages = Stages(self.name, self.options, paths)

    def _all(self) -> Iterator[Path]:
        work = [self.root]
        while work:
            fork = work.pop()
            work += fork.branches.values()
            if fork.guard is None and fork.recent is not None:
                yield fork.recent

    def _was_taken(self, path: Path) -> None:
        """It is the first to be tried next time."""
        fork = self.root
        fork.recent = path
        for outcome in path.expected:
            fork = fork.branches[outcome]
            fork.recent = path

    def _other(self, path: Path, values: Sequence[Any]) -> Path | None:
        """Where the guards of a path lead, if they came out as `values`."""
        fork = self.root
        for check, expected, value in zip(path.checks, path.expected, values, strict=True):
            outcome = freeze(check(value))
            found = fork.branches.get(outcome)
            if outcome != expected:
                return found.recent if found is not None else None
            assert found is not None
            fork = found
        return path

    def _node_by_node(self, arrays: Sequence[Any], context: Any) -> Any:
        run = self.retrace(arrays, own_values, context)
        return run.structure.unflatten(run.values)

    def _traced(self, arrays: Sequence[Any], context: Any) -> Any:
        """Trace; the path is new or has been met. The first path is compiled at once."""
        first = self.count == 0
        with rarely:
            run = self.retrace(arrays, None if first else own_values, context)
            if run.others:
                return OUTSIDE
            path = self._enter(run)
            if first:
                path.compile(self.name, self.options, self.quiet)
        if first:
            further = run.drawn.values if run.drawn is not None else ()
            values = path.compile(self.name, self.options)(*arrays, *further)
            return path.result(values[: len(values) - len(path.checks)])
        return run.structure.unflatten(run.values)

    def _enter(self, run: Run) -> Path:
        """The path of the run, entered into the tree."""
        fork = self.root
        for guard in run.guards:
            known = fork.guard
            if (known is None and fork.recent is not None) or (
                known is not None and (known.kind, known.site) != (guard.kind, guard.site)
            ):
                raise self._impure(known, guard)
            fork.guard = guard
            fork = fork.branches.setdefault(freeze(guard.outcome), Fork())
        if fork.guard is not None:
            raise self._impure(fork.guard, None)
        path = fork.recent
        if path is None:
            path = Path(run)
            self.count += 1
            self.stages = None
        elif (what := difference(path.run, run)) is not None:
            raise TracerError(
                f"{self.name} computes something else when it is run again: {what}",
                cause="jit runs the function once for each way of deciding, so it must be pure; "
                "this one depends on something that is no argument and has changed",
                remedy=REMEDY,
            )
        self._was_taken(path)
        if self.count > self.limit:
            self._give_up(run)
        return path

    def _impure(self, first: Guard | None, second: Guard | None) -> TracerError:
        places = [f"{g.kind} at {resolve(g.site)}" if g else "none" for g in (first, second)]
        return TracerError(
            f"{self.name} decides differently after the same decisions: "
            f"{places[0]}, then {places[1]}",
            cause="jit runs the function once for each way of deciding, so it must be pure; "
            "this one depends on something that is no argument and has changed",
            remedy=REMEDY,
        )

    def _give_up(self, run: Run) -> None:
        self.gave_up = True
        sites: dict[str, int] = {}
        for guard in run.guards:
            place = f"{guard.kind} at {resolve(guard.site)}"
            sites[place] = sites.get(place, 0) + 1
        shown = "; ".join(f"{place} ({n} times)" for place, n in list(sites.items())[:5])
        self.root = Fork()
        if self.quiet:
            return
        warnings.warn(
            f"{self.name} took more than {self.limit} different paths: it runs node by node from "
            f"now on, without a compiled program. It decides on values: {shown}. Decisions inside "
            "of the graph have one program: ga.where, ga.cond, ga.while_loop; or raise "
            "jit(..., max_paths=…)",
            GraphadWarning,
            stacklevel=4,
        )
