"""Sizes of the arguments of a call: what they must be, and that they agree, checked at entry."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from graphad.codegen.statements import place_of
from graphad.errors import InputShapeError
from graphad.ir.dims import Atom, Dim
from graphad.ir.families.indexing import GetItem
from graphad.ir.graph import Graph
from graphad.ir.types import Shape
from graphad.ir.variable import Apply
from graphad.runtime.arguments import Parameter, called


class SizeChecks:
    """Sizes that the arguments must have, and that must agree between them."""

    def __init__(self, parameters: Sequence[Parameter], graph: Graph) -> None:
        self.parameters = parameters
        self.fixed: list[tuple[int, int, int]] = []
        self.equal: list[tuple[int, int, int, int]] = []
        self.derived: list[tuple[int, int, Dim]] = []
        self.first: dict[Dim, tuple[int, int]] = {}
        for i, parameter in enumerate(parameters):
            for axis, size in enumerate(parameter.shape):
                if isinstance(size, int):
                    if parameter.exact is None:
                        self.fixed.append((i, axis, size))
                elif size in self.first:
                    self.equal.append((i, axis, *self.first[size]))
                else:
                    self.first[size] = (i, axis)
        self.bases = {d.terms[0][0][0]: at for d, at in self.first.items() if _is_base(d)}
        known = self.bases.keys()
        for dim, (i, axis) in self.first.items():
            if not _is_base(dim) and dim.atoms() <= known:
                self.derived.append((i, axis, dim))
        self.met = [
            (*self.first[named], named, other, node)
            for (named, other), node in _met(graph).items()
            if named in self.first and other.atoms() <= known
        ]

    def check(self, arrays: Sequence[Any]) -> None:
        """Raise InputShapeError for the first size that does not fit."""
        for i, axis, size in self.fixed:
            if arrays[i].shape[axis] != size:
                raise self.parameters[i]._wrong_shape(arrays[i])
        for i, axis, j, other in self.equal:
            if arrays[i].shape[axis] != arrays[j].shape[other]:
                raise self._differ(arrays, i, axis, j, other)
        for i, axis, dim in self.derived:
            wanted = dim.evaluate(self._known(arrays))
            if arrays[i].shape[axis] != wanted:
                raise InputShapeError(
                    f"{called(self.parameters[i].label)} has size {arrays[i].shape[axis]} along "
                    f"axis {axis}, {dim} = {wanted} is expected",
                    remedy="pass arrays whose sizes belong together",
                )
        for i, axis, named, dim, node in self.met:
            if arrays[i].shape[axis] == 1 and dim.evaluate(self._known(arrays)) != 1:
                raise self._stretched(named, dim.evaluate(self._known(arrays)), node)

    def _known(self, arrays: Sequence[Any]) -> dict[Atom, int]:
        return {atom: arrays[i].shape[axis] for atom, (i, axis) in self.bases.items()}

    def _stretched(self, named: Dim, size: int, node: Apply) -> InputShapeError:
        return InputShapeError(
            f"the size '{named}' is 1, but {node.op} joins it with a size of {size}",
            cause="a name has one value in each call, and named sizes are never stretched",
            remedy="give arrays whose sizes agree, or declare the size as None",
            where=place_of(node, node.site),
        )

    def _differ(
        self, arrays: Sequence[Any], i: int, axis: int, j: int, other: int
    ) -> InputShapeError:
        first, second = self.parameters[j], self.parameters[i]
        name = second.shape[axis]
        return InputShapeError(
            f"the size '{name}' is {arrays[j].shape[other]} in {called(first.label)} "
            f"(axis {other}) but {arrays[i].shape[axis]} in {called(second.label)} (axis {axis})",
            cause="a named size is the same everywhere in a graph",
            remedy="pass arrays that agree, or give the axes different names",
        )


def _is_base(dim: Dim) -> bool:
    """Is this one name or one unknown size, not computed from others?"""
    return dim.is_atom and dim.atoms() == {dim.terms[0][0][0]}


# ---- where a named size meets an unknown one ---------------------------------------------------
def _met(graph: Graph) -> dict[tuple[Dim, Dim], Apply]:
    """Pairs (named, other size) that some node takes for equal, with the first such node.

    NumPy finds out when they differ, unless the named one is 1, which NumPy would stretch.
    """
    found: dict[tuple[Dim, Dim], Apply] = {}
    for node in graph.nodes:
        for sizes in _aligned(_broadcast_together(node)):
            names = [d for d in sizes if d.name is not None]
            for named, other in itertools.product(names, sizes):
                if other.name is None:
                    found.setdefault((named, other), node)
    return found


def _broadcast_together(node: Apply) -> list[Shape]:
    """The shapes that a node broadcasts to each other."""
    shapes = [v.type.shape for v in node.inputs]
    if node.op.family.is_elementwise:
        return shapes
    if node.op.name == "matmul":
        return [shape[:-2] for shape in shapes]
    return shapes[1:] if isinstance(node.op.family, GetItem) else []


def _aligned(shapes: Sequence[Shape]) -> Iterator[set[Dim]]:
    """For each axis, counted from the last, the sizes that are not integers, if there are two."""
    for sizes in itertools.zip_longest(*[shape[::-1] for shape in shapes]):
        dims = {size for size in sizes if isinstance(size, Dim)}
        if len(dims) > 1:
            yield dims
