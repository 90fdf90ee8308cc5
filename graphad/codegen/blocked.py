"""Fused groups without a compiler: the body of a block, as NumPy calls that write into buffers.

A group of nodes (`plan.Group`) is computed block by block: a block is a range of rows of all
operands, so small that it stays in the processor's second-level cache while all nodes of the
group pass over it. Here the body for one block is written, as source; `blocks` runs it.

Elementwise calls are those of the unblocked program, so that results agree bit for bit. Reductions
over rows see whole rows. Reductions over blocks are combined in an order fixed by sizes alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.codegen.blockroles import view_source
from graphad.codegen.buffers import Body, Emitter, Line, Val, call_text, ufunc_name
from graphad.codegen.naming import Names, is_plain
from graphad.codegen.recording import Instruction, Traced, recorded
from graphad.codegen.statements import place_among, takes_out
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.hooks import hooks
from graphad.ir.variable import Apply, Constant, Variable
from graphad.plan.group import Axes, Group, Operand


class Unsuitable(Exception):
    """The group holds something that cannot be computed block by block."""


class _Unpatched(Exception):
    """The shorter form of a choice has another dtype or shape."""


class BodyWriter:
    """Writes the body of a group; raises Unsuitable."""

    def __init__(self, group: Group, name: str) -> None:
        self.group, self.name = group, name
        self.names = Names()
        self.frame = tuple(range(2, 2 + len(group.frame)))  # sizes of samples, all different
        self.bound: dict[str, Any] = {}
        self.numbers: dict[Any, Val] = {}
        self.places: dict[Any, str] = {}
        self.values: dict[Variable, Val] = {}
        self.operands: dict[Operand, Val] = {}
        self.lines: list[Line] = []
        self.limit = group.inner if group.row_reductions else len(group.frame)
        if not self.limit:
            raise Unsuitable("all axes are reduced within a row")
        for operand in group.operands:
            self._operand(operand)

    # -- operands ------------------------------------------------------------------------------
    def _operand(self, operand: Operand) -> None:
        variable = operand.variable
        if isinstance(variable, Constant) and not variable.ndim:
            return
        for axis, size in zip(operand.axes, variable.type.shape, strict=True):
            if axis is not None and size != self.group.frame[axis]:
                raise Unsuitable("an operand that may have to be stretched")
        wish = variable.name if is_plain(variable.name) else f"a{len(self.operands)}"
        sample = self._sample(variable.dtype, operand.axes)
        self.operands[operand] = Val(sample, self.names.unique(str(wish)))

    def _sample(self, dtype: np.dtype, axes: Axes) -> Any:
        shape = [1 if a is None else self.frame[a] for a in axes]
        return np.ones(shape, dtype) if shape else dtype.type(1)

    def _source(self, node: Apply, position: int, source: Variable | Operand) -> Any:
        """The value that stands for one operand of a node, in the rank that the node expects."""
        if isinstance(source, Variable):
            return self.values[source]
        base = source.variable
        if isinstance(base, Constant) and not base.ndim:
            return self._number(node, base)
        found = self.operands[source]
        variable, own = node.inputs[position], tuple(range(node.inputs[position].ndim))
        while variable is not base:
            assert variable.owner is not None
            step = variable.owner
            seen = view_source(step.op, tuple([v.type for v in step.inputs]), step.types[0])
            assert seen is not None
            own = tuple([None if p is None else seen[p] for p in own])  # type: ignore[misc]
            variable = step.inputs[0]
        return self._viewed(found, own)

    def _number(self, node: Apply, constant: Constant) -> Val:
        """A constant by name, the same one for all nodes."""
        number, dtype = constant.value[()], constant.dtype
        others = [v.dtype for v in node.inputs if not isinstance(v, Constant)]
        plain = dtype.kind in "fi" and dtype in others and node.op.name != "where"
        plain = plain and bool(np.isfinite(number))
        key = (plain, dtype, constant.value.tobytes())
        if key in self.numbers:
            return self.numbers[key]
        name = self.names.unique(f"k{len(self.bound)}")
        # an array of rank 0 promotes like the number it stands for, beside one of its dtype, and
        # is taken as it is, where a number is made an array at every call
        self.bound[name] = constant.value if plain else number
        self.numbers[key] = Val(self.bound[name], name)
        return self.numbers[key]

    def _viewed(self, value: Val, source: Axes) -> Val:
        """The view whose axes are those of `value` named by `source`, None being new ones."""
        rank = np.ndim(value.sample)
        if source == tuple(range(rank)):
            return value
        entries: list[str] = []
        next_axis = 0
        for axis in source:
            while axis is not None and next_axis < axis:
                entries.append("0")
                next_axis += 1
            entries.append("None" if axis is None else ":")
            next_axis += axis is not None
        entries += ["0"] * (rank - next_axis)
        index = tuple([{"None": None, ":": slice(None), "0": 0}[e] for e in entries])
        if any(np.shape(value.sample)[a] != 1 for a in range(rank) if a not in source):
            raise Unsuitable("an axis that is dropped")
        return Val(value.sample[index], base=value, index=", ".join(entries))

    # -- nodes ---------------------------------------------------------------------------------
    def write(self) -> Body:
        group = self.group
        for node, sources in zip(group.nodes, group.sources, strict=True):
            if group_view := view_source(node.op, tuple([v.type for v in node.inputs]),
                                         node.types[0]):  # fmt: skip
                (source,) = sources
                self.values[node.output(0)] = self._viewed(self.values[source], group_view)  # type: ignore[index]
            else:
                self._node(node, sources)
        return self._emitted()

    def _node(self, node: Apply, sources: Sequence[Variable | Operand]) -> None:
        operands = [self._source(node, i, s) for i, s in enumerate(sources)]
        if isinstance(node.op.family, Reduction | Scan):
            self._check_whole(node, operands[0])
        calls, result = recorded(node.op, tuple([v.type for v in node.inputs]))
        place = place_among(self.places, node)
        try:
            lines, made = self._called(_patched(calls), result, operands, place)
        except _Unpatched:
            lines, made = self._called(calls, result, operands, place)
        if not isinstance(made, Val):
            raise Unsuitable("a value that is a number")
        self.lines += lines
        self.values[node.output(0)] = made

    def _called(
        self, calls: Sequence[Instruction], result: str, operands: Sequence[Any], place: str
    ) -> tuple[list[Line], Any]:
        """The lines of a formula, and its result."""
        names: dict[str, Any] = {f"a{i}": operand for i, operand in enumerate(operands)}
        lines = []
        for made in calls:
            arguments = tuple([_put(a, names) for a in made.arguments])
            if made.function == "patch":
                kept, target = arguments
                if not (isinstance(kept, Val) and _covers(target.sample, kept.sample)):
                    raise _Unpatched
            else:
                target = Val(self._run(made.function, arguments, made.keywords))
            names[made.target] = target
            lines.append(Line(made.function, arguments, made.keywords, target, place))
        return lines, names[result]

    def _check_whole(self, node: Apply, operand: Any) -> None:
        """A reduction needs its operand as long as it is declared."""
        shape = node.inputs[0].type.shape
        if not isinstance(operand, Val) or any(
            own == 1 and size != 1
            for own, size in zip(np.shape(operand.sample), shape, strict=True)
        ):
            raise Unsuitable("a reduction of a stretched operand")

    def _run(self, function: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        """What a call gives on samples."""
        values = [a.sample if isinstance(a, Val) else a for a in arguments]
        with np.errstate(all="ignore"):
            if not keywords and takes_out(ufunc_name(function)):
                return getattr(np, ufunc_name(function))(*values)
            names = [f"s{i}" for i in range(len(values))]
            traced = [Traced(None, n) if isinstance(a, Val) else a  # type: ignore[arg-type]
                      for n, a in zip(names, arguments, strict=True)]  # fmt: skip
            text = call_text(function, traced, keywords)
            return eval(text, {**vars(np)}, dict(zip(names, values, strict=True)))

    # -- lines of source -----------------------------------------------------------------------
    def _emitted(self) -> Body:
        group = self.group
        written, partial = [], []
        results = [self.values[r.variable] for r in group.results]
        for position, result in enumerate(group.results):
            if 0 in result.axes:
                written.append(position)
            elif result.kind in ("total", "row total", "column"):
                partial.append((position, self._combination(result.variable)))
            else:
                raise Unsuitable("a result without the first axis")
        _mark_last_reads(self.lines, results)
        placed = {p: (group.results[p], results[p]) for p in written}
        emitter = Emitter(self.names, self.frame, placed)
        lines = [*emitter.body(self.lines), *emitter.copies()]
        returned = [str(results[p]) for p, _ in partial]
        parameters = [v.text for v in self.operands.values()]
        parameters += [emitter.targets[p] for p in written] + list(emitter.buffers.values())
        head = f"def {self.name}({', '.join(parameters)}):"
        end = f"return ({', '.join(returned)}{',' if len(returned) == 1 else ''})"
        told = [f"# {name} = {value.item()!r}" for name, value in self.bound.items()]
        source = "\n".join([head, *[f"    {line}" for line in (*told, *lines, end)]]) + "\n"
        whole = [o.variable for o in self.operands if o.axes == tuple(range(len(group.frame)))]
        moved = [v.dtype.itemsize for v in (*whole, *[group.outputs[p] for p in written])]
        return Body(
            source, self.name, self.bound, tuple(self.operands), tuple(written), tuple(partial),
            tuple(emitter.buffers), tuple(emitter.slots), sum(moved), self.limit,
        )  # fmt: skip

    def _combination(self, variable: Variable) -> str:
        assert variable.owner is not None
        node = variable.owner
        calls, _ = recorded(node.op, tuple([v.type for v in node.inputs]))
        (only,) = calls
        return only.function


def _patched(calls: Sequence[Instruction]) -> Sequence[Instruction]:
    """The calls with a choice at the end, if there is one, as a cheaper patch."""
    if not calls or calls[-1].function != "where":
        return calls
    found: Sequence[Instruction] = hooks.load("codegen.masking").patched(calls)
    return found


def _covers(made: Any, kept: Any) -> bool:
    """Can elements of `kept` be put among those of `made` without changing dtype or shape?"""
    return bool(
        np.result_type(made, kept) == made.dtype
        and np.broadcast_shapes(np.shape(made), np.shape(kept)) == np.shape(made) != ()
    )


def _put(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, Traced):
        return names[value.text]
    if isinstance(value, tuple):
        return tuple([_put(v, names) for v in value])
    return value


def _mark_last_reads(lines: Sequence[Line], results: Sequence[Val]) -> None:
    for i, line in enumerate(lines):
        for argument in line.arguments:
            if isinstance(argument, Val):
                argument.root.last = i
    for result in results:
        result.root.last = len(lines)
