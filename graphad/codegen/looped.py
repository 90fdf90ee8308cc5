"""A program of single numbers with loops as one native function.

Newton's iteration and its gradient are a few loops of a few steps, with some numbers between
them: getting from one to the next from Python takes longer than all of them. Here the program is
the only step of a loop, and its loops are inner ones (see `loopinner`). What these have no room
for, or find wrong, raises `Unfit`: the NumPy program then runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy import empty

from graphad.codegen import kernels
from graphad.codegen.loopdriver import Entered
from graphad.codegen.naming import Names
from graphad.codegen.program import Program
from graphad.codegen.recording import Unrecordable
from graphad.codegen.steady import Code
from graphad.codegen.unfit import Unfit
from graphad.ir.families.inner import InnerFamily
from graphad.ir.families.looprun import Layout
from graphad.ir.graph import Graph
from graphad.plan import Plan, make_plan

MOST_STEPS = 400  # ops of the program itself
LONGEST = 1000  # rows that are known to be recorded; longer loops are better off on their own


def looped_program(
    graph: Graph, shapes: Sequence[tuple[int, ...]], name: str, cache: bool | str = False
) -> Program | None:
    """The program of a graph as one native function; None where that cannot be, or where there
    are other inputs and results than single numbers, or no loops."""
    nodes = graph.nodes
    if any(shapes) or not graph.inputs or len(nodes) > MOST_STEPS or not kernels.is_possible():
        return None
    if not any([isinstance(node.op.family, InnerFamily) for node in nodes]):
        return None
    if any([v.ndim for v in graph.outputs]) or any(
        [_is_long(v) for n in nodes for v in n.outputs]
    ):
        return None
    plan = make_plan(graph)
    try:
        code = Code(Layout(0, 0, len(plan.outputs), count=1), plan, {}, cache)
    except Unrecordable:
        return None
    return _program(code.entered, plan, name)


def _is_long(variable: Any) -> bool:
    size = variable.type.size
    return isinstance(size, int) and size > LONGEST


def _program(code: Entered, plan: Plan, name: str) -> Program:
    """The Python function that makes room for the results and enters the code."""
    names = Names()
    given = [names.value(v) for v in plan.values[: code.inputs]]
    results = [names.unique(f"result{k}") for k in range(len(code.tails))]
    enter, unfit, make = (names.unique(w) for w in ("native", "Unfit", "empty"))
    bound: dict[str, Any] = {enter: code.enter, unfit: Unfit, make: empty}
    lines = [f"# {len(plan.steps)} steps, with loops, in one native function"]
    for k, (_, dtype) in enumerate(code.tails):
        bound[kind := names.unique(f"d{k}")] = dtype
        lines.append(f"{results[k]} = {make}(1, {kind})")
    fixed = [names.unique(f"constant{k}") for k in range(len(code.fixed))]
    bound |= dict(zip(fixed, code.fixed, strict=True))
    called = ", ".join(["1", "1", "0", *given, *results, *fixed])
    lines += [f"if {enter}({called}) & 2:", f"    raise {unfit}"]
    found = "".join([f"{r}[0], " for r in results])
    lines.append(f"return {found or '()'}")
    body = "".join([f"    {line}\n" for line in lines])
    return Program([f"def program({', '.join(given)}):\n{body}"], bound, name)
