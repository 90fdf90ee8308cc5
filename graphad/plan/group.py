"""A `Group` is a set of nodes that share one loop nest, which a native kernel computes.

A group has a *frame*, the axes of its loops, outermost first. Every value in it is described by
its *axes*: for each of its own axes the axis of the frame it runs along, or None where its size
is 1. Values that the group computes run along a leading part of the frame: along all of it
("element"), or along its outer axes only ("row": a result of a reduction over the inner axes, or
what is computed from such results). Operands from outside may run along any of its axes. Axes
that are inserted, removed or stretched between the operand and its use cost nothing.

A value that is summed over everything ("total") or over outer axes ("column") is known when the
loops have ended, so nothing else in the group can read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from graphad.ir.types import Shape, Size
from graphad.ir.variable import Apply, Variable

LARGEST = 128  # nodes of a group: compile time stays linear in the graph

Axes = tuple[int | None, ...]


class Role(NamedTuple):
    """How a node takes part in a loop nest; None stands for nodes that cannot.

    kind     "map" (elementwise), "view" (axes inserted, removed, stretched), "reduce" (over
             `axes`), "scan" (reduces over `axes` and gives the operand's shape again: softmax)
    simple   one reduction and nothing else, so that it can end a group
    source   of a view: for each axis of the result the operand's axis, None for a new one
    """

    kind: str
    axes: tuple[int, ...] = ()
    keepdims: bool = False
    simple: bool = True
    source: Axes = ()


class Operand(NamedTuple):
    """An array from outside, and the axes of the frame it runs along."""

    variable: Variable
    axes: Axes


class Result(NamedTuple):
    """A value of the group that is read outside.

    kind: "element", "row", and reductions that end the loops: "total" (over all elements), "row
    total" (of one number for each row), "column" (over outer axes)."""

    variable: Variable
    axes: Axes
    kind: str


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes of one loop nest. `sources` say for each operand of each node whether it is a value
    of the group (a Variable) or comes from outside (an Operand); frame[inner:] is the inner loop.
    """

    nodes: tuple[Apply, ...]
    sources: tuple[tuple[Variable | Operand, ...], ...]
    frame: tuple[Size, ...]
    inner: int
    operands: tuple[Operand, ...]
    results: tuple[Result, ...]

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """The variables that are read, each once."""
        return tuple(dict.fromkeys(operand.variable for operand in self.operands))

    @property
    def outputs(self) -> tuple[Variable, ...]:
        return tuple([result.variable for result in self.results])

    def __str__(self) -> str:
        loops = [f"{'i' if a < self.inner else 'j'}<{size}" for a, size in enumerate(self.frame)]
        return f"kernel[{', '.join(loops)}]"


# ---- a group that grows ----------------------------------------------------------------------
@dataclass(eq=False)
class Growing:
    """A group under construction; `add` leaves it unchanged when the node does not fit."""

    stage: int
    views: dict[Variable, tuple[Variable, Axes]]  # views of values from outside: base, source
    nodes: list[Apply] = field(default_factory=list)
    sources: list[tuple[Variable | Operand, ...]] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    frame: list[Size] = field(default_factory=list)
    axes: dict[Variable, Axes] = field(default_factory=dict)
    ends: dict[Variable, str] = field(default_factory=dict)  # totals and columns
    rows: int | None = None  # how many inner axes are reduced within rows
    outer: int = 0  # at least so many axes must be outer ones
    exact: int | None = None  # totals of rows: there must be exactly so many outer axes

    def add(self, node: Apply, role: Role) -> bool:
        """Take the node in, if it fits."""
        if len(self.nodes) >= LARGEST or any(v in self.ends for v in node.inputs):
            return False
        before = (self.rows, self.outer, self.exact)
        rule = {"map": self._map, "view": self._view}.get(role.kind, self._reduce)
        if rule(node, role):
            return True
        self.rows, self.outer, self.exact = before
        return False

    # -- elementwise ---------------------------------------------------------------------------
    def _map(self, node: Apply, role: Role) -> bool:
        shape = node.types[0].shape
        inner = [v for v in node.inputs if v in self.axes]
        along = self._aligned(shape, [(v.type.shape, self.axes[v]) for v in inner])
        if along is None:
            return False
        made = self._complete(along, shape)
        if made is None:
            return False
        axes, frame = made
        sources = tuple([
            v if v in self.axes else self._operand(v, shape, axes) for v in node.inputs
        ])  # fmt: skip
        return self._commit(node, role, sources, axes, frame)

    def _aligned(self, shape: Shape, known: Iterable[tuple[Shape, Axes]]) -> list | None:
        """The axes that values of the group give to a result of this shape; None: they clash."""
        along: list[int | None] = [None] * len(shape)
        for own, axes in known:
            lead = len(shape) - len(own)
            for p, axis in enumerate(axes, lead):
                if axis is None:
                    continue
                if shape[p] != own[p - lead] or along[p] not in (None, axis):
                    return None
                along[p] = axis
        return along

    def _complete(
        self, along: Sequence[int | None], shape: Shape
    ) -> tuple[Axes, list[Size]] | None:
        """Axes for all sizes but 1, and the frame with those that are new; None: out of order.

        What is computed runs along a leading part of the frame.
        """
        frame, axes = list(self.frame), list(along)
        expected = 0
        for p, size in enumerate(shape):
            if axes[p] is None and size == 1:
                continue
            if axes[p] is None:
                if expected == len(frame):
                    frame.append(size)
                elif frame[expected] != size:
                    return None
                axes[p] = expected
            if axes[p] != expected:
                return None
            expected += 1
        return tuple(axes), frame

    def _operand(self, variable: Variable, shape: Shape, axes: Axes) -> Operand:
        """A value from outside, aligned with a result of given axes; views are seen through."""
        lead = len(shape) - variable.ndim
        own: Axes = tuple([
            None if size == 1 else axes[lead + p] for p, size in enumerate(variable.type.shape)
        ])  # fmt: skip
        while variable in self.views:
            base, source = self.views[variable]
            places = {a: own[p] for p, a in enumerate(source) if a is not None}
            own = tuple([
                None if size == 1 else places[a] for a, size in enumerate(base.type.shape)
            ])  # fmt: skip
            variable = base
        return Operand(variable, own)

    # -- views ---------------------------------------------------------------------------------
    def _view(self, node: Apply, role: Role) -> bool:
        x = node.inputs[0]
        if x not in self.axes:
            return False
        along = [None if a is None else self.axes[x][a] for a in role.source]
        made = self._complete(along, node.types[0].shape)
        if made is None:
            return False
        return self._commit(node, role, (x,), *made)

    # -- reductions ----------------------------------------------------------------------------
    def _reduce(self, node: Apply, role: Role) -> bool:
        x = node.inputs[0]
        shape = x.type.shape
        frame = list(self.frame)
        source: Variable | Operand = x
        if x in self.axes:
            axes = self.axes[x]
        else:
            made = self._complete([None] * len(shape), shape)
            if made is None:
                return False
            axes, frame = made
            source = self._operand(x, shape, axes)
        reduced = sorted(a for a in (axes[i] for i in role.axes) if a is not None)
        count = sum(a is not None for a in axes)
        if role.kind == "scan":
            kept = axes
        elif role.keepdims:
            kept = tuple([None if i in role.axes else a for i, a in enumerate(axes)])
        else:
            kept = tuple([a for i, a in enumerate(axes) if i not in role.axes])
        if role.kind == "reduce" and role.simple:
            if count and len(reduced) == count and self._total(node, count, len(frame)):
                end = "total" if count == len(frame) else "row total"
                return self._commit(node, role, (source,), kept, frame, end)
            if count == len(frame) and reduced and reduced[-1] < self._limit(len(frame)):
                self.outer = max(self.outer, reduced[-1] + 1)
                return self._commit(node, role, (source,), kept, frame, "column")
        suffix = list(range(len(frame) - len(reduced), len(frame)))
        if not reduced or count != len(frame) or reduced != suffix:
            return False
        if self.rows not in (None, len(reduced)) or self.outer > suffix[0]:
            return False
        self.rows = len(reduced)
        return self._commit(node, role, (source,), kept, frame)

    def _limit(self, length: int) -> int:
        """Axes before this one can be outer ones."""
        return length - (1 if self.rows is None else self.rows)

    def _total(self, node: Apply, count: int, length: int) -> bool:
        if count == length:
            return True
        if self.rows is None or count != length - self.rows or self.exact not in (None, count):
            return False
        self.exact = count
        return True

    def _commit(
        self, node: Apply, role: Role, sources: tuple[Variable | Operand, ...], axes: Axes,
        frame: list[Size], end: str | None = None,
    ) -> bool:  # fmt: skip
        if not self._legal(frame, axes if end is None else (), sources):
            return False
        self.frame = frame
        self.nodes.append(node)
        self.roles.append(role)
        self.sources.append(sources)
        self.axes[node.output(0)] = axes
        if end is not None:
            self.ends[node.output(0)] = end
        return True

    def _legal(
        self, frame: Sequence[Size], axes: Axes, sources: Sequence[Variable | Operand]
    ) -> bool:
        """With rows, what is computed runs along all axes, or along outer ones only; an operand
        along all inner axes, or none."""
        if len(frame) > len(self.frame) and (self.ends or any(r.axes for r in self.roles)):
            return False
        if self.rows is None:
            return True
        outer = len(frame) - self.rows
        if outer < self.outer or self.exact not in (None, outer):
            return False
        met = [s for s in sources if isinstance(s, Operand)]
        inner = {
            sum(a is not None and a >= outer for a in o.axes) for o in self.operands + tuple(met)
        }
        if not inner <= {0, self.rows}:
            return False
        counts = {sum(a is not None for a in known) for v, known in self.axes.items()
                  if v not in self.ends}  # fmt: skip
        counts.add(sum(a is not None for a in axes))
        return all(c == len(frame) or c <= outer for c in counts)

    # -- the end -------------------------------------------------------------------------------
    def finish(self, read: Sequence[Variable]) -> Group:
        """The group; `read` are its values that are read outside."""
        results = []
        for variable in read:
            axes = self.axes[variable]
            count = sum(a is not None for a in axes)
            kind = "element" if count == len(self.frame) else "row"
            results.append(Result(variable, axes, self.ends.get(variable, kind)))
        operands = self.operands
        return Group(tuple(self.nodes), tuple(self.sources), tuple(self.frame),
                     self._inner(operands), operands, tuple(results))  # fmt: skip

    @property
    def operands(self) -> tuple[Operand, ...]:
        found = [s for row in self.sources for s in row if isinstance(s, Operand)]
        return tuple(dict.fromkeys(found))

    @property
    def is_sound(self) -> bool:
        """Is there anything to compute, and does the size of each loop follow from an operand?"""
        if all(role.kind == "view" for role in self.roles) or not self.frame:
            return False
        covered = {a for o in self.operands for a in o.axes if a is not None}
        return all(isinstance(s, int) or a in covered for a, s in enumerate(self.frame))

    def _inner(self, operands: Iterable[Operand]) -> int:
        """The first axis of the inner loop, as far out as possible."""
        length = len(self.frame)
        if self.rows is not None:
            return length - self.rows
        used = [{a for a in o.axes if a is not None} for o in operands]
        used += [{a for a in axes if a is not None} for axes in self.axes.values()]
        for first in range(self.outer, length):
            tail = set(range(first, length))
            if all(tail <= axes or not tail & axes for axes in used):
                return first
        return length - 1
