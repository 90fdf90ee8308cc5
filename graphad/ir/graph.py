"""`Graph`: a closed, immutable computation from inputs to outputs, compared by structure.

    Graph    = inputs (Variable …), outputs (Variable …)
    Variable = input | Constant(value) | Shared(cell) | i-th output of an Apply
    Apply    = op, inputs;  Op = operation, parameters (an inner Graph is a parameter)

Every leaf is an input or a Constant; shared variables are inputs like others. Equality and the
content hash cover ops, types and literals; never names, sites, or values of shared variables.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from graphad.errors import GraphError
from graphad.ir import walk
from graphad.ir.context import surroundings
from graphad.ir.dims import Atom, Dim
from graphad.ir.hooks import hooks
from graphad.ir.op import freeze
from graphad.ir.variable import Apply, Constant, Shared, Variable, describe, rebuild


class Graph:
    """A computation from `inputs` to `outputs`.

    Raises GraphError if an output depends on a variable that is no input and no constant.

    >>> import graphad as ga
    >>> x, y = ga.scalar("x"), ga.scalar("y")
    >>> Graph([x], [x * x + 1]) == Graph([y], [y * y + 1])
    True
    """

    small: Any = None  # how the body of a loop was made smaller, as `rewrite.loops` notes it

    def __init__(self, inputs: Iterable[Variable], outputs: Iterable[Variable]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        known = set(self.inputs)
        if len(known) != len(self.inputs):
            twice = next(v for v in self.inputs if sum(v is w for w in self.inputs) > 1)
            raise GraphError(f"{describe(twice)} is listed twice among the inputs")
        # the applications, each after those whose results it uses
        self.nodes: tuple[Apply, ...] = tuple(walk.toposort(self.outputs, known))
        for leaf in walk.leaves_of(self.nodes, self.outputs, known):
            if leaf not in known and not isinstance(leaf, Constant):
                users = [n for n in self.nodes if any(v is leaf for v in n.inputs)]
                raise GraphError(
                    f"the outputs depend on {describe(leaf)}, which is not among the inputs",
                    cause=f"it is used by {users[0]}" if users else "it is an output itself",
                    remedy="add it to the inputs, or use givens={variable: value}",
                )

    @classmethod
    def of(cls, outputs: Iterable[Variable]) -> Graph:
        """The graph of `outputs` whose inputs are all its leaves, in order of use."""
        outputs = list(outputs)
        return cls(walk.inputs(outputs), outputs)

    @cached_property
    def clients(self) -> dict[Variable, list[tuple[Apply, int]]]:
        """For each variable, the (node, input position) pairs that use it."""
        return walk.clients(self.nodes)

    @cached_property
    def content(self) -> tuple:
        """Everything that equality is about, as nested tuples."""
        index: dict[Variable, Any] = {v: ("input", i) for i, v in enumerate(self.inputs)}
        numbering: dict[tuple, int] = {}
        rows: list[tuple] = []

        def reference(variable: Variable) -> Any:
            if variable not in index and isinstance(variable, Constant):
                return ("constant", freeze(variable.value))
            return index[variable]

        heads = tuple(
            [(v.type.dtype.str, _number_dims(v.type.shape, numbering)) for v in self.inputs]
        )
        for position, node in enumerate(self.nodes):
            operands = tuple([reference(v) for v in node.inputs])
            types = tuple([(t.dtype.str, _number_dims(t.shape, numbering)) for t in node.types])
            rows.append((_number_dims(node.op.key, numbering), operands, types))
            for i, output in enumerate(node.outputs):
                index.setdefault(output, (position, i))
        return heads, tuple(rows), tuple([reference(v) for v in self.outputs])

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of structure, types and literals, equal in every process."""
        import hashlib  # not needed, and not loaded, by most programs

        return hashlib.sha256(repr(self.content).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Graph) and self.content == other.content)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.content)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        counts = f"{len(self.inputs)} inputs, {len(self.nodes)} nodes, {len(self.outputs)} outputs"
        return f"<Graph: {counts}>"

    def __reduce__(self) -> tuple:
        return _restore, (self.inputs, *flatten(self.outputs, self.inputs))


COMMUTING = ("max", "min", "broadcast")


def _number_dims(value: Any, numbering: dict[tuple, int]) -> Any:
    """`value` with anonymous sizes numbered by first appearance; what commutes is ordered by
    these numbers, so that the order in which variables were made plays no role."""
    if isinstance(value, tuple):
        return tuple([_number_dims(item, numbering) for item in value])
    if isinstance(value, Dim):
        terms = [
            ([_number_atom(a, numbering) for a in monomial], c) for monomial, c in value.terms
        ]
        return "dim", *sorted(
            [(tuple(sorted(atoms, key=repr)), c) for atoms, c in terms], key=repr
        )
    if isinstance(value, Graph):
        return "graph", value.content
    return value


def _number_atom(atom: Atom, numbering: dict[tuple, int]) -> tuple:
    kind, *operands = atom
    if kind == "anonymous":
        return kind, numbering.setdefault(atom, len(numbering))
    found = [_number_dims(operand, numbering) for operand in operands]
    return kind, *(sorted(found, key=repr) if kind in COMMUTING else found)


# ---- surgery ---------------------------------------------------------------------------------
def replace(
    outputs: Sequence[Variable],
    replacements: Mapping[Variable, Variable],
    order: Iterable[Apply] | None = None,
) -> list[Variable]:
    """`outputs` rebuilt so that each key of `replacements` is its value instead.

    Values may themselves depend on keys: they are taken as they are. Parts that do not depend
    on a key are shared with the old graph. `order` is given where the nodes up to the keys have
    been sorted already.
    """
    new: dict[Variable, Variable] = dict(replacements)
    if order is None:
        order = walk.toposort(outputs, frozenset(replacements))
    for node in order:
        operands = tuple([new.get(v, v) for v in node.inputs])
        if all([a is b for a, b in zip(operands, node.inputs, strict=True)]):
            continue
        changed = rebuild(node, operands)
        for old, made in zip(node.outputs, changed.outputs, strict=True):
            made.name = old.name
            new.setdefault(old, made)
    return [new.get(v, v) for v in outputs]


def copied(
    outputs: Sequence[Variable], inputs: Mapping[Variable, Variable], order: Iterable[Apply]
) -> list[Variable]:
    """As `replace`, where inputs become inputs of the same types: nothing that is known of a node
    changes, so that none of it is computed again. `order` are the sorted nodes up to the inputs.
    """
    if surroundings.get().made is not None or any(
        [
            a.owner is not None or b.owner is not None or a.type is not b.type
            for a, b in inputs.items()
        ]
    ):
        return replace(outputs, inputs, order)
    new: dict[Variable, Variable] = dict(inputs)
    for node in order:
        operands = tuple([new.get(v, v) for v in node.inputs])
        if all(map(operator.is_, operands, node.inputs)):
            continue
        made = object.__new__(Apply)
        made.op, made.inputs, made.types = node.op, operands, node.types
        made._site, made.scope, made.origin = node._site, node.scope, node.origin
        made.hazard, made.tracing, made._outputs = node.hazard, None, None
        for old, result in zip(node.outputs, made.outputs, strict=True):
            result.name = old.name
            new[old] = result
    return [new.get(v, v) for v in outputs]


# ---- flat pickling ---------------------------------------------------------------------------
def flatten(
    outputs: Sequence[Variable], stop: Sequence[Variable] = ()
) -> tuple[list[Variable], list[tuple], list[tuple]]:
    """(leaves, node records, references to the outputs): the graph without nesting."""
    barrier = frozenset(stop)
    leaves = walk.leaves(outputs, barrier)
    index: dict[Variable, tuple] = {v: (-1, i) for i, v in enumerate(leaves)}
    rows: list[tuple] = []
    rows_of: dict[Apply, int] = {}
    for node in walk.toposort(outputs, barrier):
        origin = node.origin
        if origin is not None and origin not in rows_of:
            rows_of[origin] = len(rows)
            rows.append((origin.op, None, origin.types, origin.site, origin.scope, None, ()))
        link = rows_of[origin] if origin is not None else None
        operands = [index[v] for v in node.inputs]
        names = tuple([v.name for v in node.outputs])
        rows_of[node] = len(rows)
        rows.append((node.op, operands, node.types, node.site, node.scope, link, names))
        for i, output in enumerate(node.outputs):
            index.setdefault(output, (rows_of[node], i))
    return leaves, rows, [index[v] for v in outputs]


def unflatten(leaves: list[Variable], rows: list[tuple], targets: list[tuple]) -> list[Variable]:
    """The inverse of `flatten`: the output variables."""
    nodes: list[Apply] = []
    outputs: list[tuple[Variable, ...]] = []
    for op, operands, types, site, scope, link, names in rows:
        inputs = tuple([leaves[i] if row < 0 else outputs[row][i] for row, i in operands or ()])
        origin = nodes[link] if link is not None else None
        node = Apply(op, inputs, types, site, scope, origin)
        nodes.append(node)
        outputs.append(node.outputs if operands is not None else ())
        for output, name in zip(outputs[-1], names, strict=True):
            output.name = name
    return [leaves[i] if row < 0 else outputs[row][i] for row, i in targets]


def _restore(
    inputs: tuple[Variable, ...], leaves: list, rows: list[tuple], targets: list[tuple]
) -> Graph:
    return Graph(inputs, unflatten(leaves, rows, targets))


def _restore_variable(leaves: list, rows: list[tuple], targets: list[tuple]) -> Variable:
    return unflatten(leaves, rows, targets)[0]


def _reduce_variable(variable: Variable) -> tuple:
    return _restore_variable, flatten([variable])


hooks.reduce_variable = _reduce_variable

__all__ = ["Graph", "Shared", "replace"]
