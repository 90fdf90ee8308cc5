"""Pictures as files: the ending of the name chooses the format."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import Any, Unpack

from graphad.errors import UseError
from graphad.viz.graphviz import render, to_dot
from graphad.viz.style import Options
from graphad.viz.text import to_mermaid

KINDS = ("svg", "png", "pdf", "dot", "gv", "mmd")


def save(target: Any, path: str | os.PathLike[str], **options: Unpack[Options]) -> Path:
    """Write the picture to a file: .svg, .png, .pdf, .dot, .gv or .mmd by its ending.

    Options as in `to_dot`. The file is complete or not there at all. Returns the path. Raises
    UseError for another ending, MissingLibraryError where .svg, .png or .pdf is wanted and the
    `dot` program is not installed (.dot and .mmd need nothing), OSError as `open` does.

    >>> import graphad as ga, tempfile
    >>> x = ga.scalar("x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(ga.exp(x), folder + "/model.dot").name
    'model.dot'
    """
    place = Path(path)
    kind = place.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise UseError(
            f"cannot save a picture as {place.name!r}",
            cause=f"the ending {place.suffix!r} names no known format" if kind else "no ending",
            remedy=f"end the name in .{', .'.join(KINDS)}",
        )
    if not place.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(place.parent))
    _write(place, _content(target, kind, options))
    return place


def _content(target: Any, kind: str, options: Options) -> bytes:
    if kind == "mmd":
        shared: Any = {key: value for key, value in options.items() if key != "legend"}
        return to_mermaid(target, **shared).encode("utf-8")
    source = to_dot(target, **options)
    return source.encode("utf-8") if kind in ("dot", "gv") else render(source, kind)


def _write(place: Path, content: bytes) -> None:
    """All or nothing: write beside the file, then move into its place."""
    beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    try:
        with open(beside, "xb") as file:
            file.write(content)
        os.replace(beside, place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
