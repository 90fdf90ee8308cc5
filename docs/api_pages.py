"""The API pages: one for each part of the package, listed from what the package offers.

`write` makes `docs/api/*.md` when Sphinx starts; `as_rst` turns docstrings, which are plain text
with `code`, lists of parameters and examples, into what autodoc reads.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

import graphad
from graphad.ir.op import OPS

FOLDER = Path(__file__).resolve().parent / "api"
PRIVATE = ("getitem", "getitem_by", "scatter_add")
FUNCTIONS = {entry.function for entry in OPS.entries.values()}


def pages() -> Iterator[tuple[str, str, list[str]]]:
    """(name of the file, title, dotted names) of each page."""
    public = [name for name in graphad.__all__ if not name.startswith("_")]
    values = {name: getattr(graphad, name) for name in public}
    core = [n for n, v in values.items() if documented(v) and n not in OPS]
    yield "core", "Building, differentiating, compiling", [f"graphad.{name}" for name in core]
    for name, value in values.items():
        if inspect.ismodule(value):
            listed = [n for n in getattr(value, "__all__", ()) if not n.startswith("_")]
            names = [n for n in listed if documented(getattr(value, n))]
            own = [n for n in names if is_own(getattr(value, n))]
            if own:
                yield name, f"graphad.{name}", [f"graphad.{name}.{n}" for n in own]
    entries = [e for n, e in OPS.entries.items() if n not in PRIVATE]
    for topic in sorted({entry.topic for entry in entries}):
        names = sorted(entry.name for entry in entries if entry.topic == topic)
        title = f"Operations: {topic}"
        yield f"operations-{topic}".replace(" ", "-"), title, [f"graphad.{n}" for n in names]


def documented(value: Any) -> bool:
    """Functions and classes get an entry; modules a page."""
    return callable(value) and not inspect.ismodule(value)


def is_own(value: Any) -> bool:
    """Ours, and no op (these stand on the pages of their topics), no wrapper of NumPy's."""
    name = getattr(value, "__name__", "")
    same = inspect.getdoc(getattr(numpy, name, None)) == inspect.getdoc(value)
    ours = str(getattr(value, "__module__", "")).startswith("graphad")
    return ours and not same and value not in FUNCTIONS


def entry(dotted: str) -> str:
    """The directive for one name."""
    value: Any = graphad
    for part in dotted.split(".")[1:]:
        value = getattr(value, part)
    if inspect.isclass(value):
        return f".. autoclass:: {dotted}\n   :members:\n"
    return f".. autofunction:: {dotted}\n"


def page(title: str, names: list[str]) -> str:
    """One page in MyST."""
    body = "\n".join(entry(name) for name in names)
    return f"# {title}\n\n```{{eval-rst}}\n{body}```\n"


def write(app: Any = None) -> None:
    """Write all pages; those that have not changed stay untouched."""
    FOLDER.mkdir(exist_ok=True)
    texts = {f"{file}.md": page(title, names) for file, title, names in pages()}
    toc = "\n".join(Path(file).stem for file in texts)
    texts["index.md"] = (
        "# API\n\nEvery public function, from its docstring. [Operations](../ops.md) has all "
        f"operations on one page.\n\n```{{toctree}}\n:maxdepth: 1\n\n{toc}\n```\n"
    )
    for old in FOLDER.glob("*.md"):
        if old.name not in texts:
            old.unlink()
    for file, text in texts.items():
        place = FOLDER / file
        if not place.exists() or place.read_text("utf-8") != text:
            place.write_text(text, "utf-8")


# ---- docstrings -----------------------------------------------------------------------------
CODE = re.compile(r"``(.+?)``|`([^`]+?)`")
SPECIAL = re.compile(r"([*|\\`]|(?<=\w)_(?!\w)|(?<=file):)")  # file:line is no address


def as_rst(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring in place."""
    blocks = "\n".join(lines).expandtabs().split("\n\n")
    lines[:] = "\n\n".join(block(text) for text in blocks if text.strip()).splitlines()


def block(text: str) -> str:
    """A paragraph: an example stays, a list of parameters becomes a list, the rest is text."""
    rows = [row.rstrip() for row in text.strip("\n").splitlines()]
    if rows[0].lstrip().startswith(">>>"):
        return "\n".join(rows)
    if len(rows) > 1 and set(rows[1].strip()) == {"-"}:
        return f"**{rows[0].strip()}**\n\n{block(chr(10).join(rows[2:]))}" if rows[2:] else ""
    margins = {len(row) - len(row.lstrip()) for row in rows}
    if min(margins) >= 4 or looks_like_a_table(rows):
        return "::\n\n" + "\n".join(f"    {row}" for row in rows)
    made: list[str] = []
    for row in rows:
        item = re.match(r"^\**\w+(, \**\w+)*: ", row)
        if item and len(rows) > 1:
            made += ["", f"- {inline(row)}"]
        elif made and made[-1].startswith(("- ", "  ")):
            made.append(f"  {inline(row.strip())}")
        else:
            made.append(inline(row.strip()))
    return "\n".join(made)


def looks_like_a_table(rows: list[str]) -> bool:
    """Columns that only a fixed font keeps apart."""
    return sum("   " in row.strip() for row in rows) > 1


def inline(text: str) -> str:
    """Code in backticks becomes a literal; other characters mean themselves."""
    parts: list[str] = []
    end = 0
    for found in CODE.finditer(text):
        parts += [SPECIAL.sub(r"\\\1", text[end : found.start()]), literal(found)]
        end = found.end()
    return "".join([*parts, SPECIAL.sub(r"\\\1", text[end:])])


def literal(found: re.Match[str]) -> str:
    """A literal in reStructuredText, kept apart from letters before and after it."""
    content = (found[1] or found[2]).strip()
    before = found.string[: found.start()][-1:]
    after = found.string[found.end() :][:1]
    left = "\\ " if before and not before.isspace() and before not in "([{'\"-/:<" else ""
    right = "\\ " if after.isalnum() or after == "`" else ""
    return f"{left}``{content}``{right}"
