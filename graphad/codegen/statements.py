"""From recorded calls to statements, and where in the user's program they come from."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.codegen.recording import Instruction, Recorder, Traced
from graphad.codegen.vocabulary import STATEMENTS
from graphad.ir.context import place_of
from graphad.ir.variable import Apply
from graphad.plan.plan import Step

if TYPE_CHECKING:
    from graphad.codegen.program import Writer


def inline(
    instructions: Sequence[Instruction], write: Callable[[Instruction], tuple[str, bool]]
) -> tuple[list[str], dict[str, str]]:
    """(statements, text of each temporary): a temporary that is read once is written in place."""
    if len(instructions) == 1:
        (only,) = instructions
        text, statement = write(only)
        return ([text], {}) if statement else ([], {only.target: text})
    reads: dict[str, int] = {}
    for instruction in instructions:
        for traced in read_by(instruction):
            reads[traced.text] = reads.get(traced.text, 0) + 1
    changed = {i.arguments[0].text for i in instructions if i.function in STATEMENTS}
    lines: list[str] = []
    texts: dict[str, str] = {}
    for position, instruction in enumerate(instructions):
        for traced in traced_in(instruction.arguments):
            traced.text = texts.get(traced.text, traced.text)
        text, statement = write(instruction)
        last = position == len(instructions) - 1
        if statement:
            lines.append(text)
        elif (reads.get(instruction.target, 0) <= 1 or last) and instruction.target not in changed:
            texts[instruction.target] = text
        else:
            lines.append(f"{instruction.target} = {text}")
    return lines, texts


def is_on_large(writer: Any, step: Step) -> bool:
    """May arrays of this step be large?"""
    return any([writer.is_large(n) for n in (*step.inputs, *step.outputs)])


def left_over(
    writer: Any, step: Step, calls: Sequence[Instruction], lines: Sequence[str]
) -> list[str]:
    """A statement that drops the temporaries of a step; its result keeps its name."""
    if len(lines) < 2 or not is_on_large(writer, step):
        return []
    named = [call.target for call in calls]
    made = dict.fromkeys([t for line in lines if (t := line.partition(" = ")[0]) in named])
    made.pop(writer.names.value(writer.plan.values[step.outputs[0]]), None)
    return [f"del {', '.join(made)}"] if made else []


def in_place(instructions: list[Instruction], result: Traced, operand: Traced) -> None:
    """Let what begins with a copy of an operand change the operand itself."""
    first = instructions[0] if instructions else None
    if first is None or first.function != "array" or first.arguments[0] is not operand:
        return
    del instructions[0]
    for traced in [result, *[t for i in instructions for t in traced_in(i.arguments)]]:
        if traced.text == first.target:
            traced.text = operand.text


def read_by(instruction: Instruction) -> list[Traced]:
    """What a call reads, or writes over."""
    keywords = instruction.keywords
    return traced_in((*instruction.arguments, *keywords.values()) if keywords else
                     instruction.arguments)  # fmt: skip


def traced_in(value: Any) -> list[Traced]:
    """What stands for arrays in the arguments of a call."""
    found: list[Traced] = []
    for item in value:
        if type(item) is Traced:
            found.append(item)
        elif isinstance(item, tuple | list):
            found += traced_in(item)
        elif isinstance(item, slice):
            found += traced_in((item.start, item.stop, item.step))
    return found


def is_mixed(step: Step) -> bool:
    """Does an operand that may be chosen have another dtype than the result?"""
    skipped = getattr(step.node.op.family, "promoted_from", 0)
    return any(v.dtype != step.node.types[0].dtype for v in step.node.inputs[skipped:])


@functools.cache
def takes_out(name: str) -> bool:
    """Is it a ufunc, which can write into memory it is given (``out=``)?"""
    return isinstance(getattr(np, name, None), np.ufunc)


def place_among(known: dict[Any, str], node: Apply) -> str:
    """The same, remembered: many nodes have one place."""
    key = (node.raw_site, node.scope, node.origin is None)
    if key not in known:
        known[key] = place_of(node, node.site)
    return known[key]


def typed(writer: Writer, choice: Instruction, dtype: np.dtype) -> tuple[Any, ...]:
    """The arguments of a `where`, Python numbers among them as NumPy scalars of the result."""
    condition, *options = choice.arguments
    return condition, *[
        option if number is None else _bound(writer, dtype.type(number))
        for option, number in zip(options, map(number_of, options), strict=True)
    ]


def _bound(writer: Writer, number: np.generic) -> Traced:
    key = (number.dtype.str, number.tobytes())
    if key not in writer.numbers:
        name = writer.numbers[key] = writer.names.unique(f"k{len(writer.bound)}")
        writer.bound[name] = number
    return Traced(Recorder(writer.names.temporary), writer.numbers[key])


def number_of(option: Any) -> Any:
    """The Python number that an operand is written as; None if it has a name."""
    if not isinstance(option, Traced):
        return option
    if option.text.isidentifier() and option.text not in ("True", "False"):
        return None
    try:
        return ast.literal_eval(option.text)
    except (ValueError, SyntaxError):
        return None
