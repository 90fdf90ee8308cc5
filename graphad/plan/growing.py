"""A group that grows node by node, as long as its nodes fit into one loop nest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graphad.ir.types import Shape, Size
from graphad.ir.variable import Apply, Variable
from graphad.plan.group import Axes, Group, Operand, Result, Role, View, Window
from graphad.plan.layout import layout

LARGEST = 128  # nodes of a group: compile time stays linear in the graph
SHORT = 16  # elements of a loop that are not worth a loop of their own


class Growing:
    """A group under construction; `add` leaves it unchanged when the node does not fit."""

    def __init__(self, stage: int, views: dict[Variable, View]) -> None:
        self.stage = stage
        self.views = views  # of values from outside
        self.nodes: list[Apply] = []
        self.sources: list[tuple[Variable | Operand, ...]] = []
        self.roles: list[Role] = []
        self.frame: list[Size] = []
        self.axes: dict[Variable, Axes] = {}
        self.patterns: set[Axes] = set()  # those of values that are no ends
        self.read: dict[Operand, frozenset[int]] = {}  # operands, and along which axes
        self.ends: dict[Variable, str] = {}  # totals and columns
        self.again: set[Apply] = set()  # nodes that another group computes as well
        self.rows: int | None = None  # how many inner axes are reduced within rows
        self.outer = 0  # at least so many axes must be outer ones
        self.exact: int | None = None  # totals of rows: there must be exactly so many outer axes
        self.is_plain = True  # no reductions

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

    def take(self, other: Growing) -> bool:
        """Take in all nodes of a group of the same stage, which shares none with this one; they
        are not looked at again where both have the same loops. Left halfway if they do not fit."""
        if self.nodes and self.is_plain and other.is_plain and self.frame == other.frame:
            self.nodes += other.nodes
            self.sources += other.sources
            self.roles += other.roles
            self.axes |= other.axes
            self.patterns |= other.patterns
            self.read |= other.read
            return True
        if not self.nodes and other.is_plain:
            self.frame = list(other.frame)
            self.nodes, self.sources = list(other.nodes), list(other.sources)
            self.roles, self.axes = list(other.roles), dict(other.axes)
            self.patterns, self.read = set(other.patterns), dict(other.read)
            return True
        return all(self.add(*pair) for pair in zip(other.nodes, other.roles, strict=True))

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
            view = self.views[variable]
            if view.starts:
                return self._window(variable, view, own)
            places = {a: own[p] for p, a in enumerate(view.source) if a is not None}
            own = tuple([
                None if size == 1 else places[a] for a, size in enumerate(view.base.type.shape)
            ])  # fmt: skip
            variable = view.base
        return Operand(variable, own)

    def _window(self, variable: Variable, view: View, own: Axes) -> Operand:
        """What a pad shows, if each of its windows has an axis of the frame to itself."""
        windows = []
        places = dict.fromkeys(range(view.base.ndim))
        for p, (axis, start, position) in enumerate(
            zip(own, view.starts, view.source, strict=True)
        ):
            if start is not None and axis is None:
                return Operand(variable, own)
            if start is not None and axis is not None:
                windows.append(Window(axis, start, position))
            if position is not None and view.base.type.shape[position] != 1:
                places[position] = own[p]
        sizes = tuple([(axis, v) for p, v in view.sizes if (axis := own[p]) is not None])
        mine = tuple([places[a] for a in range(view.base.ndim)])
        return Operand(view.base, mine, tuple(windows), sizes)

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
        met = {s: s.along for s in sources if isinstance(s, Operand)}
        if not self._legal(frame, axes if end is None else (), met):
            return False
        self.frame = frame
        self.is_plain = self.is_plain and role.kind in ("map", "view")
        self.nodes.append(node)
        self.roles.append(role)
        self.sources.append(sources)
        self.axes[node.output(0)] = axes
        self.read |= met
        if end is None:
            self.patterns.add(axes)
        else:
            self.ends[node.output(0)] = end
        return True

    def _legal(
        self, frame: Sequence[Size], axes: Axes, met: Mapping[Operand, frozenset[int]]
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
        along = {*self.read.values(), *met.values()}
        if not {sum([a >= outer for a in own]) for own in along} <= {0, self.rows}:
            return False
        if self.rows > 1 and any([w.axis >= outer for o in (*self.read, *met) for w in o.windows]):
            return False
        counts = [sum([a is not None for a in known]) for known in {*self.patterns, axes}]
        return all([c == len(frame) or c <= outer for c in counts])

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
        inner, loose = self._inner(operands)
        return Group(tuple(self.nodes), tuple(self.sources), tuple(self.frame),
                     inner, operands, tuple(results), loose)  # fmt: skip

    @property
    def operands(self) -> tuple[Operand, ...]:
        return tuple(self.read)

    @property
    def is_sound(self) -> bool:
        """Is there anything to compute, and does the size of each loop follow from an operand?"""
        if all(role.kind == "view" for role in self.roles) or not self.frame:
            return False
        open_ = [a for a, size in enumerate(self.frame) if not isinstance(size, int)]
        if not open_:
            return True
        covered = frozenset().union(*[o.covers for o in self.operands])
        return covered.issuperset(open_)

    def _inner(self, operands: Iterable[Operand]) -> tuple[int, dict[Variable, str]]:
        """The first axis of the inner loop, as far out as possible; what is read with strides."""
        length = len(self.frame)
        last = length - 1
        windows = any([w.axis >= self.outer for o in operands for w in o.windows])
        views = _loose(operands, length)
        if self.rows is not None:
            return length - self.rows, views if self.rows == 1 else {}
        size = self.frame[last]
        if views and not windows and isinstance(size, int) and size < SHORT and last > self.outer:
            views = {}  # copies are better than many short loops
        if windows or views:
            return last, views
        used = list(dict.fromkeys([o.along for o in operands]))
        used += [frozenset([a for a in axes if a is not None])
                 for axes in dict.fromkeys(self.axes.values())]  # fmt: skip
        for first in range(self.outer, length):
            tail = frozenset(range(first, length))
            if all(tail <= axes or not tail & axes for axes in used):
                return first, {}
        return last, {}


def _loose(operands: Iterable[Operand], length: int) -> dict[Variable, str]:
    """Operands that are views with gaps, and how they lie. A column that is read anew for each
    of many rows is not among them: a copy without gaps is read faster."""
    found: dict[Variable, str] = {}
    for operand in operands:
        if operand.variable not in found and operand.along:
            found[operand.variable] = layout(operand.variable)
            if found[operand.variable] == "strided" and operand.along == {length - 1} != {0}:
                found[operand.variable] = "copied"
    return {v: kind for v, kind in found.items() if kind in ("rows", "strided")}
