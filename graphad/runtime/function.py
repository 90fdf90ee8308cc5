"""The compiled callable: NumPy arrays in, NumPy arrays out.

A call checks its arguments, reads shared cells, runs the program, and only then, if everything
was computed, swaps the cells that have updates. Nothing is written that another call may read, so
that any number of threads may call one Function at once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad import tree
from graphad.errors import InputError, UseError
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.types import TensorType
from graphad.ir.variable import Shared
from graphad.runtime import cells
from graphad.runtime.arguments import Parameter, bind, called, given_away
from graphad.runtime.door import door, never
from graphad.runtime.opening import Opening
from graphad.runtime.packaging import as_array, as_number, packed, packer
from graphad.runtime.quiet import quietly
from graphad.runtime.sizes import SizeChecks
from graphad.runtime.tiers import Tiers

if TYPE_CHECKING:
    from graphad.plan.cost import Cost
    from graphad.runtime.joined import Joined
    from graphad.runtime.profile import Profile

FLOAT_FAILURES = (ArithmeticError, ValueError)  # plain floats give up: NumPy defines the value


class Function:
    """A compiled graph; made by `ga.function`.

    Call it with arrays, by position or by the names of its inputs; nested containers go in and
    come out as declared. Results are new arrays (NumPy scalars for rank 0); ``out=`` writes into
    given arrays, which a call that raises leaves as they were, unless memory ran out. Functions
    can be pickled, and called from several threads at once: a call reads all shared variables at
    one moment, and calls that update the same ones take turns.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[tuple[str, tree.Structure]],
        outputs: tree.Structure,
        shared: Sequence[Shared],
        updated: Sequence[Shared],
        compiled: Any,
        options: Any,
        joined: Sequence[Joined] = (),
    ) -> None:
        self.name, self.options, self._joined = name, options, tuple(joined)
        self._arguments, self._outputs = tuple(arguments), outputs
        self._shared, self._updated = tuple(shared), tuple(updated)
        self._compiled = compiled
        self._prepare()

    def _prepare(self) -> None:
        """What can be worked out once for all calls."""
        graph: Graph = self._compiled.graph
        labels = [p for name, structure in self._arguments for p in structure.paths(name)]
        variables = graph.inputs[: len(labels)]
        self._parameters = [Parameter(p, v.type) for p, v in zip(labels, variables, strict=True)]
        self._sizes = SizeChecks(self._parameters, self._joined)
        self._flat = all(structure == tree.LEAF for _, structure in self._arguments)
        self._count = self._outputs.leaf_count
        floats, backend = self._compiled.floats, self.options.backend
        opens = floats is None and self._compiled.opens
        self._run: Any = None
        if floats is None:
            self._run = Opening(self._compiled, self._opened) if opens else self._array_program()
        pure = not self._shared and not self._updated
        self._run_floats = _without_warnings(floats) if floats is not None and pure else None
        self._native: Any = self._compiled.native if backend == "llvm" else None
        if self._native is not None and self._run_floats is not None:
            self._run_floats = self._native.run
        self._tiers = self._start_tiers() if self.options.has_tiers else None
        self._donated = self._compiled.donated
        self._turn = cells.Turn(self._updated)
        results = graph.outputs[: self._count]
        numbers = [as_number(i, v.dtype) for i, v in enumerate(results)]
        self._pack_floats = packer(self._outputs, numbers) if self._run_floats else None
        self._fits: Callable[..., bool] = never
        self._pack: Callable[..., Any] = functools.partial(packed, self._outputs, self._count)
        if not opens:
            self._settle()

    def _settle(self) -> None:
        """Make what makes calls quick, unless it is there; one call takes less without it."""
        if self._fits is never:
            results = self._compiled.graph.outputs[: self._count]
            leaves = [as_array(i, v.ndim) for i, v in enumerate(results)]
            self._fits = door(self._parameters, self._sizes)
            self._pack = packer(self._outputs, leaves)

    def _start_tiers(self) -> Tiers | None:
        """Machine code takes over when the function has been used for a while."""
        make = functools.partial(getattr, self._compiled, "native")  # looked up by the worker
        further: Any = len(self._compiled.graph.nodes), self._compiled.recall, self._compiled.tell
        if self._run_floats is not None:
            tiers = Tiers(self._run_floats, make, self._install_floats, *further)
            self._run_floats = tiers.counted
            return tiers
        if self._run is not None:
            tiers = Tiers(self._run, make, self._install, *further)
            self._run = tiers.counted
            return tiers
        return None

    def _install(self, run: Callable[..., Sequence[Any]], native: Any) -> None:
        """Calls go there from now on; `native`: the program in machine code, if it takes part."""
        self._run, self._native = run, native
        self._settle()

    def _install_floats(self, run: Callable[..., Sequence[Any]], native: Any) -> None:
        self._run_floats, self._native = run, native

    def wait_native(self, timeout: float | None = None) -> bool:
        """Wait until machine code is there; is it, or can this function have none?

        With backend "llvm" it is there from the first call. With "auto" the next calls compare it
        with the NumPy program, and the faster of the two stays.

        >>> import graphad as ga
        >>> x = ga.scalar("x")
        >>> ga.function([x], x * x, backend="numpy").wait_native()
        False
        """
        if self._tiers is None:
            return self._native is not None
        self._tiers.wait(timeout)
        return self._tiers.native is not None

    def _opened(self, run: Callable[..., Sequence[Any]], seconds: float) -> None:
        """The first call has been answered; the program took `seconds` to write and goes on."""
        self._settle()
        if self._tiers is not None:
            self._tiers.first = run
            self._tiers.spent -= seconds

    def _array_program(self) -> Any:
        program = self._compiled.runner
        return functools.partial(_interpret, self._compiled) if program is None else program.run

    # -- the call ------------------------------------------------------------------------------
    def __call__(self, *arguments: Any, out: Any = None, **keywords: Any) -> Any:
        if keywords or len(arguments) != len(self._arguments):
            arguments = self._bind(arguments, keywords)
        values = arguments if self._flat else self._flatten(arguments)
        if self._run_floats is not None and out is None:
            result = self._on_floats(values)
            if result is not None:
                return result
        accepted = list(values)
        if not self._fits(*values):
            accepted = [p.accept(v) for p, v in zip(self._parameters, values, strict=True)]
            self._sizes.check(accepted)
        if self._updated:
            with self._turn:
                results = self._run_once(accepted, out)
        else:
            results = self._run_once(accepted, out)
        return self._pack(*results) if out is None else out

    def _run_once(self, accepted: list[Any], out: Any) -> Sequence[Any]:
        """The results; `out` and the cells that have updates are written once all is computed."""
        arrays = accepted + cells.snapshot(self._shared) if self._shared else accepted
        if self._donated:
            arrays = given_away(arrays, self._donated)
        if out is None:
            results = self._execute(arrays)
        else:
            targets = hooks.load("runtime.targets")
            given = targets.listed(self.name, self._outputs, out)
            outputs = self.graph.outputs[: self._count]
            if self._updated:
                results = self._execute(arrays)
            else:
                results = targets.run(self._execute, arrays, given, outputs, self._parameters)
        new = cells.fitted(self._updated, results[self._count :]) if self._updated else ()
        if out is not None:
            targets.write(self._outputs, outputs, results[: self._count], given)
        if self._updated:
            cells.swap(self._updated, new)
        return results

    def _execute(self, arrays: Sequence[Any]) -> Sequence[Any]:
        try:
            if self._run is None:
                self._run = self._array_program()
            return quietly(self._run, arrays)
        except Exception as error:
            labels = [p.label for p in self._parameters]
            labels += [v.name or "shared" for v in self._shared]
            told = hooks.load("runtime.failure").explain(error, self.name, labels, arrays)
            if told is None:
                raise
            raise told from error

    def _on_floats(self, values: Sequence[Any]) -> Any:
        """The result by plain floats; None where only NumPy defines it, or for arrays."""
        for value in values:
            if type(value) is not float and type(value) is not np.float64:
                return None
        try:
            results = self._run_floats(*map(float, values))  # type: ignore[misc]
        except FLOAT_FAILURES:
            return None
        return self._pack_floats(*results)  # type: ignore[misc]

    # -- arguments and results -----------------------------------------------------------------
    def _bind(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
        return bind(self.name, [name for name, _ in self._arguments], arguments, keywords)

    def _flatten(self, arguments: Sequence[Any]) -> list[Any]:
        values: list[Any] = []
        for (name, structure), argument in zip(self._arguments, arguments, strict=True):
            if structure == tree.LEAF:
                values.append(argument)
                continue
            leaves, given = tree.flatten(argument)
            if given != structure:
                shown = hooks.load("runtime.targets").shown
                raise InputError(
                    f"{called(name)} has the structure {shown(given)}",
                    cause=f"{shown(structure)} is expected",
                    remedy="pass the same containers, with the same keys and lengths",
                )
            values += leaves
        return values

    def reset_rng(self, seed: Any) -> None:
        """Start the random generators that the function draws from again, as from this seed.

        One generator then gives the numbers of ``ga.random.default_rng(seed)``; several get the
        streams that the seed spawns, in the order of `shared`, or one seed each from a list.
        Functions that share a generator see it too. Raises UseError if there is no generator.

        >>> import graphad as ga
        >>> f = ga.function([], ga.random.default_rng(0).normal())
        >>> first = f(), f()
        >>> f.reset_rng(0)
        >>> (f(), f()) == first
        True
        """
        with self._turn:
            hooks.reset_streams(self._updated, seed)

    # -- looking at it -------------------------------------------------------------------------
    @property
    def graph(self) -> Graph:
        """The graph after rewriting; its inputs are the arguments, then the shared variables."""
        return self._compiled.graph

    @property
    def plan(self) -> Any:
        """The plan: steps, fused groups, memory that is reused, peak bytes. Once large arrays
        have been met, or where sizes are known to be large, that of the program for these."""
        return getattr(self._native, "plan", None) or self._compiled.current_plan

    def cost(self) -> Cost:
        """Operations, bytes and peak memory of one call, as formulas in the named sizes.

        >>> import graphad as ga
        >>> x = ga.vector("x", shape=("n",))
        >>> found = ga.function([x], ga.exp(x) * x).cost()
        >>> found.flops, found(n=1000).peak_bytes
        (2*n, 8000)
        """
        found: Cost = hooks.load("plan.cost").cost(self.plan)
        return found

    def profile(self, *arguments: Any, seconds: float = 0.3, **keywords: Any) -> Profile:
        """Run on these arguments for about so many seconds, and tell where the time goes: print
        the result, or look at a picture of it. Shared variables are not updated.

        Raises UseError with backend "interpreter", and what a call raises.

        >>> import graphad as ga, numpy as np
        >>> x = ga.vector("x")
        >>> found = ga.function([x], ga.exp(x) * x).profile(np.ones(10_000), seconds=0.01)
        >>> [row.label.split()[0] for row in found.steps], found.steps[0].flops
        (['exp', 'multiply'], 10000)
        """
        if self.options.backend == "interpreter":
            raise UseError("profile of an interpreted function", remedy='use backend="numpy"')
        values = self._flatten(self._bind(arguments, keywords))
        accepted = [p.accept(v) for p, v in zip(self._parameters, values, strict=True)]
        self._sizes.check(accepted)
        arrays = accepted + cells.snapshot(self._shared)
        arrays = [np.array(a) if i in self._donated else a for i, a in enumerate(arrays)]
        self._execute(arrays)  # raises what a call raises; makes what large arrays need

        maker = hooks.load("runtime.profile")
        timed = functools.partial(maker.timed, self._compiled, self._native, arrays)
        made: Profile = maker.profile(self.name, timed, arrays, seconds)
        return made

    @property
    def source(self) -> str:
        """The generated program as Python source."""
        if self.options.backend == "interpreter":
            return "# interpreted, no program was generated\n" + hooks.load("ir.text").listing(
                self.graph
            )
        if self._native is not None:
            return str(self._native.source)
        floats = self._compiled.floats
        return self._compiled.source if floats is None else floats.source

    @property
    def report(self) -> Any:
        """What rewriting did: rules, counts, time."""
        return self._compiled.report

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds that each stage of the compiler took, as far as it has been needed."""
        return dict(self._compiled.seconds)

    @property
    def shared(self) -> tuple[Shared, ...]:
        """The shared variables that the function reads."""
        return self._shared

    @property
    def output_names(self) -> list[str]:
        """A name for each output of `graph`: its place in the result, then the updates."""
        plain = [p.replace("['", ".").replace("']", "") for p in self._outputs.paths()]
        names = [p[1:] if p.startswith(".") else f"output{p}" for p in plain]
        return names + [f"new {v.name or 'value'}" for v in self._updated]

    @property
    def signature(self) -> inspect.Signature:
        """The arguments with their types, as `inspect.signature` shows them."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters: list[inspect.Parameter] = []
        position = 0
        for name, structure in self._arguments:
            types: list[TensorType] = [
                p.type for p in self._parameters[position : position + structure.leaf_count]
            ]
            position += structure.leaf_count
            fit = _parameter_name(name, [p.name for p in parameters])
            parameters.append(inspect.Parameter(fit, kind, annotation=structure.unflatten(types)))
        returns = self._outputs.unflatten([v.type for v in self.graph.outputs[: self._count]])
        return inspect.Signature(parameters, return_annotation=returns)

    @property
    def __signature__(self) -> inspect.Signature:
        return self.signature

    def __repr__(self) -> str:
        head = f"<Function {self.name}{_plain(self.signature)}"
        updates = (
            f", updates {', '.join(v.name or '?' for v in self._updated)}" if self._updated else ""
        )
        return f"{head}; {len(self.plan.steps)} steps{updates}, {self.options}>"

    def __reduce__(self) -> tuple:
        return Function, (self.name, self._arguments, self._outputs, self._shared, self._updated,
                          self._compiled, self.options, self._joined)  # fmt: skip


def _interpret(compiled: Any, *arrays: Any) -> Sequence[Any]:
    results = evaluate(compiled.graph, arrays)
    return [np.array(r) if i in compiled.plan.copies else r for i, r in enumerate(results)]


def _without_warnings(floats: Any) -> Callable[..., Sequence[Any]]:
    """What runs a program of floats; those that call NumPy need its warnings off."""
    return functools.partial(_quiet, floats.run) if floats.bound else floats.run


def _quiet(run: Callable[..., Any], *values: float) -> Any:
    return quietly(run, values)


def _parameter_name(label: str, taken: Sequence[str]) -> str:
    """A name for `inspect.signature`: the label where it can be one and is not taken."""
    wish = label if label.isidentifier() and not iskeyword(label) else f"argument_{len(taken)}"
    while wish in taken:
        wish = f"{wish}_{len(taken)}"
    return wish


def _plain(signature: inspect.Signature) -> str:
    shown = ", ".join(f"{p.name}: {p.annotation!r}" for p in signature.parameters.values())
    return f"({shown}) -> {signature.return_annotation!r}"
