"""Graph → program whose fused groups run block by block; what `large` loads when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.blocked import Unsuitable
from graphad.codegen.blockroles import block_roles
from graphad.codegen.blocks import Blocks
from graphad.codegen.program import Program, Run, generate
from graphad.codegen.unfit import Unfit
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.inner import acts
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.graph import Graph
from graphad.ir.op import Op
from graphad.ir.variable import Apply
from graphad.plan import Plan, make_plan
from graphad.plan.fuse import fuse
from graphad.plan.group import Group, Role

ATTEMPTS = 4  # of grouping, each without the nodes that turned out not to fit


def blocked_program(
    graph: Graph, name: str, compile_inner: Callable[[Op], Run], threads: int | None
) -> tuple[Program | None, Plan | None]:
    """The program with blocks and its plan; (None, None) if there is nothing to fuse, or if it
    must not run again where blocks do not fit."""
    grouped = None if acts(graph) else grouping(graph, threads)
    if grouped is None:
        return None, None
    units, kernels = grouped
    plan = make_plan(graph, units)
    return generate(plan, name, compile_inner, kernels), plan


def timed(program: Program, plan: Plan, compile_inner: Any, tick: Callable[[], None]) -> Program:
    """The same program, which calls `tick` after every step."""
    blocks = [b for b in program.bound.values() if isinstance(b, Blocks)]
    kernels = {b.group: b for b in blocks}
    return generate(plan, "timed", compile_inner, kernels, tick=tick)


def source(program: Program) -> str:
    """The source of a program and of its blocks."""
    blocks = [b.body.source for b in program.bound.values() if isinstance(b, Blocks)]
    return "\n\n".join([*blocks, program.source])


def run(program: Program, arrays: Sequence[Any]) -> Sequence[Any] | None:
    """The results; None where blocks do not fit the arguments."""
    for array in arrays:
        if isinstance(array, np.ndarray) and not array.flags.c_contiguous:
            return None
    try:
        return program.run(*arrays)
    except Unfit:
        return None


def grouping(
    graph: Graph, threads: int | None
) -> tuple[list[Apply | Group], dict[Group, Blocks]] | None:
    """Nodes and groups in order, and the blocks of each group; None if nothing can be fused."""
    excluded: set[Apply] = set()
    answer = block_roles()

    def role(node: Apply) -> Role | None:
        return None if node in excluded else answer(node)

    for _ in range(ATTEMPTS):
        units = fuse(graph, role)
        blocks: dict[Group, Blocks] = {}
        before = len(excluded)
        for unit in units:
            if isinstance(unit, Group):
                made = _blocks(unit, len(blocks), threads)
                if made is None:
                    excluded.update(unit.row_reductions or unit.nodes)
                else:
                    blocks[unit] = made
        if len(excluded) == before:
            return (units, blocks) if blocks else None
    return None


def _blocks(group: Group, number: int, threads: int | None) -> Blocks | None:
    """The blocks of a group; None where the plain calls are as good, or blocks do not fit."""
    if sum(isinstance(n.op.family, Elementwise | Reduction | Scan) for n in group.nodes) < 2:
        return None
    try:
        return Blocks(group, group.arguments, f"block{number}", threads)
    except Unsuitable:
        return None
