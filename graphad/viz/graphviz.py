"""DOT source of a picture, and SVG, PNG, PDF files through Graphviz.

The only file that imports the `graphviz` package, and that only to run the `dot` program; DOT
source itself needs neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from graphad.errors import GraphadError, MissingLibraryError
from graphad.viz.frames import frames
from graphad.viz.labels import dot_string
from graphad.viz.parts import Box, Picture
from graphad.viz.picture import draw
from graphad.viz.style import BORDERS, COLOURS, TONES, Options, check_direction, heat_colour

HOW_TO_INSTALL = (
    "install Graphviz: `apt install graphviz` (Debian, Ubuntu), `brew install graphviz` (macOS), "
    "`conda install -c conda-forge graphviz`, `choco install graphviz` (Windows)"
)
FONT = "Helvetica,Arial,sans-serif"

SHAPES = {
    "input": "ellipse", "shared": "cylinder", "constant": "note",
    "op": "box", "group": "box", "output": "box",
}  # fmt: skip
CROWD = 400  # from here on, layout trades beauty for time


def to_dot(
    target: Any,
    *,
    collapse: str = "auto",
    max_nodes: int = 150,
    direction: str = "TB",
    legend: bool = True,
    derivatives: Any = None,
) -> str:
    """The picture of a graph in Graphviz's DOT language; needs no other software.

    target: a Variable, a list, tuple or dict of Variables, a `Graph`, a compiled function.
    collapse: "auto" draws everything up to `max_nodes` boxes, and above that scopes, chains and
    stretches of the graph as single boxes; "scope" always draws scopes as boxes; "none" draws
    every node, however many. direction: "TB" (data flows downwards) or "LR" (to the right).
    legend: a line that explains shapes and colours.
    derivatives: the chain rule on the arrows. "expression" writes ∂(result)/∂(operand) on each
    arrow into an op, in terms of operands and result (``∂c/∂b = 1``); where an op does not work
    element by element, how it carries a cotangent g back (``g → outer(x, g)``). {input: value}
    writes their values at that point, and the value of each variable into its box; inputs go by
    Variable or by name, shared variables have their own. Unnamed results are called v0, v1, ….

    Inputs are ellipses, shared variables cylinders, constants notes, operations boxes: blue where
    the user built them, orange and dashed in gradients, purple and dotted in derivatives of
    gradients; a double line marks a box that stands for many. Scopes are frames. An edge shows
    dtype and shape, and the operand's position where the order matters.
    A profile (``f.profile(…)``) is a target as well: boxes tell their time, from white to red.
    Raises UseError for a target or an option of another kind, and what a compiled function raises
    for values that do not fit.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> print(to_dot(ga.exp(x)).splitlines()[0])
    digraph graphad {
    """
    check_direction(direction)
    picture = draw(target, collapse, max_nodes, derivatives)
    lines = ["digraph graphad {", *_settings(picture, direction)]
    lines += [_legend(picture)] if legend else []
    lines += _clusters(picture.boxes)
    lines += _arrows(picture)
    return "\n".join([*lines, "}", ""])


def to_svg(target: Any, **options: Unpack[Options]) -> str:
    """The picture as SVG text; options as in `to_dot`.

    Raises MissingLibraryError where the `dot` program is not installed.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> try:
    ...     print("</svg>" in to_svg(ga.exp(x)))
    ... except ga.errors.MissingLibraryError:
    ...     print(True)
    True
    """
    return render(to_dot(target, **options), "svg").decode("utf-8")


def render(source: str, format: str) -> bytes:
    """DOT source laid out and drawn by the `dot` program, as the bytes of a file.

    Raises MissingLibraryError without the `graphviz` package or the `dot` program, and
    GraphadError with the program's message if it fails.
    """
    try:
        import graphviz
    except ImportError as error:
        raise MissingLibraryError(
            "drawing pictures needs the Python package graphviz",
            remedy='install the extra `viz`: pip install "graphad[viz]"; to_dot and to_mermaid '
            "work without it",
        ) from error
    try:
        drawn = graphviz.Source(source, encoding="utf-8").pipe(format=format, quiet=True)
    except graphviz.ExecutableNotFound as error:
        raise MissingLibraryError(
            f"drawing {format} needs the program `dot` of Graphviz, which was not found",
            remedy=f"{HOW_TO_INSTALL}; or save as .dot or .mmd, which need no program",
        ) from error
    except graphviz.CalledProcessError as error:
        raise GraphadError(
            f"the program `dot` could not draw the picture as {format}",
            cause=(error.stderr or b"").decode("utf-8", "replace").strip()[:500],
            remedy="save as .dot and look at the source, or draw less with max_nodes=",
        ) from error
    return bytes(drawn)


# ---- pieces of DOT --------------------------------------------------------------------------
def _settings(picture: Picture, direction: str) -> list[str]:
    fast = " splines=line nslimit=2 nslimit1=2 mclimit=0.2" if len(picture.boxes) > CROWD else ""
    return [
        f'  graph [rankdir={direction} fontname="{FONT}" fontsize=11 bgcolor="white" '
        f"newrank=true nodesep=0.25 ranksep=0.35 labeljust=l{fast}];",
        f'  node [fontname="{FONT}" fontsize=11 style="filled" margin="0.14,0.06" height=0.3];',
        f'  edge [fontname="{FONT}" fontsize=9 color="#666666" fontcolor="#444444" '
        "arrowsize=0.7];",
    ]


def _box(box: Box) -> str:
    fill, line = COLOURS.get(box.kind) or TONES[min(box.order, 2)]
    fill = fill if box.heat is None else heat_colour(box.heat)
    style = "rounded,filled" if box.kind in ("op", "output") else "filled"
    style += f",{BORDERS[min(box.order, 2)]}" if box.kind in ("op", "group") else ""
    extra = {"output": ' fontcolor="white"', "group": " peripheries=2"}.get(box.kind, "")
    tip = f" tooltip={dot_string([box.tip])}" if box.tip else ""
    return (
        f"{box.key} [label={dot_string(box.lines)} shape={SHAPES[box.kind]} "
        f'style="{style}" fillcolor="{fill}" color="{line}"{extra}{tip}];'
    )


def _arrows(picture: Picture) -> list[str]:
    """Arrows within one scope weigh more, which keeps its frame short."""
    frame = {box.key: (box.order, box.path) for box in picture.boxes}
    lines = []
    for a in picture.arrows:
        weight = " weight=8" if frame[a.tail] == frame[a.head] else ""
        label = dot_string([f" {line} " for line in a.lines])
        lines.append(f"  {a.tail} -> {a.head} [label={label}{weight}];")
    return lines


def _clusters(boxes: Sequence[Box]) -> list[str]:
    """The boxes, each within the nested frames of its scopes."""
    lines: list[str] = []
    for depth, item in frames(boxes):
        indent = "  " * (depth + 1)
        if isinstance(item, Box):
            lines.append(indent + _box(item))
        elif item is None:
            lines.append(indent + "}")
        else:
            number, title, order = item
            _, line = TONES[min(order, 2)]
            lines.append(f"{indent}subgraph cluster{number} {{")
            lines.append(
                f'{indent}  label={dot_string([title])} labelloc=t style="rounded,filled" '
                f'fillcolor="{"#f6f6f6" if depth % 2 == 0 else "#ececec"}" '
                f'color="{line}" fontcolor="{line}";'
            )
    return lines


def _legend(picture: Picture) -> str:
    """One line under the picture: the kinds that occur, in their colours."""
    cells: dict[str, tuple[str, str]] = {}
    words = ("operation", "gradient", "higher derivative")
    for box in picture.boxes:
        if box.heat is not None:
            cells["share of the time"] = (heat_colour(0.3), "#222222")
        elif box.kind in ("op", "group"):
            cells[words[min(box.order, 2)]] = TONES[min(box.order, 2)]
        else:
            cells[box.kind] = COLOURS[box.kind]
    order = ("input", "shared", "constant", *words, "share of the time", "output")
    drawn = "".join(
        f'<td bgcolor="{cells[word][0]}" color="{cells[word][1]}" border="1">'
        f'<font color="{"white" if word == "output" else "black"}">{word}</font></td>'
        for word in order
        if word in cells
    )
    table = f'<table border="0" cellspacing="4" cellpadding="3"><tr>{drawn}</tr></table>'
    return f"  label=<{table}> labelloc=b labeljust=l;"
