"""Inner graphs in pictures: the body of a loop stands in a frame around the op that holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from graphad.ir.families.inner import InnerFamily
from graphad.ir.graph import Graph
from graphad.ir.variable import Apply
from graphad.viz.labels import visible
from graphad.viz.parts import Arrow, Box, Picture

Draw = Callable[[Graph, int], Picture]


def opened(picture: Picture, nodes: Mapping[str, Apply], draw: Draw, room: int | None) -> Picture:
    """The picture with the inner graphs of its ops, as far as there is room for their boxes.

    nodes: the node of each box that stands for one; room: how many boxes there may be, None: any.
    """
    boxes: list[Box] = []
    inside: list[Box] = []
    arrows: list[Arrow] = list(picture.arrows)
    count = len(picture.boxes)
    seen: dict[str, int] = {}
    for box in picture.boxes:
        node = nodes.get(box.key)
        family = node.op.family if node is not None else None
        if node is None or not isinstance(family, InnerFamily):
            boxes.append(box)
            continue
        graphs = family.graphs(node.op.params)
        least = sum([len(g.inputs) + len(g.outputs) + 1 for g in graphs])
        if room is not None and count + least > room:
            boxes.append(box)
            continue
        drawn = [draw(g, max(1, (room - count) // len(graphs)) if room is not None else 0)
                 for g in graphs]  # fmt: skip
        more = sum([len(p.boxes) for p in drawn])
        if room is not None and count + more > room:
            boxes.append(box)
            continue
        count += more
        title = visible(str(node.op))
        seen[title] = seen.get(title, 0) + 1
        frame = (*box.path, title if seen[title] == 1 else f"{title} #{seen[title]}")
        boxes.append(replace(box, path=frame))
        for k, (title, part) in enumerate(zip(family.titles(node.op.params), drawn, strict=True)):
            path = frame if len(drawn) == 1 else (*frame, title)
            inside += [replace(b, key=f"{box.key}_{k}_{b.key}", order=box.order,
                               path=(*path, *b.path)) for b in part.boxes]  # fmt: skip
            arrows += [replace(a, tail=f"{box.key}_{k}_{a.tail}", head=f"{box.key}_{k}_{a.head}")
                       for a in part.arrows]  # fmt: skip
    return Picture((*boxes, *inside), tuple(arrows), picture.total)
