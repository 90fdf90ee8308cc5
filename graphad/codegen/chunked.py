"""Long programs: parts of so many steps that hand values on through a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graphad.plan.plan import Step

if TYPE_CHECKING:
    from graphad.codegen.program import Writer


def chunked(writer: Writer, inputs: list[str], parts: list[str], chunk: int) -> list[str]:
    """The body of a long program: calls of parts that share the list `r` of values."""
    plan = writer.plan
    last_read = {n: len(plan.steps) for n in plan.outputs}
    for i, step in enumerate(plan.steps):
        for n in step.inputs:
            last_read[n] = max(last_read.get(n, 0), i)
    body = [f"r = [None] * {len(plan.values)}"]
    body += [f"r[{i}] = {name}" for i, name in enumerate(inputs)]
    for start in range(0, len(plan.steps), chunk):
        steps = plan.steps[start : start + chunk]
        lines = _part(writer, steps, start + len(steps), last_read)
        name = writer.names.unique(f"part_{start // chunk}")
        parts.append("\n".join([f"def {name}(r):", *(f"    {x}" for x in lines)]))
        body.append(f"{name}(r)")
    for n in dict.fromkeys(plan.outputs):
        if plan.values[n].kind == "step":
            body.append(f"{writer.names.value(plan.values[n])} = r[{n}]")
    return body


def _part(
    writer: Writer, steps: Sequence[Step], stop: int, last_read: Mapping[int, int]
) -> list[str]:
    values = writer.plan.values
    made = {n for step in steps for n in step.outputs}
    read = dict.fromkeys(
        n for step in steps for n in step.inputs if n not in made and values[n].kind != "constant"
    )
    lines = [f"{writer.names.value(values[n])} = r[{n}]" for n in read]
    lines += [f"r[{n}] = None" for n in read if last_read[n] < stop and values[n].kind == "step"]
    lines += writer.body(steps, made | read.keys())
    lines += [
        f"r[{n}] = {writer.names.value(values[n])}"
        for n in sorted(made)
        if last_read.get(n, -1) >= stop
    ]
    return lines or ["pass"]
