"""Programs of scans: the statements of the body, written inside a Python loop.

Nothing is checked or called between steps that the body does not ask for. Stacked results of a
known shape are written into arrays that are made before the loop. A body of single floats runs on
Python floats, as in `floats`; where `math` raises, the loop runs again on NumPy's.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.floats import FAILURES, Floats
from graphad.codegen.program import CHUNK, Program, Writer, is_scalar_plan
from graphad.codegen.recording import Unrecordable
from graphad.codegen.vocabulary import dtype_name
from graphad.ir.families.looprun import Layout, checked_length, layout_of, run_scan, too_long
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import Op
from graphad.plan.plan import Plan, make_plan

KEEPING = ("strong_multiply", "masked_multiply")  # products of which zeros are kept
PATIENCE = 4  # NaN among results of plain products, after which these are given up
LARGE = 1 << 20  # bytes of carries from which the body's own program is worth a call per step

Run = Callable[..., Sequence[Any]]


class Loop:
    """A compiled scan: call it with the operands, get the results.

    plan    that of the body
    run     the body's program, called for each step where no loop is written, or arrays are large
    scalar  may the loop run on Python floats?
    native  shall it be machine code, where that is possible?
    cache   of machine code on disk, as of `Options`
    plainly may products that keep zeros be tried as plain ones?

    What is needed is made at the first call that needs it.
    """

    def __init__(
        self, op: Op, plan: Plan, run: Run, compile_inner: Callable[[Op], Run],
        scalar: bool = False, native: bool = False, cache: bool | str = False,
        plainly: bool = False,
    ) -> None:  # fmt: skip
        self.op, self.plan, self.run, self.compile_inner = op, plan, run, compile_inner
        self.layout, self.graph = layout_of(op.params), op.params["graph"]
        self.scalar, self.native = scalar and is_scalar_plan(plan), native
        self.cache = cache
        self.plainly = plainly
        self.doubts = PATIENCE if plainly else 0
        self._made: dict[str, Any] = {}

    def __call__(self, *operands: Any) -> Any:
        if self.native:
            results = (self._made.get("machine") or self.machine).run(operands)
            if results is not None:
                return results
        floats = self.floats
        if floats is not None:
            try:
                return floats.run(*operands)
            except FAILURES:  # what math raises where NumPy has a value
                pass
        large = _bytes(operands[: self.layout.first + self.layout.carries]) > LARGE
        if large or len(self.plan.steps) > CHUNK:
            return plain(self.layout, self.graph, self.run, *operands)
        if self.doubts and self.quick is not None:
            results = self.quick.run(*operands)
            several = results if isinstance(results, tuple) else (results,)
            if not hooks.load("codegen.plainly").has_nan(several):
                return results
            self.doubts -= 1
        assert self.arrays is not None
        return self.arrays.run(*operands)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @property
    def machine(self) -> Any:
        """The loop as machine code, for the shapes that it meets."""
        steady = hooks.load("codegen.steady").Steady
        return self._once(
            "machine", lambda: steady(self.layout, self.graph, self.plan, self.cache)
        )

    @property
    def arrays(self) -> Program | None:
        """The loop on NumPy arrays; None for very long bodies."""
        if len(self.plan.steps) > CHUNK:
            return None
        found: Program = self._once(
            "arrays", lambda: _Arrays(self, self.plan).program(self.op.name)
        )
        return found

    @property
    def quick(self) -> Program | None:
        """The loop with plain products in the place of those that keep zeros, right unless there
        is a NaN among the results; None where that cannot be, or would be no gain."""
        return self._once("quick", self._quick)

    def _quick(self) -> Program | None:
        ops = [step.node.op for step in self.plan.steps]
        if not any([op.name in KEEPING or op.params.get("strong") for op in ops]):
            return None
        body = hooks.load("codegen.plainly").plain_body(self.plan.graph)
        if body is None:
            return None
        return _Arrays(self, make_plan(body)).program(self.op.name)

    @property
    def floats(self) -> Program | None:
        """The loop on Python floats; None where that cannot be."""
        return self._once("floats", self._floats) if self.scalar else None

    def _floats(self) -> Program | None:
        try:
            return _Numbers(self, self.plan).program(f"{self.op.name} of floats")
        except Unrecordable:
            return None

    def __reduce__(self) -> tuple:
        return Loop, (self.op, self.plan, self.run, self.compile_inner, self.scalar, self.native,
                      self.cache, self.plainly)  # fmt: skip


def plain(layout: Layout, graph: Graph, run: Run, *operands: Any) -> Any:
    """The results by calling the body's program step by step."""
    results = run_scan(layout, graph, operands, lambda values: run(*values))
    return tuple(results) if len(results) != 1 else results[0]


def _bytes(arrays: Sequence[Any]) -> int:
    return sum([getattr(array, "nbytes", 8) for array in arrays])


class _Source(ABC):
    """Writes the loop around the statements of a body. Abstract: the body is what differs."""

    bound: dict[str, Any]

    def __init__(self, loop: Loop, plan: Plan) -> None:
        self.layout, self.graph, self.plan = layout, graph, _ = loop.layout, loop.graph, plan
        self.otherwise = functools.partial(plain, layout, graph, loop.run)
        c, s = layout.carries, layout.outputs
        self.inside = list(plan.values[: len(graph.inputs)])
        self.stacked = plan.outputs[c : c + s]

    # what a subclass says
    @abstractmethod
    def name(self, wish: str) -> str:
        """A name that nothing else has."""

    @abstractmethod
    def inputs(self) -> list[str]:
        """The names of the body's inputs."""

    @abstractmethod
    def body(self) -> list[str]:
        """Its statements."""

    @abstractmethod
    def outputs(self) -> list[str]:
        """The expressions of its outputs."""

    @abstractmethod
    def head(self) -> str:
        """Imports."""

    @abstractmethod
    def entered(self, name: str, number: int) -> list[str]:
        """Statements that bring an operand into the form that the body reads."""

    @abstractmethod
    def rows(self, name: str) -> str:
        """What gives the rows of a sequence, in the order of the loop."""

    @abstractmethod
    def fixed_rows(self, number: int) -> bool:
        """Is a stacked result written into an array that is there before the loop?"""

    @abstractmethod
    def left(self, name: str, number: int) -> str:
        """A carry at the end."""

    # the loop
    def program(self, title: str) -> Program:
        layout = self.layout
        inside = self.inputs()
        c, r = layout.carries, layout.rows
        carries, rows, captured = inside[:c], inside[c : c + r], inside[c + r :]
        given = [self.name(f"{v}_s" if v.isidentifier() else "rows") for v in rows]
        steps, going = self.name("length"), self.name("going")
        n, i = self.name("n"), self.name("i")
        body = self.body()
        results = self.outputs()
        stacks = [self.name(f"y{k}") for k in range(layout.outputs)]
        heads = [steps, *([going] if layout.until else [])]
        otherwise, check = self.name("otherwise"), self.name("checked")
        self.bound[otherwise] = self.otherwise
        self.bound[check] = functools.partial(checked_length, layout, self.graph)
        signature = ", ".join([*heads, *carries, *given, *captured])
        ends = f" or not {going}" if layout.until else ""
        counted = f"{check}(({signature},))" if given else f"int({steps})"
        lines = [f"{n} = {counted}", f"if {n} < 1{ends}:",
                 f"    return {otherwise}({signature})"]  # fmt: skip
        for k, name in enumerate([*carries, *given, *captured]):
            lines += self.entered(name, k)
        for k, stack in enumerate(stacks):
            lines.append(f"{stack} = {self._stack(k, n)}")
        inner = [*body, *self._stored(stacks, results[c:], i)]
        kept = [(v, new) for v, new in zip(carries, results, strict=False) if v != new]
        new, old = ", ".join([w for _, w in kept]), ", ".join([v for v, _ in kept])
        more = self.name("more")
        inner += [f"{more} = {results[-1]}"] if layout.until else []
        inner += [f"{old} = {new}"] if kept else []
        inner += [f"if not {more}:", "    break"] if layout.until else []
        lines += [f"{self._head(rows, given, n, i)}:"]
        lines += [f"    {line}" for line in inner or ["pass"]]
        if layout.strict:
            error = self.name("too_long")
            self.bound[error] = too_long
            lines += ["else:", f"    raise {error}({n})"]
        finals = [self.left(v, k) for k, v in enumerate(carries)]
        finals += [self._gathered(stack, k) for k, stack in enumerate(stacks)]
        finals += [f"int64({i} + 1)"] if layout.until else []
        lines.append(f"return {', '.join(finals)}")
        text = f"def program({signature}):\n" + "".join([f"    {line}\n" for line in lines])
        return Program([f"{self.head()}{text}"], self.bound, title)

    def _head(self, rows: Sequence[str], given: Sequence[str], n: str, i: str) -> str:
        """The first line of the loop; i is the place in stacked results, or counts the steps."""
        layout = self.layout
        turned = layout.backward and not layout.until
        places = f"range({n} - 1, -1, -1)" if turned else f"range({n})"
        if not rows:
            return f"for {i} in {places}"
        many = f"({', '.join(rows)},)" if len(rows) == 1 else f"({', '.join(rows)})"
        pairs = f"zip({', '.join([self.rows(g) for g in given])})"
        if layout.until or any(map(self._by_place, range(layout.outputs))):
            return f"for {i}, {many} in zip({places}, {pairs})"
        return f"for {many} in {pairs}"

    def _by_place(self, k: int) -> bool:
        return not self.layout.until and self.fixed_rows(self.stacked[k])

    def _stack(self, k: int, n: str) -> str:
        if not self._by_place(k):
            return "[]"
        kind = self.plan.values[self.stacked[k]].type
        sizes = ", ".join([n, *map(str, kind.shape)])
        return f"empty(({sizes}{',' if not kind.ndim else ''}), {dtype_name(kind.dtype)})"

    def _stored(self, stacks: Sequence[str], results: Sequence[str], i: str) -> list[str]:
        return [
            f"{stack}[{i}] = {result}" if self._by_place(k) else f"{stack}.append({result})"
            for k, (stack, result) in enumerate(zip(stacks, results, strict=False))
        ]

    def _gathered(self, stack: str, k: int) -> str:
        if self._by_place(k):
            return stack
        kind = self.plan.values[self.stacked[k]].type
        flipped = "[::-1]" if self.layout.backward else ""
        return f"array({stack}{flipped}, {dtype_name(kind.dtype)})"


class _Arrays(_Source):
    """On NumPy arrays."""

    def __init__(self, loop: Loop, plan: Plan) -> None:
        super().__init__(loop, plan)
        self.writer = Writer(plan, loop.compile_inner, {})
        self.bound = self.writer.bound

    def name(self, wish: str) -> str:
        return self.writer.names.unique(wish)

    def inputs(self) -> list[str]:
        return [self.writer.names.value(v) for v in self.inside]

    def body(self) -> list[str]:
        return self.writer.body(self.plan.steps)

    def outputs(self) -> list[str]:
        return [self.writer.operand(n, None) for n in self.plan.outputs]

    def head(self) -> str:
        dtypes = {dtype_name(v.type.dtype) for v in self.plan.values}
        names = {*self.writer.imports, "array", "empty", "int64", *dtypes}
        return f"from numpy import {', '.join(sorted(names))}\n\n\n"

    def entered(self, name: str, number: int) -> list[str]:
        return []

    def rows(self, name: str) -> str:
        return f"{name}[::-1]" if self.layout.backward else name

    def fixed_rows(self, number: int) -> bool:
        kind = self.plan.values[number].type
        return kind.is_static and kind.ndim > 0  # single numbers are faster in a list

    def left(self, name: str, number: int) -> str:
        return f"array({name})" if self.inside[number].type.ndim else name


class _Numbers(_Source):
    """On Python floats."""

    def __init__(self, loop: Loop, plan: Plan) -> None:
        super().__init__(loop, plan)
        self.written = Floats(plan)
        self.bound = self.written.bound

    def name(self, wish: str) -> str:
        return self.written.names.unique(wish)

    def inputs(self) -> list[str]:
        return [self.written.operands[v.number] for v in self.inside]

    def body(self) -> list[str]:
        return self.written.body()

    def outputs(self) -> list[str]:
        return [self.written.operands[n] for n in self.plan.outputs]

    def head(self) -> str:
        return f"{self.written.head()}from numpy import array, bool_, empty, float64, int64\n\n\n"

    def entered(self, name: str, number: int) -> list[str]:
        if self.layout.carries <= number < self.layout.carries + self.layout.rows:
            return [f"{name} = {name}{'[::-1]' if self.layout.backward else ''}.tolist()"]
        word = "float" if self.inside[number].type.dtype == np.float64 else "bool"
        return [f"{name} = {word}({name})"]

    def rows(self, name: str) -> str:
        return name

    def fixed_rows(self, number: int) -> bool:
        return False

    def left(self, name: str, number: int) -> str:
        return f"{dtype_name(self.inside[number].type.dtype)}({name})"
