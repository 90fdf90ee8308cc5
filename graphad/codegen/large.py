"""The program for large arrays: the plan with fused groups, which run block by block.

The straight-line program asks at its start whether arrays are large, and if so calls `Large`,
which makes its program at the first such call, or, if it has patience, when the calls together
were enough work for that to pay. Where blocks do not fit (arguments in another order, sizes that
broadcast only now) it gives None, and the straight-line program goes on. What makes and runs
blocks (`grouping`) loads when it is first needed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from graphad.codegen.naming import Names
from graphad.codegen.program import Program, Run, Writer
from graphad.ir.dims import Dim
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import Op
from graphad.ir.types import Shape
from graphad.plan import Plan

FROM = 1 << 16  # elements from which an array counts as large
PATIENCE = 1 << 23  # elements computed without blocks that take as long as making blocks


class Large:
    """`large(*arrays)`: the results, computed block by block, or None where that does not fit."""

    __slots__ = (
        "_made", "compile_inner", "graph", "name", "patience", "test", "threads", "work",
    )  # fmt: skip

    def __init__(
        self, graph: Graph, name: str, compile_inner: Callable[[Op], Run],
        threads: int | None, patience: int = 0, test: str | None = None, work: str | None = None,
    ) -> None:  # fmt: skip
        self.graph, self.name, self.threads = graph, name, threads
        self.compile_inner = compile_inner
        self.patience = patience  # elements that calls may compute before there are blocks
        self.test = test  # what the program asks, as source of a function of its inputs
        self.work = work  # how many elements a call computes, as such a source
        self._made: tuple[Program | None, Plan | None] | None = None

    @property
    def program(self) -> Program | None:
        """The program, made when it is first needed; None if there is nothing to fuse."""
        return self._once()[0]

    @property
    def plan(self) -> Plan | None:
        """The plan with groups."""
        return self._once()[1]

    @property
    def is_made(self) -> bool:
        """Has it been needed, and is there something to fuse?"""
        return self._made is not None and self._made[0] is not None

    def _once(self) -> tuple[Program | None, Plan | None]:
        if self._made is None:
            maker = hooks.load("codegen.grouping")
            name = f"{self.name} on large arrays"
            self._made = maker.blocked_program(self.graph, name, self.compile_inner, self.threads)
        made: tuple[Program | None, Plan | None] = self._made
        return made

    def asked(self, writer: Writer, inputs: Sequence[str]) -> list[str]:
        """Statements of a program that leave large arrays to this one."""
        text = condition(writer.plan, writer.names)
        if text is None:
            return []
        self.test = f"lambda {', '.join(inputs)}: {text}"
        self.work = f"lambda {', '.join(inputs)}: {_work(writer.plan, writer.names)}"
        name, found = writer.names.unique("large"), writer.names.unique("found")
        writer.bound[name] = self
        several = f"({text})" if " or " in text else text
        called = f"({found} := {name}({', '.join(inputs)}))"
        return [f"if {several} and {called}:", f"    return {found}"]

    def is_for(self, arrays: Sequence[Any]) -> bool:
        """Are these arrays large?"""
        return self.test is not None and bool(eval(self.test)(*arrays))

    @property
    def is_certain(self) -> bool:
        """Are arrays large, whatever the arguments?"""
        return self.test is not None and self.test.endswith(": True")

    @property
    def source(self) -> str:
        """The source of the program and of its blocks."""
        return (
            ""
            if self.program is None
            else str(hooks.load("codegen.grouping").source(self.program))
        )

    def __call__(self, *arrays: Any) -> Sequence[Any] | None:
        if self._made is None:
            hooks.load("codegen.rooms").keep_small()
        if self._made is None and self.patience > 0 and self.work is not None:
            self.patience -= eval(self.work)(*arrays)
            if self.patience > 0:
                return None
        if self.program is None:
            return None
        found: Sequence[Any] | None = hooks.load("codegen.grouping").run(self.program, arrays)
        return found

    def __reduce__(self) -> tuple:
        return Large, (self.graph, self.name, self.compile_inner, self.threads, self.patience,
                       self.test, self.work)  # fmt: skip


# ---- when ------------------------------------------------------------------------------------
def condition(plan: Plan, names: Names) -> str | None:
    """An expression that is true when arrays are large; None if they never are."""
    shapes: dict[Shape, None] = {}
    for step in plan.steps:
        if isinstance(step.node.op.family, Elementwise | Reduction | Scan):
            shapes.update({plan.values[n].type.shape: None for n in (*step.inputs, *step.outputs)})
    inputs = plan.values[: len(plan.graph.inputs)]
    texts: dict[str, None] = {}
    for shape in [s for s in shapes if not any(_is_part(s, other) for other in shapes)]:
        static = [size for size in shape if isinstance(size, int)]
        if len(static) == len(shape):
            if math.prod(static) >= FROM:
                return "True"
            continue
        text = _elements(shape, [(names.value(v), v.type.shape) for v in inputs])
        texts.update({} if text is None else {f"{text} >= {FROM}": None})
    return " or ".join(texts) if 0 < len(texts) <= 4 else None


def _work(plan: Plan, names: Names) -> str:
    """How many elements the steps compute that blocks could take over; an expression."""
    inputs = [(names.value(v), v.type.shape) for v in plan.values[: len(plan.graph.inputs)]]
    counts: Counter[Shape] = Counter()
    for step in plan.steps:
        if isinstance(step.node.op.family, Elementwise | Reduction | Scan):
            numbers = (*step.inputs, *step.outputs)
            counts[max([plan.values[n].type.shape for n in numbers], key=len)] += 1
    fixed, terms = 0, []
    for shape, count in counts.items():
        static = [size for size in shape if isinstance(size, int)]
        text = None if len(static) == len(shape) else _elements(shape, inputs)
        fixed += count * math.prod(static) if len(static) == len(shape) else 0
        terms += [] if text is None else [f"{count} * {text}"]
    return " + ".join([str(fixed), *terms])


def _is_part(shape: Shape, other: Shape) -> bool:
    """Has the other shape all these sizes, and more?"""
    rest = list(other)
    for size in shape:
        if size != 1 and size not in rest:
            return False
        if size != 1:
            rest.remove(size)
    return any(size != 1 for size in rest)


def _elements(shape: Shape, inputs: Sequence[tuple[str, Shape]]) -> str | None:
    """The number of elements, in terms of inputs; None if it depends on something else."""
    for name, own in inputs:
        if own == shape:
            return f"{name}.size"
    factor, factors = 1, []
    for size in shape:
        if isinstance(size, int):
            factor *= size
            continue
        found = next((f"{n}.shape[{own.index(size)}]" for n, own in inputs if size in own), None)
        if found is None or not isinstance(size, Dim):
            return None
        factors.append(found)
    return " * ".join(factors + ([str(factor)] if factor != 1 else []))
