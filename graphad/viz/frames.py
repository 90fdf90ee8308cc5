"""Scopes as nested frames: boxes in the order in which a text format writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.viz.labels import phase_title, visible
from graphad.viz.parts import Box, Together


def frames(boxes: Sequence[Box]) -> list[tuple[int, Box | tuple[int, str, int] | None]]:
    """Boxes between the openings (number, title, order) and closings (None) of their frames.

    Each entry comes with its depth. Iterative: scopes may be nested as deep as they like.
    """
    Frame = tuple[int, tuple[str, ...]]
    children: dict[Frame, dict[Any, None]] = {}
    for box in boxes:
        child: Any = box
        for k in range(len(box.path), -1, -1):
            whole = not k or isinstance(box.path[0], Together)
            frame = (0 if whole else box.order, box.path[:k])
            known = frame in children
            children.setdefault(frame, {})[child] = None
            if known:
                break
            child = frame
    found: list[tuple[int, Box | tuple[int, str, int] | None]] = []
    stack: list[tuple[int, Any]] = [(0, child) for child in reversed(children.get((0, ()), {}))]
    count = 0
    while stack:
        depth, item = stack.pop()
        if item is None or isinstance(item, Box):
            found.append((depth, item))
            continue
        order, path = item
        title = phase_title(path[-1], order) if len(path) == 1 else path[-1]
        found.append((depth, (count, visible(title), order)))
        count += 1
        stack.append((depth, None))
        stack += [(depth + 1, child) for child in reversed(children[item])]
    return found
