"""The Plan: steps over numbered values, with what each step may overwrite and what it frees.

A plan is data: it can be printed, counted and checked before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.families.inner import InnerFamily
from graphad.ir.graph import Graph
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Variable
from graphad.plan.alias import Aliases
from graphad.records import Record

if TYPE_CHECKING:
    from graphad.plan.alias import Draft
    from graphad.plan.group import Group


class Value(Record):
    """A numbered array of the plan. `kind`: input, constant or step; `root`: the value whose
    memory it may share (itself if it owns its memory)."""

    number: int
    kind: str
    type: TensorType
    name: str | None
    root: int
    variable: Variable


class Step(Record):
    """One application: reads `inputs`, writes `outputs`; `reuse` is the value whose memory the
    result takes over; `frees` are values that nobody reads afterwards. A step with a `group` is
    one call of a native kernel; its node is the last of the group."""

    node: Apply
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    reuse: int | None
    frees: tuple[int, ...]
    group: Group | None = None


class Plan(Record):
    """What will be computed, in order, and where results live.

    `outputs` are numbers of values; those at positions in `copies` are copied at the end, since
    they are, or may share memory with, an input, a constant or another output.
    """

    graph: Graph
    values: tuple[Value, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    copies: frozenset[int]
    donated: frozenset[int] = frozenset()  # inputs whose memory results may take over

    @property
    def kernels(self) -> dict[Apply, str]:
        """What the kernel is called that computes a node: pictures of a plan frame what runs
        together. Nodes that several kernels compute belong to the first.

        >>> import graphad as ga
        >>> x = ga.matrix("x", shape=("n", 3))
        >>> f = ga.function([x], ga.exp(x * 2).sum(axis=0), backend="llvm")
        >>> {node.op.name: name for node, name in f.plan.kernels.items()}["exp"]
        'kernel0 [i<n, j<3]'
        """
        named: dict[Apply, str] = {}
        groups = [step.group for step in self.steps if step.group is not None]
        for i, group in enumerate(groups):
            for node in group.members:
                named.setdefault(node, str(group).replace("kernel", f"kernel{i} ", 1))
        return named

    def peak_bytes(self, **sizes: int) -> int:
        """Bytes held at the worst moment by results of steps, for given sizes of named dims.

        Copies of outputs and what inner graphs hold count; inputs, constants, other memory used
        inside a single step and reshapes that have to copy do not. Raises UseError when a size on
        which it depends is not given; sizes without a name count as given by "unknown".
        """
        known = {("name", name): size for name, size in sizes.items()}
        return max(self.held(lambda kind: self._bytes(kind, known, sizes.get("unknown"))))

    def held(self, bytes_of: Callable[[TensorType], Any]) -> list[Any]:
        """Bytes held at each step, and at the end; `bytes_of` a type may be a formula."""
        held: Any = 0
        found = []
        owned: dict[int, Any] = {}
        for step in self.steps:
            for number in step.outputs:
                value = self.values[number]
                if value.root == number and step.reuse is not None:
                    owned[number] = owned.pop(step.reuse, 0)  # of an input: nothing is held
                elif value.root == number:
                    owned[number] = bytes_of(value.type)
                    held += owned[number]
            inner = self._inner(step.node)
            within = inner.held(_where_known(bytes_of)) if inner is not None else [0]
            found += [held + amount for amount in within]
            for number in step.frees:
                held -= owned.pop(number, 0)
        for position in self.copies:
            held += bytes_of(self.values[self.outputs[position]].type)
        return [*found, held]

    @staticmethod
    def _inner(node: Apply) -> Plan | None:
        """The plan of an op's inner graph (of several, the longest)."""
        family = node.op.family
        if not isinstance(family, InnerFamily):
            return None
        return make_plan(max(family.graphs(node.op.params), key=len))

    def _bytes(self, type: TensorType, known: Mapping, unknown: int | None) -> int:
        total = type.dtype.itemsize
        for size in type.shape:
            if isinstance(size, Dim):
                sizes = {a: known.get(a, unknown) for a in size.atoms()}
                missing = [a for a, value in sizes.items() if value is None]
                if missing:
                    label = missing[0][1] if missing[0][0] == "name" else "unknown"
                    raise UseError(
                        f"the bytes depend on the size {size}", remedy=f"give {label}=…"
                    )
                size = size.evaluate(sizes)
            total *= size
        return total

    def __reduce__(self) -> tuple:
        place = {node: i for i, node in enumerate(self.graph.nodes)}
        order = [place[step.node] for step in self.steps]
        plain = any(step.group is not None for step in self.steps) or order == sorted(order)
        return _again, (self.graph, None if plain else order, self.donated)

    def __str__(self) -> str:
        rows = []
        for i, step in enumerate(self.steps):
            outputs = ", ".join(f"v{n}" for n in step.outputs)
            inputs = ", ".join(self._operands(step))
            notes = [f"in the memory of v{step.reuse}"] if step.reuse is not None else []
            value = self.values[step.outputs[0]]
            if value.root != value.number:
                notes.append(f"view of {self._operand(value.root)}")
            notes += [f"frees {', '.join(f'v{n}' for n in step.frees)}"] if step.frees else []
            note = f"  # {'; '.join(notes)}" if notes else ""
            what = step.node.op if step.group is None else step.group
            types = ", ".join(str(self.values[n].type) for n in step.outputs)
            rows.append(f"{i:>4}  {outputs} = {what}({inputs}): {types}{note}")
            if step.group is not None:
                rows.append(f"          of {', '.join(n.op.name for n in step.group.members)}")
        results = [
            self._operand(n) + (" (copied)" if i in self.copies else "")
            for i, n in enumerate(self.outputs)
        ]
        reused = sum(step.reuse is not None for step in self.steps)
        rows.append(f"      return {', '.join(results)}")
        rows.append(f"      {len(self.steps)} steps, {reused} in place; {self._peak_text()}")
        return "\n".join(rows)

    def _peak_text(self) -> str:
        try:
            return f"peak {self.peak_bytes():,} bytes"
        except UseError:
            return (
                f"peak {self.peak_bytes(unknown=1000, **self._all(1000)):,} bytes at sizes of 1000"
            )

    def _all(self, size: int) -> dict[str, int]:
        atoms = {
            a for v in self.values for s in v.type.shape if isinstance(s, Dim) for a in s.atoms()
        }
        return {a[1]: size for a in atoms if a[0] == "name"}

    def _operands(self, step: Step) -> list[str]:
        group = step.group
        if group is None or group.product is None:
            return [self._operand(n) for n in step.inputs]
        numbers = dict(zip(group.inputs, step.inputs, strict=True))
        a, b, *rest = [self._operand(numbers[v]) for v in (*group.product.inputs, *group.read)]
        return [f"{a} @ {b}", *rest]

    def _operand(self, number: int) -> str:
        value = self.values[number]
        if value.kind == "input":
            return value.name or f"in{number}"
        if isinstance(value.variable, Constant) and value.type.ndim == 0:
            return str(value.variable.value[()])
        return f"v{number}"


def _where_known(bytes_of: Callable[[TensorType], Any]) -> Callable[[TensorType], Any]:
    """The same, 0 for sizes that only an inner graph has."""

    def known(kind: TensorType) -> Any:
        try:
            return bytes_of(kind)
        except UseError:
            return 0

    return known


def _again(graph: Graph, order: Sequence[int] | None, donated: frozenset[int]) -> Plan:
    units = None if order is None else [graph.nodes[i] for i in order]
    return make_plan(graph, units, donated)


def make_plan(
    graph: Graph,
    units: Sequence[Apply | Group] | None = None,
    donated: frozenset[int] = frozenset(),
) -> Plan:
    """The plan of a graph: its nodes in order, with aliases, reuse and copies decided.

    `units` are the nodes of the graph with those that share a loop nest as groups (`fuse`);
    `donated` are the positions of inputs whose memory results may take over.
    """
    numbers: dict[Variable, int] = {}
    values: list[Value] = []

    def add(variable: Variable, kind: str, root: int | None = None) -> int:
        number = len(values)
        own = number if root is None else root
        values.append(Value(number, kind, variable.type, variable.name, own, variable))
        numbers[variable] = number
        return number

    for variable in graph.inputs:
        add(variable, "input")
    drafts: list[Draft] = []
    for unit in graph.nodes if units is None else units:
        for variable in unit.inputs:
            if variable not in numbers:
                add(variable, "constant")
        inputs = tuple([numbers[v] for v in unit.inputs])
        view = False if not isinstance(unit, Apply) else (
            unit.op.family.views(unit.op.params) and values[inputs[0]].root)  # fmt: skip
        outputs = tuple(
            [numbers[v] if v in numbers else add(v, "step", view if view is not False else None)
             for v in unit.outputs])  # fmt: skip
        drafts.append((unit, inputs, outputs))
    for variable in graph.outputs:
        if variable not in numbers:
            add(variable, "constant")
    results = tuple([numbers[v] for v in graph.outputs])
    aliases = Aliases(values, drafts, results, donated)
    steps = [
        Step(unit, inputs, outputs, aliases.reuse[i], aliases.frees[i])
        if isinstance(unit, Apply)
        else Step(unit.nodes[-1], inputs, outputs, aliases.reuse[i], aliases.frees[i], unit)
        for i, (unit, inputs, outputs) in enumerate(drafts)
    ]
    return Plan(graph, tuple(values), tuple(steps), results, aliases.copies, donated)
