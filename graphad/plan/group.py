"""A `Group` is a set of nodes that share one loop nest, which a native kernel computes.

A group has a *frame*, the axes of its loops, outermost first. Every value in it is described by
its *axes*: for each of its own axes the axis of the frame it runs along, or None where its size
is 1. Values that the group computes run along a leading part of the frame: along all of it
("element"), or along its outer axes only ("row": a result of a reduction over the inner axes, or
what is computed from such results). Operands from outside may run along any of its axes. Axes
that are inserted, removed or stretched between the operand and its use cost nothing; nor does a
*window*: the operand has a place among zeros (the derivative of a slice).

A value that is summed over everything ("total") or over outer axes ("column") is known when the
loops have ended, so nothing else in the group can read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.types import Size
from graphad.ir.variable import Apply, Constant, Variable
from graphad.records import Record

Axes = tuple[int | None, ...]
ENDS = ("total", "row total", "column")  # kinds of results that are known after all loops


class Role(Record):
    """How a node takes part in a loop nest; None stands for nodes that cannot.

    kind     "map" (elementwise), "view" (axes inserted, removed, stretched), "pad" (a view with
             windows), "reduce" (over `axes`), "scan" (reduces over `axes` and gives the operand's
             shape again: softmax)
    simple   one reduction and nothing else, so that it can end a group
    source   of a view: for each axis of the result the operand's axis, None for a new one
    starts   of a pad: for each axis of the result where the operand begins, None where it has
             the same size; negative: from the end
    sizes    of a pad: (axis of the result, which input of the node is its size)
    """

    kind: str
    axes: tuple[int, ...] = ()
    keepdims: bool = False
    simple: bool = True
    source: Axes = ()
    starts: tuple[int | None, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()


class Window(Record):
    """Along an axis of the frame the operand begins at `start` (from the end, if negative) and is
    as long as its own axis `position` says (1 without one); elsewhere there are zeros."""

    axis: int
    start: int
    position: int | None


class Operand(Record):
    """An array from outside, and the axes of the frame it runs along.

    `sizes` are integers from outside that say how long axes of the frame are."""

    variable: Variable
    axes: Axes
    windows: tuple[Window, ...] = ()
    sizes: tuple[tuple[int, Variable], ...] = ()

    @property
    def along(self) -> frozenset[int]:
        """The axes of the frame along which it changes."""
        own = [a for a in self.axes if a is not None]
        return frozenset([*own, *[w.axis for w in self.windows]])

    @property
    def covers(self) -> frozenset[int]:
        """The axes of the frame whose size it tells."""
        inside = {w.axis for w in self.windows}
        own = [a for a in self.axes if a is not None and a not in inside]
        return frozenset([*own, *[axis for axis, _ in self.sizes]])


class View(Record):
    """A view of a value from outside: `base`, and as in `Role`; `sizes` with variables."""

    base: Variable
    source: Axes
    starts: tuple[int | None, ...] = ()
    sizes: tuple[tuple[int, Variable], ...] = ()


class Result(Record):
    """A value of the group that is read outside.

    kind: "element", "row", and reductions that end the loops: "total" (over all elements), "row
    total" (of one number for each row), "column" (over outer axes)."""

    variable: Variable
    axes: Axes
    kind: str


class Group:
    """Nodes of one loop nest. `sources` say for each operand of each node whether it is a value
    of the group (a Variable) or comes from outside (an Operand); frame[inner:] is the inner loop.
    `loose` are operands that are read where they lie, with strides: "rows" or "strided", see
    `layout`. `product` is the product of matrices that gives one of the operands, if it is a part
    of the group (`fold`): it is computed piece by piece, each before the loops over it.
    """

    def __init__(
        self,
        nodes: tuple[Apply, ...],
        sources: tuple[tuple[Variable | Operand, ...], ...],
        frame: tuple[Size, ...],
        inner: int,
        operands: tuple[Operand, ...],
        results: tuple[Result, ...],
        loose: Mapping[Variable, str] | None = None,
        product: Apply | None = None,
    ) -> None:
        self.nodes, self.sources, self.frame, self.inner = nodes, sources, frame, inner
        self.operands, self.results, self.loose = operands, results, loose or {}
        self.product = product

    def with_product(self, product: Apply) -> Group:
        """The group with a product of matrices in it, whose result it alone reads."""
        return Group(self.nodes, self.sources, self.frame, self.inner, self.operands,
                     self.results, self.loose, product)  # fmt: skip

    def by_rows(self) -> Group:
        """The same computation with the last axis as the inner loop."""
        return Group(self.nodes, self.sources, self.frame, len(self.frame) - 1, self.operands,
                     self.results, self.loose, self.product)  # fmt: skip

    @property
    def read(self) -> tuple[Variable, ...]:
        """The variables that the loops read, each once, but for the product."""
        found = read_by(self.operands)
        if self.product is not None:
            del found[self.product.output(0)]
        return tuple(found)

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """The variables that are read, each once; first those that are multiplied."""
        factors = () if self.product is None else self.product.inputs
        return tuple(dict.fromkeys([*factors, *self.read]))

    @property
    def members(self) -> tuple[Apply, ...]:
        """All that is computed: the nodes, after the product if there is one."""
        return self.nodes if self.product is None else (self.product, *self.nodes)

    @property
    def arguments(self) -> list[Variable]:
        """What the loops read, in order; constants that are numbers stand in the code."""
        return [v for v in read_by(self.operands) if v.ndim or not isinstance(v, Constant)]

    @property
    def given(self) -> list[Variable]:
        """What a call is given, in order: the factors of a product instead of that."""
        return [v for v in self.inputs if v.ndim or not isinstance(v, Constant)]

    @property
    def place(self) -> int | None:
        """Of a group with a product: the result in whose memory that is computed; None where
        there is none, or the product is still read after results are written."""
        if self.product is None or self.row_reductions:
            return None
        dtype, whole = self.product.output(0).dtype, tuple(range(len(self.frame)))
        for i, result in enumerate(self.results):
            if (result.kind, result.axes, result.variable.dtype) == ("element", whole, dtype):
                return i
        return None

    @property
    def row_reductions(self) -> list[Apply]:
        """The nodes that reduce a row of which the group goes on to use the result."""
        ends = {r.variable for r in self.results if r.kind in ENDS}
        return [n for n in self.nodes if isinstance(n.op.family, Reduction | Scan)
                and n.output(0) not in ends]  # fmt: skip

    @property
    def outputs(self) -> tuple[Variable, ...]:
        return tuple([result.variable for result in self.results])

    def __str__(self) -> str:
        loops = [f"{'i' if a < self.inner else 'j'}<{size}" for a, size in enumerate(self.frame)]
        return f"kernel[{', '.join(loops)}]"


def read_by(operands: Iterable[Operand]) -> dict[Variable, None]:
    """The variables that operands are read from, each once."""
    found = [v for o in operands for v in (o.variable, *[size for _, size in o.sizes])]
    return dict.fromkeys(found)
