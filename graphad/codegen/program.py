"""Source of a whole plan: straight-line Python that calls NumPy, one statement per op.

The source is registered with `linecache`, so tracebacks through it show its lines. Programs of
more than `CHUNK` steps are cut into parts that hand values on through a list.
"""

from __future__ import annotations

import functools
import itertools
import linecache
import re
import weakref
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.codegen.naming import Names, is_plain
from graphad.codegen.recording import Instruction, Recorder, Traced, Unrecordable
from graphad.codegen.shortcuts import shortcut, shortcuts
from graphad.codegen.statements import (
    in_place,
    inline,
    is_mixed,
    is_on_large,
    left_over,
    place_among,
    takes_out,
    typed,
)  # fmt: skip
from graphad.codegen.templates import Template, key_of, template
from graphad.codegen.vocabulary import ARRAY, OPERATORS, STATEMENTS, call, dtype_name, literal
from graphad.ir.families.inner import InnerFamily
from graphad.ir.hooks import hooks
from graphad.ir.op import Op
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Variable
from graphad.plan.plan import Plan, Step, Value

if TYPE_CHECKING:
    from graphad.plan.group import Group

    Kernels = Mapping[Group, Callable[..., Any]]

CHUNK = 1000  # steps in one generated function
LARGE = 1 << 16  # bytes from which a dead array is dropped before the program ends

Run = Callable[..., Sequence[Any]]
_serial = itertools.count(1)


def is_scalar_plan(plan: Plan) -> bool:
    """Are all values single float64 numbers or booleans, and all ops elementwise?"""
    kinds = (np.float64, np.bool_)
    scalars = all(v.type.ndim == 0 and v.type.dtype in kinds for v in plan.values)
    formulas = all(step.node.op.family.is_elementwise for step in plan.steps)
    return scalars and formulas and 0 < len(plan.steps) <= CHUNK


class Program:
    """A compiled plan: call `run` with the arrays of the graph's inputs, get a tuple of outputs.

    `parts` are pieces of source executed in turn in one namespace; the last defines `program`.
    """

    __slots__ = ("__weakref__", "bound", "name", "parts", "run")

    def __init__(self, parts: Sequence[str], bound: Mapping[str, Any], name: str) -> None:
        self.parts, self.bound, self.name = tuple(parts), dict(bound), name
        namespace = dict(bound)
        serial = next(_serial)
        for i, part in enumerate(self.parts):
            filename = f"<graphad program {serial} {name}{f' part {i}' if len(parts) > 1 else ''}>"
            lines = part.splitlines(keepends=True)
            linecache.cache[filename] = (len(part), None, lines, filename)
            weakref.finalize(self, linecache.cache.pop, filename, None)
            exec(compile(part, filename, "exec"), namespace)
        self.run: Run = namespace.pop("program")  # no cycle: a function holds its namespace

    @property
    def source(self) -> str:
        """All of the source."""
        return "\n\n".join(self.parts)

    def __call__(self, *arrays: Any) -> Sequence[Any]:
        return self.run(*arrays)

    def __reduce__(self) -> tuple:
        return Program, (self.parts, self.bound, self.name)


class Writer:
    """Writes the statements of a plan for NumPy; collects what the source must have bound."""

    def __init__(
        self, plan: Plan, compile_inner: Callable[[Op], Run], kernels: Kernels,
        tick: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.compile_inner, self.kernels = plan, compile_inner, kernels
        self.names = Names()
        self.imports: set[str] = set()
        self.room = ""  # the name of what has memory for large results, once there are any
        self.bound: dict[str, Any] = {}
        self._constants: dict[int, str] = {}
        self.numbers: dict[tuple[str, bytes], str] = {}
        self._places: dict[Any, str] = {}
        self._kernel_names: dict[int, str] = {}
        self._scatter = ""
        self._templates: dict[Any, Template | None] = {}
        self.readers: dict[int, int] = {}  # how often each value is read, once that matters
        self._fused: set[int] = set()
        self._numbered = {value.variable: value.number for value in plan.values if kernels}
        for value in plan.values[: len(plan.graph.inputs)]:
            self.names.value(value)
        self.after = [] if tick is None else [f"{self.names.unique('tick')}()"]
        self.bound.update({} if tick is None else {self.after[0][:-2]: tick})

    # -- operands ------------------------------------------------------------------------------
    def operand(self, number: int, step: Step | None) -> str:
        """The expression for a value: its name, or the literal of a constant."""
        value = self.plan.values[number]
        if value.kind != "constant":
            return self.names.value(value)
        assert isinstance(value.variable, Constant)
        if step is not None and self._may_be_literal(value, step):
            return literal(value.variable.value[()])
        if number not in self._constants:
            wish = (
                value.name if value.name and value.name.isidentifier() else f"k{len(self.bound)}"
            )
            name = self._constants[number] = self.names.unique(wish if wish.isascii() else "k")
            array = value.variable.value
            self.bound[name] = array if array.ndim else array[()]
        return self._constants[number]

    def _may_be_literal(self, value: Value, step: Step) -> bool:
        """A Python number promotes like the constant it stands for, beside one of its dtype."""
        if (
            value.type.ndim
            or value.type.dtype.kind not in "fi"
            or not step.node.op.family.is_elementwise
        ):
            return False
        array = value.variable.value  # type: ignore[attr-defined]
        others = [
            self.plan.values[n].type.dtype
            for n in step.inputs
            if self.plan.values[n].kind != "constant"
        ]
        return bool(np.isfinite(array)) and value.type.dtype in others and (
            step.node.op.name != "where"
        )  # fmt: skip

    # -- one step ------------------------------------------------------------------------------
    def step(self, step: Step) -> list[str]:
        """The statements of one step."""
        if step.group is not None:
            return self._kernel(step, step.group)
        found = getattr(self.kernels, "single", _nothing)(
            step, step.outputs[0] not in self.plan.outputs
        )
        if found is not None:
            return [self._called(step, self.named(found))]
        operands = [self.operand(n, step) for n in step.inputs]
        types = [self.plan.values[n].type for n in step.inputs]
        key = key_of(step, operands, types)
        known = self._templates.get(key)
        if known is not None:
            return self._finished(step, known.fill(operands), known.takes_out)
        recorder = Recorder(self.names.temporary)
        traced = [Traced(recorder, o, t) for o, t in zip(operands, types, strict=True)]
        family = step.node.op.family
        if isinstance(family, InnerFamily) or len(step.outputs) != 1:
            return [self._opaque(step)]
        try:
            result = step.node.op.evaluate(recorder, traced)
            if not isinstance(result, Traced):
                raise Unrecordable("no traced result")
            if step.reuse is not None and step.node.op.family.changes_first:
                in_place(recorder.instructions, result, traced[0])
            calls = recorder.instructions
            if calls and calls[-1].function == "where" and (lines := self._masked(step, calls)):
                return lines
            lines, text, takes = self._recorded(step, calls, result)
            if not lines and key is not None:
                self._templates[key] = template(text, takes, operands)
            lines += self._finished(step, text, takes)
            return lines + left_over(self, step, calls, lines)
        except Unrecordable:
            return [self._opaque(step)]

    def _masked(self, step: Step, calls: Sequence[Instruction]) -> list[str] | None:
        """The statements of a choice that is cheaper as a product and a copy."""
        lines: list[str] | None = hooks.load("codegen.masking").masked_lines(self, step, calls)
        return lines

    def _kernel(self, step: Step, group: Group) -> list[str]:
        """A call of a native kernel."""
        kernel = self.named(self.kernels[group])
        self._fused.update(step.outputs)
        numbers = dict(zip(group.inputs, step.inputs, strict=True))
        names = {v: self.operand(numbers[v], None) for v in group.given}
        results = [self.names.value(self.plan.values[n]) for n in step.outputs]
        if getattr(self.kernels[group], "makes_results", False):
            return [f"{', '.join(results)} = {kernel}({', '.join(names.values())})"]
        calls = hooks.load("codegen.calls")
        values, fused = self.plan.values, self._fused

        def ordered(variable: Variable) -> bool:
            if variable not in self._numbered:
                return False
            return bool(calls.is_in_order(values[self._numbered[variable]], fused))

        lines: list[str] = calls.kernel_lines(step, kernel, names, results, ordered, self)
        return lines

    def memory(self, what: str, otherwise: str, kind: TensorType) -> str:
        """The name of what makes an array in memory that is used again."""
        made = getattr(self.kernels, "maker", _nothing)(what, kind)
        return otherwise if made is None else self.named(made, what)

    def named(self, kernel: Callable[..., Any], wish: str = "") -> str:
        """The name of a kernel; several groups may share one."""
        known = self._kernel_names
        if id(kernel) not in known:
            wish = wish or getattr(kernel, "name", f"kernel{len(known)}")
            known[id(kernel)] = self.names.unique(wish)
            self.bound[known[id(kernel)]] = kernel
        return known[id(kernel)]

    def _opaque(self, step: Step) -> str:
        """A call of the op as a whole."""
        wish = step.node.op.name.replace(".", "_")
        name = self.names.unique(f"{wish}_{step.outputs[0]}")
        self.bound[name] = self._callable(step.node.op)
        return self._called(step, name)

    def _called(self, step: Step, name: str) -> str:
        targets = ", ".join(self.names.value(self.plan.values[n]) for n in step.outputs)
        operands = ", ".join(self.operand(n, None) for n in step.inputs)
        return f"{targets} = {name}({operands})"

    def _callable(self, op: Op) -> Callable[..., Any]:
        if isinstance(op.family, InnerFamily):
            return self.compile_inner(op)
        return functools.partial(call_op, op)

    def _recorded(
        self, step: Step, instructions: Sequence[Instruction], result: Traced
    ) -> tuple[list[str], str, bool]:
        """(statements, the expression after them, whether that can write into given memory)"""
        value = self.plan.values[step.outputs[0]]
        scalar = value.type.ndim == 0 and step.node.op.family.is_elementwise
        last = instructions[-1] if instructions else None
        choosing = False
        if scalar and last is not None and last.function == "where":
            choosing = True
            last.arguments = typed(self, last, value.type.dtype)
        if len(instructions) > 1 and is_on_large(self, step):
            hooks.load("codegen.temporaries").write_over(instructions, result, step.reuse is None)
        lines, texts = inline(instructions, functools.partial(self._write, scalar=scalar))
        text = texts.get(result.text, result.text)
        if step.node.op.name == "reshape" and ".reshape(" in text:
            text = self._reshaped(step.node, text)
        if choosing and is_mixed(step):
            text = f"{dtype_name(value.type.dtype)}({text})"
            self.imports.add(dtype_name(value.type.dtype))
        takes = last is not None and last.target == result.text and takes_out(last.function)
        return lines, text, takes

    def _finished(self, step: Step, text: str, takes: bool) -> list[str]:
        """The statement that gives the result its name, and its memory where that is planned."""
        value, dropped = self.plan.values[step.outputs[0]], []
        if step.reuse is not None:
            taken = self.plan.values[step.reuse]
            target = self.names.value(taken)
            if takes:
                text = f"{text[:-1]}, out={target})"
            if is_plain(value.name) or is_plain(taken.name):  # a user's name keeps its meaning
                dropped = [f"del {target}"] if self.is_large(step.reuse) else []
            else:
                self.names.share(value.number, step.reuse)
        name = self.names.value(value)
        return [*([] if name == text else [f"{name} = {text}"]), *dropped]

    def _reshaped(self, node: Apply, text: str) -> str:
        """What may be a copy of a large array is made in memory that is kept."""
        dense = hooks.load("plan.layout").layout(node.inputs[0]) == "dense"
        name = "" if dense else self.memory("reshaped", "", node.types[0])
        given, _, shape = text.rpartition(".reshape(")
        return f"{name}({given}, {shape}" if name else text

    def _bound_scatter(self) -> str:
        """The name of the function that adds values at an index, in machine code."""
        if not self._scatter:
            self._scatter = self.names.unique("add_at")
            self.bound[self._scatter] = hooks.load("codegen.scatter").add_at
        return self._scatter

    def _write(self, instruction: Instruction, scalar: bool) -> tuple[str, bool]:
        """The text of one call; the flag says that it is a statement."""
        function, arguments = instruction.function, instruction.arguments
        keywords = instruction.keywords
        for given in (*arguments, *keywords.values()) if keywords else arguments:
            if isinstance(given, np.dtype):
                self.imports.add(dtype_name(given))
        if function == "add.at" and self.kernels:
            return f"{self._bound_scatter()}({', '.join(map(literal, arguments))})", True
        if function in STATEMENTS:
            self.imports.update({function[:-3]} if function.endswith(".at") else ())
            return STATEMENTS[function](*arguments, **keywords), True
        if scalar and function in OPERATORS:
            self.imports.update({"square"} if function == "square" else ())
            return f"({OPERATORS[function](*arguments, **keywords)})", False
        if scalar and function == "where":
            c, a, b = map(literal, arguments)
            return f"({a} if {c} else {b})", False
        text = ARRAY[function](*arguments, **keywords) if function in ARRAY else call(
            function, arguments, keywords
        )  # fmt: skip
        head = text.split("(", 1)[0].split(".", 1)[0]
        if head not in self.imports and hasattr(np, head):
            self.imports.add(head)
        if "dtype(" in text:
            self.imports.add("dtype")
        if "inf" in text or "nan" in text:
            self.imports.update(re.findall(r"\b(?:inf|nan)\b", text))
        return text, False

    # -- the whole -----------------------------------------------------------------------------
    def body(self, steps: Sequence[Step], local: Container[int] | None = None) -> list[str]:
        """Statements with, as comments, where in the user's program they come from.

        `local` are the values that have a name in the function being written; None: all.
        """
        lines: list[str] = []
        place = ""
        joined = {} if self.after else shortcuts(self, steps)
        for step in steps:
            here = place_among(self._places, step.node)
            if here != place:
                lines.append(f"# {here}")
                place = here
            others = joined.get(step.outputs[0])
            lines += self.step(step) if others is None else shortcut(self, others, step)
            dropped = [
                self.names.value(self.plan.values[n])
                for n in step.frees
                if self.is_large(n) and joined.get(n) != () and (local is None or n in local)
            ]
            lines += [f"del {', '.join(dict.fromkeys(dropped))}"] if dropped else []
            lines += self.after
        return lines

    def is_large(self, number: int) -> bool:
        kind = self.plan.values[number].type
        return kind.ndim > 0 and (not kind.is_static or kind.nbytes() >= LARGE)

    def result(self, position: int, number: int) -> str:
        """An output: copied where it may share memory with something else."""
        text = self.operand(number, None)
        if position in self.plan.copies and self.plan.values[number].type.ndim:
            self.imports.add("array")
            return f"array({text})"
        return text


def _nothing(*_: Any) -> None:
    return None


def call_op(op: Op, *arrays: Any) -> Any:
    """An op as a whole, on arrays."""
    result = op.evaluate(np, [np.asarray(a) for a in arrays])
    return result if isinstance(result, tuple) else result[()]


def generate(
    plan: Plan, name: str, compile_inner: Callable[[Op], Run], kernels: Kernels | None = None,
    large: Any = None, tick: Callable[[], None] | None = None,
) -> Program:  # fmt: skip
    """The program of a plan; `kernels` are the callables of its groups, and `large` what is
    asked first where arrays are large (`large.Large`); `tick` is called after every step."""
    writer = Writer(plan, compile_inner, kernels or {}, tick)
    inputs = [writer.names.value(v) for v in plan.values[: len(plan.graph.inputs)]]
    parts: list[str] = []
    if len(plan.steps) <= CHUNK:
        body = writer.body(plan.steps)
    else:
        body = hooks.load("codegen.chunked").chunked(writer, inputs, parts, CHUNK)
    asked = [] if large is None else large.asked(writer, inputs)
    results = [writer.result(i, n) for i, n in enumerate(plan.outputs)]
    returned = f"return ({', '.join(results)}{',' if len(results) == 1 else ''})"
    lines = [f"def program({', '.join(inputs)}):"]
    lines += [f"    {line}" for line in (*asked, *body, returned)]
    head = f"from numpy import {', '.join(sorted(writer.imports))}\n\n\n" if writer.imports else ""
    main = "\n".join(lines) + "\n"
    pieces = [head, *[f"{part}\n" for part in parts], main] if parts else [head + main]
    return Program(pieces, writer.bound, name)
