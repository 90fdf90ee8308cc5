"""Mermaid: the picture as text that GitHub, GitLab and documentation tools draw."""

from __future__ import annotations

from typing import Any

from graphad.viz.frames import frames
from graphad.viz.labels import mermaid_string
from graphad.viz.parts import Box
from graphad.viz.picture import draw
from graphad.viz.style import COLOURS, TONES, check_direction, heat_colour

# Opening and closing of a node by kind.
BRACKETS = {
    "input": ("([", "])"), "shared": ("[(", ")]"), "constant": ("[/", "/]"),
    "op": ("(", ")"), "group": ("[[", "]]"), "output": ("{{", "}}"),
}  # fmt: skip


def to_mermaid(
    target: Any,
    *,
    collapse: str = "auto",
    max_nodes: int = 150,
    direction: str = "TB",
    derivatives: Any = None,
) -> str:
    """The picture of a graph in the Mermaid language; needs no other software.

    Arguments, shapes and colours as in `to_dot`. Raises UseError for other targets or options.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> print(to_mermaid(ga.exp(x)).split("  classDef")[0])
    flowchart TB
      g0("exp"):::op0
      v1(["x"]):::input
      o2{{"output"}}:::output
      v1 -->|"float64[]"| g0
      g0 -->|"float64[]"| o2
    <BLANKLINE>
    """
    check_direction(direction)
    picture = draw(target, collapse, max_nodes, derivatives)
    lines = [f"flowchart {direction}"]
    for depth, item in frames(picture.boxes):
        indent = "  " * (depth + 1)
        if isinstance(item, Box):
            lines.append(indent + _node(item))
        elif item is None:
            lines.append(indent + "end")
        else:
            number, title, _ = item
            lines.append(f"{indent}subgraph c{number} [{mermaid_string([title])}]")
    lines += [f"  {a.tail} -->|{mermaid_string(a.lines)}| {a.head}" for a in picture.arrows]
    lines += [f"  style {b.key} fill:{heat_colour(b.heat)}" for b in picture.boxes
              if b.heat is not None]  # fmt: skip
    used = dict.fromkeys([style_class(box) for box in picture.boxes])
    lines += [f"  classDef {name} {style}" for name, style in _styles().items() if name in used]
    return "\n".join(lines) + "\n"


def _node(box: Box) -> str:
    left, right = BRACKETS[box.kind]
    return f"{box.key}{left}{mermaid_string(box.lines)}{right}:::{style_class(box)}"


def style_class(box: Box) -> str:
    """The name under which Mermaid knows the colours of a box."""
    return f"op{min(box.order, 2)}" if box.kind in ("op", "group") else box.kind


def _styles() -> dict[str, str]:
    pairs = {**COLOURS, **{f"op{order}": pair for order, pair in enumerate(TONES)}}
    dashes = {"op1": ",stroke-dasharray:6 3", "op2": ",stroke-dasharray:2 2"}
    return {
        name: f"fill:{fill},stroke:{line},color:{'#ffffff' if name == 'output' else '#000000'}"
        + dashes.get(name, "")
        for name, (fill, line) in pairs.items()
    }
