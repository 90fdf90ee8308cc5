"""Loops and branches inside the step of a loop, as machine code of the same function.

An inner loop has its carries in memory of its own, which the next round of the outer loop uses
again. Of a branch only what is chosen runs. What an inner loop of unknown length stacks may be
read by other inner loops; there is room for `ROOM` steps, and Python runs what takes more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.codegen.loopblas import WithLibrary
from graphad.codegen.loopcomplex import is_complex, is_kept_in_memory
from graphad.codegen.movements import At, Value, shape_of
from graphad.codegen.places import COMPLEX, Formula, Number, Place
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import BOOL, DTYPES, VOCABULARY
from graphad.codegen.steps import concrete, keeps_zeros, plain
from graphad.ir.dims import Atom
from graphad.ir.evaluate import match_sizes
from graphad.ir.families.looprun import Layout, layout_of
from graphad.ir.graph import Graph
from graphad.ir.op import Op
from graphad.ir.types import TensorType
from graphad.plan import make_plan
from graphad.plan.plan import Step
from graphad.rewrite.passes import simplify

INT = np.dtype("int64")
ROOM = 256  # rows of a stack of unknown length
MOST = 1 << 20  # steps of an inner loop that ends by its condition: Python can be interrupted


class Rows:
    """A stack of which `count`, an i64 in a register, says how many rows there are."""

    __slots__ = ("count", "place")

    def __init__(self, place: Place, count: str) -> None:
        self.place, self.count = place, count


class Nested(WithLibrary):
    """Steps that may hold scans and switches."""

    inners = 0  # how many there are

    def inner(self, step: Step) -> Sequence[Any]:
        given = [self._held(n) for n in step.inputs]
        if step.node.op.name == "scan":
            return self._scan(step, given)
        if step.node.op.name == "switch" and not any(isinstance(v, Rows) for v in given):
            return self._switch(step, given)
        raise Unrecordable(step.node.op.name)

    def later(self, value: Any) -> At:
        return At(self.number(self._as(value, INT)).name)

    def step(self, step: Step) -> Any:
        rows = self.values.get(step.inputs[0]) if step.inputs else None
        op = step.node.op
        if isinstance(rows, Rows) and op.name == "dim_size" and op.params["axis"] == 0:
            return Number(rows.count, INT)
        made = super().step(step)
        if keeps_zeros(op):
            made = self.computed(made)
            self._refuse_nan(made)
        return made

    def op(self, step: Step) -> Op:
        return plain(step.node.op)

    def _refuse_nan(self, made: Any) -> None:
        """Where a NaN comes out of a product, Python runs the loop again, and keeps its zeros."""
        if is_complex(made):
            doubt = self.complex_call("isnan", (made,), {})
        else:
            root = VOCABULARY["isnan"](self.builder, self.scalar(made))
            doubt = Formula(root, shape_of(made))
        flag = self.reduced("any", doubt) if doubt.shape else self.number(doubt)
        self.fail(self.number(flag).name)

    def _held(self, number: int) -> Any:
        """An operand that an inner graph reads: computed before it begins."""
        value = self.values[number]
        if isinstance(value, Rows):
            return value
        kind = self.type(number)
        if kind.dtype not in DTYPES and kind.dtype not in COMPLEX:
            raise Unrecordable("a dtype")
        if is_kept_in_memory(kind):
            return self.place(self.cast(value, kind))
        return self.number(value)

    def _child(self, graph: Graph, given: Sequence[Place | Number]) -> Nested:
        """The steps of an inner graph on these operands."""
        sizes: dict[Atom, int] = {}
        for v, value in zip(graph.inputs, given, strict=True):
            shape = value.shape if isinstance(value, Place) else ()
            match_sizes(v.type, np.broadcast_to(np.empty(()), shape), sizes, "an operand")
        plan = make_plan(simplify(graph)[0])
        child = type(self)(plan, sizes, self.text)
        child.fixed, child.globals, child.scratch = self.fixed, self.globals, self.scratch
        child.values = dict(enumerate(given))
        self.inners += 1
        return child

    def _results(self, child: Nested) -> list[Any]:
        """Run the steps of an inner graph; the values of its outputs."""
        child.run()
        return [child.values[n] for n in child.plan.outputs]

    def _store(self, child: Nested, value: Any, own: Place) -> None:
        """Write a value of an inner graph to where it is read from later."""
        if is_kept_in_memory(own):
            child.copied(value, own)
        else:
            number = child.number(child._as(value, own.dtype))
            self.text.store(number.name, own.base, own.dtype)

    def _memory(self, kind: TensorType, steps: int | None = None) -> Place:
        shape: Any = kind.shape if steps is None else (steps, *kind.shape)
        return self.temporary(kind.dtype, shape)

    def _loaded(self, own: Place) -> Place | Number:
        """What lies in memory, as a value."""
        if is_kept_in_memory(own):
            return own
        return Number(self.text.read(own.base, own.dtype), own.dtype)

    # -- branches ------------------------------------------------------------------------------
    def _switch(self, step: Step, given: Sequence[Place | Number]) -> list[Value]:
        t, graphs = self.text, step.node.op.params["branches"]
        index, *operands = given
        assert isinstance(index, Number)
        owns = [self._memory(self.type(n)) for n in step.outputs]
        labels = [t.new_label("branch") for _ in graphs]
        after, wrong = t.new_label("joined"), t.new_label("nowhere")
        if index.dtype == BOOL:
            t.do(f"br i1 {index.name}, label %{labels[1]}, label %{labels[0]}")
        else:
            place = self.number(self._as(index, INT)).name
            cases = " ".join([f"i64 {i}, label %{label}" for i, label in enumerate(labels)])
            t.do(f"switch i64 {place}, label %{wrong} [ {cases} ]")
            t.label(wrong)
            self.fail("true")
            t.do(f"br label %{after}")
        for label, graph in zip(labels, graphs, strict=True):
            t.label(label)
            child = self._child(graph, operands)
            for value, own in zip(self._results(child), owns, strict=True):
                self._store(child, value, own)
            self.scratch = child.scratch
            t.do(f"br label %{after}")
        t.label(after)
        return [self._loaded(own) for own in owns]

    # -- loops ---------------------------------------------------------------------------------
    def _scan(self, step: Step, given: Sequence[Any]) -> list[Any]:
        t, layout = self.text, layout_of(step.node.op.params)
        carries, rows, captured = layout.divide(given)
        if any(isinstance(v, Rows) for v in (*carries, *captured)):
            raise Unrecordable("a stack of unknown length")
        length, steps = self._length(step, given[0], rows)
        last = layout.carries + layout.outputs
        is_open = bool(layout.outputs) and (steps is None or layout.until)
        if is_open and layout.until and layout.backward:
            raise Unrecordable("a stack that is written from an end that is not known")
        owns = [self._memory(self.type(n)) for n in step.outputs[: layout.carries]]
        for value, own in zip(carries, owns, strict=True):
            self._store(self, value, own)
        stacks = [self._rows_of(n, ROOM if is_open else steps)
                  for n in step.outputs[layout.carries : last]]  # fmt: skip
        counter = t.reserve("i64")
        t.do(f"store i64 0, ptr {counter}")
        going = t.reserve("i8") if layout.until else ""
        if layout.until:
            assert isinstance(given[1], Number)
            t.store(given[1].name, going, BOOL)
        check, body, done = (t.new_label(w) for w in ("check", "body", "ended"))
        t.do(f"br label %{check}")
        t.label(check)
        i = t.put(f"load i64, ptr {counter}")
        more = t.put(f"icmp slt i64 {i}, {length}")
        if layout.until:
            more = t.put(f"and i1 {more}, {t.read(going, BOOL)}")
        enters = more
        if is_open or layout.until:
            room = t.put(f"icmp slt i64 {i}, {ROOM if is_open else MOST}")
            enters = t.put(f"and i1 {more}, {room}")
        t.do(f"br i1 {enters}, label %{body}, label %{done}")
        t.label(body)
        self._body(step, layout, owns, rows, captured, stacks, going, i, length)
        t.do(f"store i64 {t.put(f'add i64 {i}, 1')}, ptr {counter}")
        t.do(f"br label %{check}")
        t.label(done)
        if enters != more:
            self.fail(more)
        if layout.strict:
            self.fail(t.read(going, BOOL))
        found: list[Any] = [self._loaded(own) for own in owns]
        found += [Rows(stack, i) for stack in stacks] if is_open else stacks
        return [*found, *([Number(i, INT)] if layout.until else [])]

    def _rows_of(self, number: int, steps: int | None) -> Place:
        """Memory for the rows of a result."""
        kind = self.plan.values[number].type
        row = concrete(kind.with_shape(kind.shape[1:]), self.sizes)
        if (row.dtype not in DTYPES and row.dtype not in COMPLEX) or steps is None:
            raise Unrecordable("a dtype")
        return self._memory(row, steps)

    def _length(self, step: Step, length: Any, rows: Sequence[Place]) -> tuple[str, int | None]:
        """(the number of steps in the code, the same if it is known now)."""
        t, known = self.text, self.known(self.values[step.inputs[0]])
        name = length.name if known is None else str(known)
        if known is None:
            self.fail(t.put(f"icmp slt i64 {name}, 0"))
        for row in rows:
            if isinstance(row, Rows):
                self.fail(t.put(f"icmp ne i64 {name}, {row.count}"))
                continue
            steps = row.shape[0]
            if known is None:
                self.fail(t.put(f"icmp ne i64 {name}, {steps}"))
            elif steps != known:
                raise Unrecordable("sequences of another length")
        for row in rows:
            if not isinstance(row, Rows):
                return str(row.shape[0]), row.shape[0]
        return name, known

    def _body(
        self, step: Step, layout: Layout, owns: Sequence[Place], rows: Sequence[Any],
        captured: Sequence[Any], stacks: Sequence[Place], going: str, i: str, length: str,
    ) -> None:  # fmt: skip
        """One step of an inner loop."""
        t = self.text
        index = i
        if layout.backward:
            index = t.put(f"sub i64 {t.put(f'sub i64 {length}, 1')}, {i}")
        inside: list[Any] = [
            Place(own.base, own.dtype, own.shape, "carry")
            if is_kept_in_memory(own)
            else self._loaded(own)
            for own in owns
        ]
        inside += [self._row(row, index) for row in rows]
        child = self._child(step.node.op.params["graph"], [*inside, *captured])
        outputs = self._results(child)
        for stack, value in zip(stacks, outputs[layout.carries :], strict=False):
            place = self._row_place(stack, i if layout.until else index)
            self._store(child, value, place)
        more = child.number(outputs[-1]).name if layout.until else ""
        names = child.carried(owns, outputs)
        for own, name in zip(owns, names, strict=True):
            if not is_kept_in_memory(own):
                t.store(name, own.base, own.dtype)
        if layout.until:
            t.store(more, going, BOOL)
        self.scratch = child.scratch

    def _row_place(self, whole: Place, index: str) -> Place:
        base = self.text.at(whole.base, whole.dtype, whole.offset, [(index, whole.strides[0])])
        return Place(base, whole.dtype, whole.shape[1:], "row", whole.strides[1:])

    def _row(self, whole: Any, index: str) -> Place | Number:
        whole = whole.place if isinstance(whole, Rows) else whole
        return self._loaded(self._row_place(whole, index))
