"""Programs with native kernels: the straight-line program, with the NumPy program as a safety net.

Kernels check sizes and memory order of their operands. Where they do not fit (arguments in
another order, sizes that broadcast only now, empty arrays), the program is run again on copies of
the arguments in C order, and then as the NumPy program. Programs change nothing but their own
results, so that they can be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen import kernels
from graphad.codegen.kernels import Kernels
from graphad.codegen.program import Program, Run, generate
from graphad.codegen.roles import roles
from graphad.codegen.unfit import Unfit
from graphad.ir.graph import Graph
from graphad.ir.op import Op
from graphad.plan import Group, Plan, make_plan
from graphad.plan.fuse import fuse


class Native:
    """A program whose fused groups are machine code; `run` as of `Program`.

    `fits` says whether the sizes of the arguments are those that the plan is made for.
    """

    def __init__(
        self, plan: Plan, name: str, compile_inner: Callable[[Op], Run], fallback: Program,
        fits: Callable[[Sequence[Any]], bool] | None = None, threads: int | None = None,
        cache: bool | str = False,
    ) -> None:  # fmt: skip
        groups = [step.group for step in plan.steps if step.group is not None]
        self.plan, self.fallback, self.fits = plan, fallback, fits
        self.kernels = Kernels(groups, threads, cache)
        functions = dict(zip(groups, self.kernels.functions, strict=True))
        self.program = generate(plan, name, compile_inner, functions)

    @property
    def source(self) -> str:
        """The source of the program; kernels are named kernel0, kernel1, …"""
        return self.program.source

    def run(self, *arrays: Any) -> Sequence[Any]:
        """The results."""
        if self.fits is not None and not self.fits(arrays):
            return self.fallback.run(*arrays)
        try:
            return self.program.run(*arrays)
        except Unfit:
            return self._otherwise(arrays)

    def _otherwise(self, arrays: Sequence[Any]) -> Sequence[Any]:
        ordered = [_in_order(a) for a in arrays]
        if any(a is not b for a, b in zip(arrays, ordered, strict=True)):
            try:
                return self.program.run(*ordered)
            except Unfit:
                pass
        return self.fallback.run(*arrays)


def _in_order(array: Any) -> Any:
    if not isinstance(array, np.ndarray) or (array.flags.c_contiguous and array.flags.aligned):
        return array
    return np.array(array, order="C")


def fused_plan(graph: Graph) -> Plan | None:
    """The plan with fused groups; None where nothing can be fused.

    Raises MissingLibraryError without llvmlite.
    """
    if not kernels.is_possible():
        return None
    units = fuse(graph, roles(kernels.functions()))
    if not any(isinstance(unit, Group) for unit in units):
        return None
    return make_plan(graph, units)
