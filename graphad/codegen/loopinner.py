"""Loops and branches inside the step of a loop, as machine code of the same function.

An inner loop has its carries in memory of its own, which the next round of the outer loop uses
again. Of a branch only what is chosen runs. What needs memory of a size that is known only when
the loop runs has no translation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.codegen.loopblas import WithLibrary
from graphad.codegen.movements import At, Value
from graphad.codegen.places import Number, Place
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import BOOL, DTYPES
from graphad.ir.dims import Atom
from graphad.ir.evaluate import match_sizes
from graphad.ir.families.looprun import Layout, layout_of
from graphad.ir.graph import Graph
from graphad.ir.types import TensorType
from graphad.plan import make_plan
from graphad.plan.plan import Step
from graphad.rewrite.passes import simplify

INT = np.dtype("int64")


class Nested(WithLibrary):
    """Steps that may hold scans and switches."""

    def inner(self, step: Step) -> Sequence[Value]:
        given = [self._held(self.values[n], self.type(n)) for n in step.inputs]
        if step.node.op.name == "scan":
            return self._scan(step, given)
        if step.node.op.name == "switch":
            return self._switch(step, given)
        raise Unrecordable(step.node.op.name)

    def later(self, value: Any) -> At:
        return At(self.number(self._as(value, INT)).name)

    def _held(self, value: Any, kind: TensorType) -> Place | Number:
        """An operand that an inner graph reads: computed before it begins."""
        if kind.dtype not in DTYPES:
            raise Unrecordable("a dtype")
        return self.place(self.cast(value, kind)) if kind.ndim else self.number(value)

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
        return child

    def _results(self, child: Nested) -> list[Any]:
        """Run the steps of an inner graph; the values of its outputs."""
        child.run()
        return [child.values[n] for n in child.plan.outputs]

    def _store(self, child: Nested, value: Any, own: Place) -> None:
        """Write a value of an inner graph to where it is read from later."""
        if own.shape:
            child.copied(value, own)
        else:
            number = child.number(child._as(value, own.dtype))
            self.text.store(number.name, own.base, own.dtype)

    def _memory(self, kind: TensorType, steps: int | None = None) -> Place:
        shape: Any = kind.shape if steps is None else (steps, *kind.shape)
        return self.temporary(kind.dtype, shape)

    def _loaded(self, own: Place) -> Place | Number:
        """What lies in memory, as a value."""
        return own if own.shape else Number(self.text.read(own.base, own.dtype), own.dtype)

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
    def _scan(self, step: Step, given: Sequence[Place | Number]) -> list[Value]:
        t, layout = self.text, layout_of(step.node.op.params)
        carries, rows, captured = layout.divide(given)
        length, steps = self._length(step, given[0], rows)
        if layout.outputs and (steps is None or layout.until):
            raise Unrecordable("an inner loop that stacks results of unknown number")
        kinds = [self.type(n) for n in step.outputs]
        owns = [self._memory(kind) for kind in kinds[: layout.carries]]
        for value, own in zip(carries, owns, strict=True):
            self._store(self, value, own)
        last = layout.carries + layout.outputs
        stacks = [self._memory(kind) for kind in kinds[layout.carries : last]]
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
        t.do(f"br i1 {more}, label %{body}, label %{done}")
        t.label(body)
        self._body(step, layout, owns, rows, captured, stacks, going, i, length)
        t.do(f"store i64 {t.put(f'add i64 {i}, 1')}, ptr {counter}")
        t.do(f"br label %{check}")
        t.label(done)
        if layout.strict:
            self.fail(t.read(going, BOOL))
        found: list[Value] = [self._loaded(own) for own in owns]
        return [*found, *stacks, *([Number(i, INT)] if layout.until else [])]

    def _length(self, step: Step, length: Any, rows: Sequence[Place]) -> tuple[str, int | None]:
        """(the number of steps in the code, the same if it is known now)."""
        t, known = self.text, self.known(self.values[step.inputs[0]])
        name = length.name if known is None else str(known)
        if known is None:
            self.fail(t.put(f"icmp slt i64 {name}, 0"))
        for row in rows:
            steps = row.shape[0]
            if known is None:
                self.fail(t.put(f"icmp ne i64 {name}, {steps}"))
            elif steps != known:
                raise Unrecordable("sequences of another length")
        if rows:
            return str(rows[0].shape[0]), rows[0].shape[0]
        return name, known

    def _body(
        self, step: Step, layout: Layout, owns: Sequence[Place], rows: Sequence[Place],
        captured: Sequence[Any], stacks: Sequence[Place], going: str, i: str, length: str,
    ) -> None:  # fmt: skip
        """One step of an inner loop."""
        t = self.text
        index = i
        if layout.backward:
            index = t.put(f"sub i64 {t.put(f'sub i64 {length}, 1')}, {i}")
        inside: list[Any] = [
            Place(own.base, own.dtype, own.shape, "carry") if own.shape else self._loaded(own)
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
            if not own.shape:
                t.store(name, own.base, own.dtype)
        if layout.until:
            t.store(more, going, BOOL)
        self.scratch = child.scratch

    def _row_place(self, whole: Place, index: str) -> Place:
        base = self.text.at(whole.base, whole.dtype, whole.offset, [(index, whole.strides[0])])
        return Place(base, whole.dtype, whole.shape[1:], "row", whole.strides[1:])

    def _row(self, whole: Place, index: str) -> Place | Number:
        return self._loaded(self._row_place(whole, index))
