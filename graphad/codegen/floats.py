"""Programs of scalars: one function of Python floats, with `math` in place of NumPy.

`math` raises where NumPy gives inf or NaN (log of 0, overflow, division by zero); the caller then
runs the NumPy program, which defines the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.codegen.naming import Names
from graphad.codegen.program import Program
from graphad.codegen.recording import Instruction, Recorder, Traced, Unrecordable
from graphad.codegen.statements import inline, is_mixed
from graphad.codegen.templates import Template, key_of, template
from graphad.codegen.vocabulary import BOOLEAN, CHOOSING, FLOAT, MATH_NAMES, call
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant
from graphad.plan.plan import Plan, Step

FAILURES = (ArithmeticError, ValueError)  # what math raises where NumPy has a value


class Floats:
    """The statements of a scalar plan on floats, and what they need; raises Unrecordable."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.names = plan, Names()
        self.functions: set[str] = set()
        self.bound: dict[str, Any] = {}
        self.templates: dict[Any, Template | None] = {}
        values = [v for v in plan.values if v.kind != "constant"]
        self.operands = {v.number: self.names.value(v) for v in values}
        for value in plan.values:
            if isinstance(value.variable, Constant):
                self.operands[value.number] = _number(value.variable.value[()])

    def body(self) -> list[str]:
        """One statement for each step."""
        lines: list[str] = []
        for step in self.plan.steps:
            lines += self._step(step)
        return lines

    def _step(self, step: Step) -> list[str]:
        """The statements of a step; those that differ in names alone are written once."""
        operands = [self.operands[n] for n in step.inputs]
        types = [v.type for v in step.node.inputs]
        key = key_of(step, operands, types)
        known = self.templates.get(key)
        if known is None:
            lines, text = self._written(step, operands, types)
            if not lines and key is not None:
                self.templates[key] = template(text, False, operands)
        else:
            lines, text = [], known.fill(operands)
        return [*lines, f"{self.operands[step.outputs[0]]} = {text}"]

    def _written(
        self, step: Step, operands: Sequence[str], types: Sequence[TensorType]
    ) -> tuple[list[str], str]:
        """Statements, and the expression after them."""
        recorder = Recorder(self.names.temporary)
        traced = [Traced(recorder, o, t) for o, t in zip(operands, types, strict=True)]
        result = step.node.op.evaluate(recorder, traced)
        if not isinstance(result, Traced):
            raise Unrecordable("no traced result")
        calls = recorder.instructions
        last = calls[-1].function if calls else ""
        boolean = step.node.types[0].dtype == np.bool_
        if last in CHOOSING and not boolean:
            numbers = [float(a) if type(a) is int else a for a in calls[-1].arguments]
            calls[-1].arguments = tuple(numbers)
        lines, texts = inline(calls, self._write)
        text = texts.get(result.text, result.text)
        if boolean:
            text = text if last in BOOLEAN else f"bool({text})"
        elif last not in FLOAT or (last in CHOOSING and is_mixed(step)):
            text = f"float({text})"
        return lines, text

    def _write(self, instruction: Instruction) -> tuple[str, bool]:
        """The text of one call; it is no statement."""
        function, arguments = instruction.function, instruction.arguments
        if function in FLOAT:
            text = FLOAT[function](*arguments, **instruction.keywords)
            self.functions.update({text.split("(", 1)[0]} & MATH_NAMES)
            if "np_power(" in text:
                self.bound["np_power"] = np.power
            return f"({text})", False
        target = getattr(np, function, None)
        if not isinstance(target, np.ufunc):
            raise Unrecordable(function)
        name = next((n for n, known in self.bound.items() if known is target), None)
        if name is None:
            name = self.names.unique(f"np_{function}")
            self.bound[name] = target
        return call(name, arguments, instruction.keywords), False

    def head(self) -> str:
        """Imports, once the body is written."""
        return f"from math import {', '.join(sorted(self.functions | {'inf', 'nan'}))}\n"


def generate_floats(plan: Plan, name: str) -> Program | None:
    """The program of a scalar plan on floats; None if an op cannot be written so."""
    floats = Floats(plan)
    try:
        body = floats.body()
    except Unrecordable:
        return None
    inputs = [floats.operands[v.number] for v in plan.values[: len(plan.graph.inputs)]]
    results = [floats.operands[n] for n in plan.outputs]
    lines = [f"def program({', '.join(inputs)}):", *[f"    {line}" for line in body]]
    lines.append(f"    return ({', '.join(results)}{',' if len(results) == 1 else ''})")
    return Program(
        [f"{floats.head()}\n\n" + "\n".join(lines) + "\n"], floats.bound, f"{name} of floats"
    )


def _number(value: Any) -> str:
    text = repr(value.item())
    return f"({text})" if text.startswith("-") else text
