"""Errors raised inside a generated program, told in terms of the user's program."""

from __future__ import annotations

import linecache
import re
from collections.abc import Sequence
from typing import Any

from graphad.errors import FROM_CALLBACK, GraphadError, IndexingError, ShapeError
from graphad.ir.context import place_of
from graphad.ir.dimtext import shape_text
from graphad.ir.evaluate import evaluate

_ABOUT_SIZES = re.compile("shape|size|dimension|broadcast|ax[ie]s|element", re.IGNORECASE)
_KINDS: dict[type, type[GraphadError]] = {ValueError: ShapeError, IndexError: IndexingError}


def explain(
    error: Exception, name: str, labels: Sequence[str], arrays: Sequence[Any]
) -> GraphadError | None:
    """A GraphadError for a NumPy error, with the arguments and the line that built the node.

    None for errors of other types; they get the same text as a note. Errors of this package get
    the place, if they have none.
    """
    line, place = _failing_line(error)
    if isinstance(error, GraphadError):
        error.where = error.where or place
        return None
    given = ", ".join(
        f"{label} {a.dtype}{shape_text(a.shape)}" for label, a in zip(labels, arrays, strict=True)
        if hasattr(a, "dtype")
    )  # fmt: skip
    if any([note.startswith(FROM_CALLBACK) for note in getattr(error, "__notes__", ())]):
        error.add_note(f"in graphad function {name}" + (f"; built at {place}" if place else ""))
        return None
    cause = f"called with {given}" + (f"; in the generated line `{line}`" if line else "")
    kind = _KINDS.get(type(error))
    if kind is None or (kind is ShapeError and not _ABOUT_SIZES.search(str(error))):
        error.add_note(
            f"in graphad function {name}: {cause}" + (f"; built at {place}" if place else "")
        )
        return None
    return kind(
        f"{name}: {error}",
        cause=cause,
        remedy="check the shapes and indices of the arguments; declare sizes to have them checked "
        "when the graph is built",
        where=place,
    )


def _failing_line(error: Exception) -> tuple[str, str]:
    """(source line, place in the user's program) of the innermost generated frame.

    The interpreter has no source; there the place is that of the node it was at.
    """
    found = ("", "")
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if trace.tb_frame.f_code is evaluate.__code__:
            node = trace.tb_frame.f_locals.get("node")
            found = ("", place_of(node, node.site) if node is not None else "")
        if filename.startswith("<graphad program"):
            lines = linecache.getlines(filename)
            number = trace.tb_lineno
            line = lines[number - 1].strip() if number <= len(lines) else ""
            above = (text.strip() for text in reversed(lines[: number - 1]))
            place = next((text[2:] for text in above if text.startswith("# ")), "")
            found = (line, place)
        trace = trace.tb_next
    return found
