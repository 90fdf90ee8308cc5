"""Colours of the boxes, and the options that all pictures share."""

from __future__ import annotations

from typing import Any, TypedDict

from graphad.errors import UseError

# (fill, line) by kind; hues of Okabe and Ito's palette. Nothing rests on colour alone: leaves
# differ in shape, and derivatives have broken borders.
COLOURS = {
    "input":    ("#ffffff", "#222222"),
    "shared":   ("#cdebd9", "#00704f"),
    "constant": ("#eeeeee", "#777777"),
    "output":   ("#222222", "#222222"),
}  # fmt: skip
TONES = (("#d4e9f7", "#005a93"), ("#fbd9b5", "#a84a00"), ("#efc6dc", "#8c2f66"))  # by order
BORDERS = ("solid", "dashed", "dotted")


COLD, HOT = (255, 255, 255), (228, 64, 32)  # fill by share of the time


def heat_colour(share: float) -> str:
    """From white (no time) to red (all of it), so that small shares are seen as well.

    >>> heat_colour(0.0), heat_colour(1.0)
    ('#ffffff', '#e44020')
    """
    depth = min(max(share, 0.0), 1.0) ** 0.5
    mixed = [round(a + (b - a) * depth) for a, b in zip(COLD, HOT, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


class Options(TypedDict, total=False):
    """Keywords that all pictures share; see `to_dot`."""

    collapse: str
    max_nodes: int
    direction: str
    legend: bool
    derivatives: Any


def check_direction(direction: str) -> None:
    """Raise UseError unless the direction is LR or TB."""
    if direction not in ("LR", "TB"):
        raise UseError(f"direction={direction!r}", remedy="choose LR or TB")
