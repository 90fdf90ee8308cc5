"""Writes docs/ops.md: every function of the op table, from its declaration.

python docs/operations.py
"""

from __future__ import annotations

import functools
import inspect
import re
from pathlib import Path
from typing import Any

from graphad.assemble import function
from graphad.ir.op import OPS, Entry
from graphad.testing.coverage import modes_of
from graphad.testing.samples import cases_of, inputs_for

PAGE = Path(__file__).resolve().parent / "ops.md"
PRIVATE = ("getitem", "getitem_by", "scatter_add")
HEAD = """# Operations

Written by `python docs/operations.py` from the declarations in `graphad/ops/`.

*vjp*, *jvp*: reverse and forward mode, tried out on the function's samples; *2*: second order.
`yes`; `zero`: the derivative is zero everywhere; `-`: the result holds integers or booleans.
*Program*: `source` where the generated program spells the function out in NumPy calls, `call`
where it calls the function as a whole. The interpreter runs all of them. *Conventions* are what
the docstring says of derivatives and special points.
"""


def signature(entry: Entry) -> str:
    """The name with its parameters, without annotations."""
    given = inspect.signature(entry.function).parameters.values()
    return f"{entry.name}{inspect.Signature([p.replace(annotation=p.empty) for p in given])}"


def summary(entry: Entry) -> str:
    """The first sentence of the docstring."""
    text = " ".join((entry.function.__doc__ or "").split(">>>")[0].split())
    return re.split(r"(?<=[.:;]) (?=[A-Z(])", text, maxsplit=1)[0].rstrip(".;:")


def conventions(entry: Entry) -> str:
    """Sentences of the docstring about derivatives, kinks, ties, NaN."""
    text = " ".join((entry.function.__doc__ or "").split(">>>")[0].split())
    words = r"derivative|gradient|subgradient|ties|convention|NaN|repeated|singular"
    sentences = re.split(r"(?<=\.) (?=[A-Z])", text)
    return " ".join([s for s in sentences[1:] if re.search(words, s)])


def program(entry: Entry) -> str:
    """Does the program of the first sample consist of NumPy calls only?"""
    case = cases_of(entry)[0]
    inputs = inputs_for(case.arrays)
    compiled: Any = function(inputs, case.build(*inputs), unused="ignore", backend="numpy")
    bound = compiled._compiled.program.bound.values()
    return "call" if any(isinstance(value, functools.partial) for value in bound) else "source"


def cell(text: str) -> str:
    """Text that does not break a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def row(entry: Entry) -> str:
    """One line of a table."""
    modes = modes_of(entry)
    cells = [
        f"`{cell(signature(entry))}`", cell(summary(entry)), modes["vjp"], modes["jvp"],
        modes["second order"], program(entry), cell(conventions(entry)),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    public = [e for n, e in OPS.entries.items() if n not in PRIVATE and e.samples is not None]
    for topic in sorted({entry.topic for entry in public}):
        parts.append(f"\n## {topic[:1].upper()}{topic[1:]}\n")
        parts.append("| function | | vjp | jvp | 2 | program | conventions |")
        parts.append("|---|---|---|---|---|---|---|")
        parts += [row(e) for e in sorted(public, key=lambda e: e.name) if e.topic == topic]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
