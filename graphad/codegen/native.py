"""Programs with native kernels, made from a plan: the straight-line program, or one function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphad.codegen import kernels
from graphad.codegen.calls import Callables
from graphad.codegen.gemm import product
from graphad.codegen.kernels import Kernels
from graphad.codegen.program import Program, Run, generate
from graphad.codegen.roles import roles
from graphad.codegen.running import VARIANTS, Running, Shapes
from graphad.codegen.whole import whole_program
from graphad.ir.families.inner import InnerFamily, acts
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.op import Op
from graphad.plan import Plan, make_plan
from graphad.plan.fold import fold_products
from graphad.plan.fuse import fuse
from graphad.plan.group import Group
from graphad.rewrite.terms import improve


class Native(Running):
    """A program whose fused groups are machine code.

    `keep` is told of each variant: (this, shapes, program or None, is it of loops?).
    """

    def __init__(
        self, plan: Plan, name: str, compile_inner: Callable[[Op], Run], fallback: Program,
        fits: Callable[[Sequence[Any]], bool] | None = None, threads: int | None = None,
        cache: bool | str = False, eager: bool = False, keep: Callable[..., None] | None = None,
    ) -> None:  # fmt: skip
        kinds = [v.type for v in plan.graph.inputs]
        super().__init__(kinds, fallback, fits, eager)
        self.plan, self.name, self._keep = plan, name, keep
        self._compile_inner, self._threads, self._cache = compile_inner, threads, cache
        self.begin(kinds)

    def variant(self, shapes: Shapes) -> tuple[Program | None, bool]:
        made = whole_program(self.plan, shapes, self.name, self._cache)
        looped = self._of_loops(shapes) if made is None else None
        if self._keep is not None:
            self._keep(self, shapes, made or looped, looped is not None)
        return made or looped, looped is not None

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
        made.adder = functools.partial(_later, "overlap", "adder", options)
        made.accumulator = functools.partial(_later, "cumulative", "accumulator", options)
        made.slider = functools.partial(_later, "sliding", "slider", options)
        return made

    @property
    def source(self) -> str:
        """The source of the program; kernels are named kernel0, kernel1, …"""
        text: str = self.current.source
        return text


def _later(module: str, name: str, options: dict[str, Any], *arguments: Any) -> Any:
    """What few programs need is loaded with the first that does."""
    return getattr(hooks.load(f"codegen.{module}"), name)(*arguments, **options)


def fused_plan(graph: Graph) -> Plan | None:
    """The plan with fused groups; None where nothing can be fused.

    Raises MissingLibraryError without llvmlite.
    """
    if not kernels.is_possible():
        return None
    graph = improve(graph)
    units = fuse(graph, roles(kernels.functions()))
    if not any(isinstance(unit, Group) for unit in units):
        return None
    if not acts(graph):  # kernels of such programs are careful ones
        units = fold_products(graph, units)
    return make_plan(graph, units)


__all__ = ["VARIANTS", "Native", "fused_plan"]
