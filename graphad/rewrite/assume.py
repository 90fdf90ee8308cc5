"""Unknown sizes that meet are taken as equal: the graph that native kernels are made from.

Where nothing is known of the sizes of x and y, ``x * y`` may stretch either, and the gradient
has to sum down to whatever shape they turn out to have. In nearly all calls the sizes are equal:
under that assumption such sums disappear. The conditions are checked at each call; where they do
not hold, the graph without assumptions runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from graphad.errors import GraphadError
from graphad.ir.dims import Atom, Dim, atom
from graphad.ir.families.inner import InnerFamily
from graphad.ir.graph import Graph
from graphad.ir.op import OPS, Op
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Apply, Variable
from graphad.records import Record


class Conditions(Record):
    """What is assumed of the inputs: (input, axis) has the size of another (input, axis)."""

    equal: tuple[tuple[int, int, int, int], ...] = ()

    def hold(self, arrays: Sequence[Any]) -> bool:
        """Do the arrays fulfil them?"""
        for i, axis, j, other in self.equal:
            if arrays[i].shape[axis] != arrays[j].shape[other]:
                return False
        return True


def assume_equal(graph: Graph) -> tuple[Graph, Conditions]:
    """The graph with unknown sizes of inputs that meet in elementwise ops taken as equal.

    >>> import graphad as ga
    >>> x, y = ga.vector("x"), ga.vector("y")
    >>> assume_equal(ga.Graph([x, y], [x * y]))[1]
    Conditions(equal=((1, 0, 0, 0),))
    """
    places: dict[Atom, tuple[int, int]] = {}
    for i, variable in enumerate(graph.inputs):
        for axis, size in enumerate(variable.type.shape):
            found = _single(size)
            if found is not None:
                places.setdefault(found, (i, axis))
    if not places:
        return graph, Conditions()
    sizes = _Classes(places)
    for node in graph.nodes:
        if isinstance(node.op.family, InnerFamily):
            return graph, Conditions()
        for met in _meeting(node):
            sizes.join(met)
    if not sizes.taken:
        return graph, Conditions()
    try:
        return _rebuilt(graph, sizes), sizes.conditions()
    except (GraphadError, _Collapsed):  # equal sizes contradict something else
        return graph, Conditions()


class _Collapsed(Exception):
    """A size in the parameters of an op would be a number, where the op expects an operand."""


def _single(size: Size) -> Atom | None:
    """The atom of a size that is not computed from others."""
    if isinstance(size, Dim) and size.is_atom and size.terms[0][0][0][0] in ("name", "anonymous"):
        return size.terms[0][0][0]
    return None


def _unknown(size: Size) -> Atom | None:
    """The atom of a size that has no name and is not computed from others."""
    if isinstance(size, Dim) and size.is_atom and size.terms[0][0][0][0] == "anonymous":
        return size.terms[0][0][0]
    return None


def _meeting(node: Apply) -> Iterator[list[Size]]:
    """Sizes that a node aligns, axis by axis."""
    if node.op.name == "matmul" and all(v.ndim > 1 for v in node.inputs):
        yield [node.inputs[0].type.shape[-1], node.inputs[1].type.shape[-2]]
    if not node.op.family.is_elementwise:
        return
    for sizes in zip_longest(*[v.type.shape[::-1] for v in node.inputs]):
        met = list(dict.fromkeys([size for size in sizes if size is not None and size != 1]))
        if len(met) > 1:
            yield met


class _Classes:
    """Unknown sizes, each standing for itself or for what it is taken to be equal to."""

    def __init__(self, places: dict[Atom, tuple[int, int]]) -> None:
        self.places = places
        self.taken: dict[Atom, Size] = {}

    def join(self, met: Sequence[Size]) -> None:
        """Take sizes as equal, as far as they are unknown; joint sizes mean all that they join."""
        found: list[Size] = []
        for size in met:
            found += self._joined(size)
        found = list(dict.fromkeys(self.of(size) for size in found))
        known = [s for s in found if _unknown(s) is None]
        unknown = [s for s in found if _unknown(s) in self.places]
        if len(known) > 1 or not unknown:
            return
        target = known[0] if known else unknown[0]
        if not isinstance(target, Dim) or (known and target.name is None):
            return  # a number, or computed from other sizes
        for size in unknown:
            if size != target:
                self.taken[_unknown(size)] = target  # type: ignore[index]

    def _joined(self, size: Size) -> list[Size]:
        if isinstance(size, Dim) and size.is_atom and size.terms[0][0][0][0] == "broadcast":
            return [d for d in size.terms[0][0][0][1:] if d != 1]
        return [size]

    def of(self, size: Size) -> Size:
        """The size under the assumptions."""
        if not isinstance(size, Dim):
            return size
        total: Any = 0
        for monomial, coefficient in size.terms:
            product: Any = coefficient
            for part in monomial:
                product = product * self._atom(part)
            total = total + product
        found: Size = total
        return found

    def _atom(self, part: Atom) -> Size:
        if part[0] in ("name", "anonymous"):
            while part in self.taken:
                target = self.taken[part]
                if _unknown(target) is None:
                    return target
                part = _unknown(target)  # type: ignore[assignment]
            return Dim((((part,), 1),))
        operands = [self.of(d) if isinstance(d, Dim) else d for d in part[1:]]
        if part[0] == "broadcast":
            joint: Any = 1
            for operand in operands:
                joint = joint_size(joint, operand)
            return Dim((((part,), 1),)) if joint is None else joint
        if part[0] == "floordiv":
            return operands[0] // operands[1]
        if part[0] == "mod":
            return operands[0] % operands[1]
        return atom(part[0], *operands)

    def conditions(self) -> Conditions:
        """What has to be checked: all inputs with sizes that are taken as equal."""
        equal = []
        for part in self.taken:
            target = self.of(Dim((((part,), 1),)))
            assert isinstance(target, Dim)
            equal.append((*self.places[part], *self.places[target.terms[0][0][0]]))
        return Conditions(tuple(equal))


def _rebuilt(graph: Graph, sizes: _Classes) -> Graph:
    new: dict[Variable, Variable] = {}
    for variable in graph.inputs:
        kind = TensorType(variable.dtype, [sizes.of(s) for s in variable.type.shape])
        new[variable] = Variable(kind, name=variable.name)
    for node in graph.nodes:
        operands = tuple([new.get(v, v) for v in node.inputs])
        op = _with_sizes(node.op, sizes)
        if op.name == "sum_to_shape":
            summed = _summed(node, operands[0], op.params["shape"])
            if summed is not None:
                new[node.output(0)] = summed
                continue
        types = op.infer(tuple([v.type for v in operands]))
        made = Apply(op, operands, types, node.raw_site, node.scope, node.origin)
        for old, variable in zip(node.outputs, made.outputs, strict=True):
            variable.name = old.name
            new[old] = variable
    return Graph([new[v] for v in graph.inputs], [new.get(v, v) for v in graph.outputs])


def _summed(node: Apply, x: Variable, shape: Shape) -> Variable | None:
    """x summed over the axes that broadcasting from `shape` adds or stretches, if known."""
    lead = x.ndim - len(shape)
    pairs = list(zip(x.type.shape[lead:], shape, strict=True))
    if not all(a == b or b == 1 for a, b in pairs):
        return None
    stretched = tuple([lead + i for i, (a, b) in enumerate(pairs) if a != b])
    if not lead and not stretched:
        return x
    first = tuple(range(lead))
    total = _applied("sum", x, node, axis=first + stretched, keepdims=True)
    return _applied("squeeze", total, node, axis=first) if lead else total


def _applied(name: str, x: Variable, node: Apply, **params: Any) -> Variable:
    """An op of the table in the place of `node`."""
    op = Op(OPS.families[name], params)
    made = Apply(op, (x,), op.infer((x.type,)), node.raw_site, node.scope, node.origin)
    return made.outputs[0]


def _with_sizes(op: Op, sizes: _Classes) -> Op:
    changed = {name: _replaced(value, sizes) for name, value in op.params.items()}
    same = all(changed[name] is value for name, value in op.params.items())
    return op if same else Op(op.family, changed)


def _replaced(value: Any, sizes: _Classes) -> Any:
    if isinstance(value, Dim):
        found = sizes.of(value)
        if isinstance(found, int):
            raise _Collapsed
        return value if found == value else found
    if type(value) is tuple and any(isinstance(v, Dim) for v in value):
        made = tuple([_replaced(v, sizes) for v in value])
        return value if made == value else made
    return value
