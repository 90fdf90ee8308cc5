"""What a picture consists of: boxes, arrows between them."""

from __future__ import annotations

from dataclasses import dataclass


class Together(str):
    """The title of a frame around boxes of all phases: what a kernel computes together."""


@dataclass(frozen=True)
class Box:
    """One shape of the picture."""

    key: str
    kind: str  # input, shared, constant, op, group, output
    order: int  # 0: forward, 1: gradient, 2: derivative of a gradient
    lines: tuple[str, ...]
    path: tuple[str, ...] = ()  # the nested clusters (scopes) around it
    tip: str = ""
    heat: float | None = None  # its share of the time, if the target is a profile


@dataclass(frozen=True)
class Arrow:
    """One arrow from box to box: what travels along it, and what it multiplies derivatives by."""

    tail: str
    head: str
    text: str
    note: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of its label."""
        return tuple([line for line in (self.note, self.text) if line])


@dataclass(frozen=True)
class Picture:
    """Everything that is drawn; `total` counts the ops of the graph behind it."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    total: int
