"""Programs with native kernels: the straight-line program, with the NumPy program as a safety net.

Kernels check sizes and memory order of their operands. Where they do not fit (arguments in
another order, sizes that broadcast only now, empty arrays), the program is run again on copies of
the arguments in C order, and then as the NumPy program. Programs change nothing but their own
results, so that they can be run again; those that print or call something are not, see `careful`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen import kernels
from graphad.codegen.calls import Callables
from graphad.codegen.gemm import product
from graphad.codegen.kernels import Kernels
from graphad.codegen.overlap import adder
from graphad.codegen.program import Program, Run, generate
from graphad.codegen.roles import roles
from graphad.codegen.rooms import keep_small
from graphad.codegen.unfit import Unfit
from graphad.codegen.whole import whole_program
from graphad.ir.families.inner import InnerFamily, acts
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import Op
from graphad.plan import Plan, make_plan
from graphad.plan.fold import fold_products
from graphad.plan.fuse import fuse
from graphad.plan.group import Group

VARIANTS = 4  # shapes for which there is one native function
Shapes = tuple[tuple[int, ...], ...]


class Native:
    """A program whose fused groups are machine code; `run` as of `Program`.

    `fits` says whether the sizes of the arguments are those that the plan is made for. For small
    arrays of sizes that are known, or have been met (`prepare`), the whole program is one native
    function.
    """

    def __init__(
        self, plan: Plan, name: str, compile_inner: Callable[[Op], Run], fallback: Program,
        fits: Callable[[Sequence[Any]], bool] | None = None, threads: int | None = None,
        cache: bool | str = False, eager: bool = False,
    ) -> None:  # fmt: skip
        keep_small()
        self.plan, self.name, self.fallback, self.fits = plan, name, fallback, fits
        self._compile_inner, self._threads, self._cache = compile_inner, threads, cache
        self._whole: dict[Shapes, Program | None] = {}
        kinds = [v.type for v in plan.graph.inputs]
        self._is_static = all(kind.is_static for kind in kinds)
        self._eager = eager and not self._is_static
        self._looped: Program | None = None
        static: Any = [kind.shape for kind in kinds]
        whole = self.prepare(static) if self._is_static else None
        self.current = whole or self.with_kernels

    def prepare(self, shapes: Sequence[tuple[int, ...]]) -> Program | None:
        """The program for inputs of these shapes as one native function; None where that is not
        possible, or does not pay."""
        key = tuple(shapes)
        if key not in self._whole and len(self._whole) < VARIANTS:
            made = whole_program(self.plan, key, self.name, self._cache)
            if made is None:
                made = self._looped = self._of_loops(key)
            self._whole[key] = made
        return self._whole.get(key)

    def _of_loops(self, key: Any) -> Program | None:
        """A program of single numbers with loops as one function."""
        graph = self.plan.graph
        if not any([isinstance(node.op.family, InnerFamily) for node in graph.nodes]):
            return None
        made: Program | None = hooks.load("codegen.looped").looped_program(
            graph, key, self.name, self._cache
        )
        return made

    @functools.cached_property
    def kernels(self) -> Kernels:
        """One for each group."""
        groups = [step.group for step in self.plan.steps if step.group is not None]
        return Kernels(groups, self._threads, self._cache)

    @functools.cached_property
    def with_kernels(self) -> Program:
        """The program that calls the kernels."""
        return generate(self.plan, self.name, self._compile_inner, self.callables)

    @functools.cached_property
    def callables(self) -> Callables:
        """The kernels by their groups, and what multiplies matrices and adds windows."""
        groups = [step.group for step in self.plan.steps if step.group is not None]
        functions = self.kernels.functions
        if acts(self.plan.graph):
            careful = hooks.load("codegen.careful").Careful
            functions = [careful(f, g) for f, g in zip(functions, groups, strict=True)]
        made = Callables(zip(groups, functions, strict=True))
        options: Any = {"threads": self.kernels.threads, "cache": self._cache}
        made.product = functools.partial(product, **options)
        made.adder = functools.partial(adder, **options)
        return made

    @property
    def source(self) -> str:
        """The source of the program; kernels are named kernel0, kernel1, …"""
        return self.current.source

    def run(self, *arrays: Any) -> Sequence[Any]:
        """The results."""
        if self.fits is not None and not self.fits(arrays):
            return self.fallback.run(*arrays)
        program = self.current
        if (self._whole or self._eager) and not self._is_static:
            program = self.current = self._for(arrays)
        try:
            return program.run(*arrays)
        except Unfit:
            if program is self._looped:  # its loops are longer than it has room for
                self.current = self.with_kernels
                return self.run(*arrays)
            return self._otherwise(program, arrays)

    def _for(self, arrays: Sequence[Any]) -> Program:
        """The program for arguments of these sizes."""
        shapes = tuple([getattr(a, "shape", ()) for a in arrays])
        found = self.prepare(shapes) if self._eager else self._whole.get(shapes)
        return found or self.with_kernels

    def _otherwise(self, program: Program, arrays: Sequence[Any]) -> Sequence[Any]:
        """Arguments in another order, or with values to be looked at."""
        ordered = [_in_order(a) for a in arrays]
        if any(a is not b for a, b in zip(arrays, ordered, strict=True)):
            try:
                return program.run(*ordered)
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
    if not acts(graph):  # kernels of such programs are careful ones
        units = fold_products(graph, units)
    return make_plan(graph, units)
