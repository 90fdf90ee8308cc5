"""What the demo leaves behind: a picture of the graph, curves, the generated program."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import graphad as ga
import graphad.viz
from graphad.demo.curves import draw_curves
from graphad.demo.model import Model
from graphad.demo.training import History


def contents(model: Model, history: History) -> tuple[dict[str, bytes], str]:
    """Contents of the files by name, and a hint if the picture could not be drawn as SVG."""
    name, picture, hint = draw_graph(model)
    share = f"{history.test_accuracy[-1]:.1%}"
    curves = draw_curves(history, f"Handwritten digits: {share} of the held-out images read right")
    head = "# The training step of graphad/demo/model.py, as graphad generated it."
    source = f"{head}\n{model.step.source}"
    files = {
        name: picture.encode(),
        "digits-training.png": curves,
        "digits-source.py": source.encode(),
    }
    return files, hint


def draw_graph(model: Model) -> tuple[str, str, str]:
    """(file name, picture, hint): loss and gradients as SVG, as DOT where `dot` is missing."""
    target = {"loss": model.loss, **model.gradients}
    try:
        return "digits-graph.svg", graphad.viz.to_svg(target), ""
    except ga.errors.MissingLibraryError as error:
        return "digits-graph.dot", graphad.viz.to_dot(target), str(error)


def write(folder: Path, files: dict[str, bytes]) -> tuple[Path, ...]:
    """Write all files into the folder, each complete or not at all; returns their paths.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Path(folder), {"a.txt": b"A"})]
    ['a.txt']
    """
    for name, content in files.items():
        beside = folder / f".{name}.{secrets.token_hex(4)}.part"
        try:
            beside.write_bytes(content)
            os.replace(beside, folder / name)
        finally:
            beside.unlink(missing_ok=True)
    return tuple([folder / name for name in files])
