"""Statements of steps that differ in names alone are written once, and filled in from then on.

Long programs are mostly loops that were unrolled while the function was traced: the same few ops
on the same types, over and over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from graphad.ir.types import TensorType
from graphad.plan.plan import Step
from graphad.records import Record

_OURS = re.compile(r"\b([vtk]\d+_*)\b")  # names that mean nothing else, whatever is around them


class Template(Record):
    """The expression of a step: text, and in between the places of operands. `takes_out` says
    whether it is a call that can write into given memory."""

    pieces: tuple[str | int, ...]
    takes_out: bool

    def fill(self, operands: Sequence[str]) -> str:
        """The expression on these operands."""
        return "".join([p if type(p) is str else operands[p] for p in self.pieces])  # type: ignore[index]


def key_of(step: Step, operands: Sequence[str], types: Sequence[TensorType]) -> Any:
    """What the expression of a step depends on but for names; None if on more than that.

    Which operands are the same counts, and literals count by their text.
    """
    family, op = step.node.op.family, step.node.op
    if op.name == "reshape" or (step.reuse is not None and family.changes_first):
        return None
    places: dict[str, int] = {}
    pattern: list[Any] = []
    for text in operands:
        if text.isidentifier():
            if _OURS.fullmatch(text) is None:
                return None
            pattern.append(places.setdefault(text, len(places)))
        else:
            pattern.append(text)
    return op, tuple(pattern), tuple(types), step.node.types


def template(text: str, takes_out: bool, operands: Sequence[str]) -> Template | None:
    """The template that gives `text` on `operands`; None if it holds other names of values."""
    pieces: list[str | int] = []
    for i, piece in enumerate(_OURS.split(text)):
        if i % 2 and piece in operands:
            pieces.append(operands.index(piece))
        elif i % 2 and piece[0] != "k":
            return None
        elif piece:
            pieces.append(piece)
    return Template(tuple(pieces), takes_out)
