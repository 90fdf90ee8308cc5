"""Several steps that NumPy does sooner in one statement, where only the last of them is read.

    t = zeros((3,)); t[1] = v; x = add(x, t, out=x)    →  x[1] += v
    concatenate((a[None], b[None]), axis=0)            →  array((a, b), float64)

The first leaves a zero of x its sign. Arrays are small here: each call costs more than its work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphad.codegen.naming import is_plain
from graphad.codegen.vocabulary import dtype_name, index_text
from graphad.ir.families.indexing import with_operands
from graphad.plan.plan import Step

if TYPE_CHECKING:
    from graphad.codegen.program import Writer

Shortcuts = dict[int, Sequence[Step]]  # by the first output of a step: those before it, or none


def shortcuts(writer: Writer, steps: Sequence[Step]) -> Shortcuts:
    """Steps that are written in one with others, by their outputs: the last of these with the
    others, each of the others with none."""
    found: Shortcuts = {}
    makers: dict[int, Step] = {}  # steps that give values of size 1 from single numbers
    before: Step | None = None
    for step in steps:
        name = "" if step.group is not None else step.node.op.name
        if name == "expand_dims" and (step.node.inputs[0].ndim, step.node.types[0].ndim) == (0, 1):
            makers[step.outputs[0]] = step
        elif name == "concatenate":
            parts = [makers.get(n) for n in dict.fromkeys(step.inputs)]
            if None not in parts and len(parts) == len(step.inputs):
                _note(writer, found, [p for p in parts if p is not None], step)
        elif name == "add" and before is not None and _adds(writer, before, step):
            _note(writer, found, [before], step)
        before = step if name == "unslice" else None
    return found


def _note(writer: Writer, found: Shortcuts, first: Sequence[Step], last: Step) -> None:
    plan, readers = writer.plan, writer.readers
    if not readers:
        readers.update(Counter([n for step in plan.steps for n in step.inputs]))
        readers.update(dict.fromkeys(plan.outputs, 2))
    if all([readers[step.outputs[0]] == 1 for step in first]):
        found[last.outputs[0]] = first
        found.update({step.outputs[0]: () for step in first})


def _adds(writer: Writer, part: Step, total: Step) -> bool:
    """Does `total` add the result of `part`, zeros but for a slice, to an array in its place?"""
    values, (made,) = writer.plan.values, part.outputs
    if len(part.inputs) != 1 or made not in total.inputs or total.reuse in (None, made):
        return False
    given = values[part.inputs[0]].type
    kind, whole, reused = [values[n] for n in (made, total.outputs[0], total.reuse or 0)]
    return (
        given.dtype == kind.type.dtype == whole.type.dtype == reused.type.dtype
        and kind.type == whole.type == reused.type
        and total.reuse in total.inputs
        and not (writer.is_large(made) or is_plain(whole.name) or is_plain(reused.name))
    )


def shortcut(writer: Writer, steps: Sequence[Step], last: Step) -> list[str]:
    """The one statement for `steps` and the step after them; none for a step in another's."""
    if not steps:
        return []
    value = writer.plan.values[last.outputs[0]]
    if last.node.op.name == "concatenate":
        parts = [writer.operand(step.inputs[0], None) for step in steps]
        dtype = dtype_name(value.type.dtype)
        writer.imports.update({"array", dtype})
        inside = ", ".join(parts) if len(parts) > 1 else f"{parts[0]},"
        return [f"{writer.names.value(value)} = array(({inside}), {dtype})"]
    (part,) = steps
    assert last.reuse is not None
    writer.names.share(value.number, last.reuse)
    place = index_text(with_operands(part.node.op.params["index"], ()))
    return [f"{writer.names.value(value)}[{place}] += {writer.operand(part.inputs[0], None)}"]
