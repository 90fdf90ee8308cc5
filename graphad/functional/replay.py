"""Calls of a transformed function that need not be traced again: its `Replays`.

After a few calls the function is traced once more under inspection (`purity`). If it is proved to
depend on nothing but its arguments and on values that can be read at each call, arrays among these
become inputs of programs as the arguments are, and so do the random numbers that it draws from
generators of NumPy (`draws`); the rest becomes a key that is compared. The result of the programs
is compared once with that of the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.derivatives.opaque import Asked
from graphad.functional.bytecode import unused_parameters
from graphad.functional.draws import (
    Dice,
    Draw,
    Drawn,
    NotPure,
    same_states,
    set_states,
    states,
)
from graphad.functional.exchange import Exchange
from graphad.functional.numbers import signature, typed
from graphad.functional.paths import OUTSIDE, Paths
from graphad.functional.purity import (
    State,
    Varying,
    Watch,
    contents,
    is_trusted,
    state_of,
    values,
)
from graphad.functional.tracing import Run
from graphad.ir import walk
from graphad.ir.streams import Stream
from graphad.ir.variable import Variable

PATIENCE = 1  # calls that are traced before a proof is tried
LIMIT = 16  # plans that are kept
PATHS = 16

# (function, its arguments without the chosen ones, where these are, Variables) → results
Transform = Callable[[Callable[..., Any], Any, Any, Sequence[Any]], Any]


class Plan:
    """The programs for one state of what the function reads."""

    __slots__ = (
        "attributes", "draws", "executed", "held", "key", "paths", "seen", "types", "where",
    )  # fmt: skip

    def __init__(
        self, name: str, transform: Transform, state: State, executed: frozenset, where: Any,
        leaves: Sequence[Any],
    ) -> None:  # fmt: skip
        self.executed, self.key, self.attributes = executed, state.key, state.attributes
        # The key holds identities, so their objects have to stay; arrays are known by type.
        self.held = [v for v in state.held if type(v) is not np.ndarray]
        self.types, self.where = [signature(v) for v in leaves], where
        self.draws: list[Draw] = []
        self.seen: tuple[Any, State] | None = None  # a function, and what it alone led to
        allowed, count = frozenset(state.codes), len(leaves)
        types = [typed(a) for a in (*leaves, *values(state))]
        labels = [f"argument_{i}" for i in range(count)]
        labels += [f"captured_{i}" for i in range(len(state.arrays))]

        def retrace(arrays: Sequence[Any], evaluate: Any, context: tuple[Any, State]) -> Run:
            (fun, rest), now = context
            drawn = Drawn()

            def fill(variables: Sequence[Any]) -> Any:
                drawn.leaf = variables[0].tracing.leaf
                exchange = Exchange(now, variables[count:], executed, lambda g: Dice(g, drawn))
                return (exchange(fun), exchange(rest), where, list(variables[:count])), {}

            seeds = states(now.generators)
            try:
                if self.paths.count == 0:  # what it does for these values was seen just now
                    run = Run(transform, types, arrays, labels, fill, evaluate, drawn)
                else:
                    with Watch() as watch:
                        run = Run(transform, types, arrays, labels, fill, evaluate, drawn)
                    if watch.problem or not watch.usable or not watch.user_codes() <= allowed:
                        raise NotPure
                _check(run)
            except Exception:
                set_states(now.generators, seeds)  # the function will be run again
                raise
            self.draws = drawn.draws
            return run

        self.paths = Paths(name, retrace, {}, PATHS, quiet=True)

    def __call__(self, leaves: Sequence[Any], roots: Any, state: State) -> Any:
        """The result for these arguments, and for what the function sees now."""
        drawn = [draw.again() for draw in self.draws]
        return self.paths([*leaves, *values(state), *drawn], (roots, state))

    def read(self, roots: Any) -> State:
        """What the function sees now; it is walked through where that may have changed."""
        fun, rest = roots
        if self.seen is None or self.seen[0] is not fun or not self.seen[1].edges.hold():
            first = State(self.executed)
            first.attributes = self.attributes
            first.begin(roots)
            self.seen = fun, first
        state = self.seen[1].copy()
        state.read(rest)
        return state


def _check(run: Run) -> None:
    """NotPure for graphs that do more than compute."""
    made = [v for v in run.leaves if isinstance(v, Variable)]
    if any([isinstance(v, Stream) for v in walk.leaves(made)]):
        raise NotPure("it draws random numbers")
    if any([node.op.family.is_effect for node in walk.toposort(made)]):
        raise NotPure("it prints or calls")
    if run.drawn is not None and run.drawn.draws and (run.guards or run.others):
        raise NotPure("it draws random numbers, and decides")


class Replays:
    """The plans of one transformed function."""

    def __init__(self, name: str, fun: Callable[..., Any], transform: Transform) -> None:
        self.name, self.fun, self.transform = name, fun, transform
        self.plans: list[Plan] = []
        self.missed, self.wait = 0, PATIENCE  # calls in a row that had no plan; until a proof
        self.problem = ""  # why the function cannot be replayed
        self.unread: set[int] | None = None
        self.last: dict[int, int] = {}  # integers among the arguments of the last call
        self.varying: set[int] = set()  # where they differ from call to call
        self.lifts = True  # may these be inputs?

    def _unread(self) -> set[int]:
        """Positions of arguments that the function's code never mentions."""
        code = getattr(self.fun, "__code__", None)
        if code is None:
            return set()
        names, unused = code.co_varnames[: code.co_argcount], unused_parameters(code)
        return {i for i, name in enumerate(names) if name in unused}

    def roots(self, rest: Any) -> Any:
        """The function and its arguments but for the chosen ones: without those that it never
        reads, with integers that differ from call to call as inputs."""
        if not self._integers(rest[0]):
            return self.fun, rest
        if self.unread is None:
            self.unread = self._unread()
        args: list[Any] = list(rest[0])
        for i, a in enumerate(args):
            if type(a) is int and i in self.unread:
                args[i] = 0
            elif type(a) is int and i in self.varying and self.lifts:
                args[i] = Varying(a)
        return self.fun, (tuple(args), rest[1])

    def _integers(self, args: Sequence[Any]) -> bool:
        """Are there integers? Notes which of them differ from the last call."""
        found = False
        for i, a in enumerate(args):
            if type(a) is int:
                found = True
                if self.last.setdefault(i, a) != a:
                    self.varying.add(i)
                    self.last[i] = a
        return found

    def find(self, rest: Any, where: Any, leaves: Sequence[Any]) -> Any:
        """The result if a plan fits, else None."""
        if self.problem or not self.plans:
            return None
        roots, types = self.roots(rest), [signature(v) for v in leaves]
        for plan in self.plans:
            if types == plan.types and where == plan.where:
                state = plan.read(roots)
                if state.key == plan.key:
                    self.missed = 0
                    return self._run(plan, leaves, roots, state)
        return None

    def _run(self, plan: Plan, leaves: Sequence[Any], roots: Any, state: State) -> Any:
        if self.plans[:1] != [plan]:
            self.plans = [plan, *[p for p in self.plans if p is not plan]]
        try:
            found = plan(leaves, roots, state)
        except NotPure:
            found = OUTSIDE
        if plan.paths.gave_up and self.lifts and self.varying:
            self.lifts, self.plans = False, []
            return None
        if found is OUTSIDE or plan.paths.gave_up:
            self.plans = []
            self.problem = "it decides in too many ways, or does what was not seen before"
            return None
        return (found,)

    def watched(
        self, rest: Any, where: Any, leaves: Sequence[Any], call: Callable[[bool], Any]
    ) -> Any:
        """The result of `call`, which traces the function; a plan is made if it proves pure.

        `call` is told whether it is worth while to compile the graph.
        """
        self.missed += 1
        if self.problem or self.missed <= self.wait:
            self._integers(rest[0])
            return call(True)
        self.missed, self.wait = 0, 2 * self.wait  # what changes often is not worth proofs
        watch = Watch()
        if not watch.usable:
            return call(True)
        roots = self.roots(rest)
        before = state_of(roots, None)
        old, seeds = list(contents(before)), states(before.generators)
        with watch:
            result = call(bool(self.plans))
        later = states(before.generators)
        executed = frozenset(watch.user_codes())
        self.problem = watch.problem or self._unseen(executed, before)
        if self.problem:
            return result
        state = state_of(roots, executed)
        self.problem = state.problem
        after = state_of(roots, None)
        if after.key != before.key or list(contents(after)) != old:
            self.problem = "it changes what it reads"
        if not self.problem:
            set_states(before.generators, seeds)  # the plan is to draw the same
            self._plan(roots, where, state, executed, leaves, result)
            if not same_states(states(before.generators), later):
                set_states(before.generators, later)
                self.plans = []
                self.problem = self.problem or "it draws other numbers when it is traced again"
        return result

    def _unseen(self, executed: frozenset, before: State) -> str:
        own = getattr(self.fun, "__code__", None)
        if own is not None and own not in executed and not is_trusted(own):
            return "it was not seen running"
        missing = [c for c in executed if c not in before.codes]
        return f"it runs {missing[0].co_name}, which was not found" if missing else ""

    def _plan(
        self, roots: Any, where: Any, state: State, executed: frozenset, leaves: Sequence[Any],
        result: Any,
    ) -> None:  # fmt: skip
        plan = Plan(self.name, self.transform, state, executed, where, leaves)
        asked = Asked.count
        try:
            found = plan(leaves, roots, state)
            if Asked.count != asked:
                self.problem = "what closures of derivatives read is not watched"
            elif found is OUTSIDE or not _same(found, result):
                self.problem = "it computes something else when its arrays are symbolic"
        except Exception as error:
            self.problem = f"its arrays cannot be symbolic: {error}"
        if self.problem:
            if self.varying and self.lifts:  # perhaps for the integers alone
                self.lifts, self.problem = False, ""
            return
        self.plans = [plan, *self.plans[: LIMIT - 1]]


def _same(first: Any, second: Any) -> bool:
    a, structure = tree.flatten(first)
    b, other = tree.flatten(second)
    if structure != other:
        return False
    for x, y in zip(a, b, strict=True):
        if isinstance(x, np.ndarray | np.generic) and isinstance(y, np.ndarray | np.generic):
            if x.dtype != y.dtype or x.shape != y.shape:
                return False
            if not np.allclose(x, y, rtol=1e-8, atol=1e-10, equal_nan=True):
                return False
        elif type(x) is not type(y) or (x is not y and x != y):
            return False
    return True
