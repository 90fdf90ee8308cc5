"""where(g != 0, f(g, p), g) as two cheaper statements: f(g, p), then g put where it is 0.

That is how products keep a zero cotangent zero; NumPy's `where` reads and writes every element,
while a copy under a mask that is almost nowhere true passes over it quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphad.codegen.naming import is_plain
from graphad.codegen.recording import Instruction, Traced
from graphad.codegen.statements import takes_out
from graphad.codegen.vocabulary import literal

if TYPE_CHECKING:
    from graphad.codegen.program import Writer
    from graphad.plan.plan import Step


def patched(calls: Sequence[Instruction]) -> Sequence[Instruction]:
    """The calls of a formula with ``where(g != 0, f(…), g)`` as ``f(…)`` and a call "patch" of g
    and its result; unchanged if the formula has no such end."""
    if not calls or calls[-1].function != "where":
        return calls
    makers = {c.target: c for c in calls}
    reads = [a.text for c in calls for a in c.arguments if isinstance(a, Traced)]
    chosen, made, rest = [a.text if isinstance(a, Traced) else "" for a in calls[-1].arguments]
    test, maker = makers.get(chosen), makers.get(made)
    if test is None or maker is None or reads.count(chosen) != 1 or reads.count(made) != 1:
        return calls
    compared, *others = test.arguments
    if test.function != "not_equal" or others != [0] or not isinstance(compared, Traced):
        return calls
    if compared.text != rest or not takes_out(maker.function) or maker.keywords:
        return calls
    patch = Instruction(calls[-1].target, "patch", calls[-1].arguments[:0:-1], {})
    return [*[c for c in calls[:-1] if c is not test], patch]


def masked_lines(
    writer: Writer, step: Step, instructions: Sequence[Instruction]
) -> list[str] | None:
    """Statements of a step whose formula is such a choice between arrays; None for any other."""
    value = writer.plan.values[step.outputs[0]]
    calls = patched(instructions)
    if len(calls) != 2 or calls[-1].function != "patch" or not value.type.ndim:
        return None
    maker, (kept, _) = calls[0], calls[-1].arguments
    operands = [a for a in maker.arguments if isinstance(a, Traced) and a.type is not None]
    if len(operands) != len(maker.arguments) or all(a.text != kept.text for a in operands):
        return None
    if np.result_type(*[a.dtype for a in operands]) != value.type.dtype:
        return None
    writer.imports.update({maker.function, "copyto", "equal"})
    call = f"{maker.function}({', '.join([literal(a) for a in operands])}"
    taken = None if step.reuse is None else writer.plan.values[step.reuse]
    target = "" if taken is None else writer.names.value(taken)
    shared = taken is not None and not is_plain(value.name) and not is_plain(taken.name)
    copy = f"copyto(%s, {kept.text}, where=equal({kept.text}, 0))"
    if target == kept.text:  # its elements are read once more
        made = writer.names.temporary()
        lines = [f"{made} = {call})", copy % made]
    else:
        made = target if shared else writer.names.value(value)
        lines = [f"{made} = {call}{f', out={target}' if target else ''})", copy % made]
    if shared:
        writer.names.share(value.number, taken.number)  # type: ignore[union-attr]
    name = writer.names.value(value)
    if name == made:
        return lines
    dropped = [f"del {made}"] if writer.is_large(value.number) else []
    return [*lines, f"{name} = {made}", *dropped]
