"""Inner graphs: nested frames in pictures, indented lines in listings."""

from __future__ import annotations

from typing import Any

import graphad as ga
from graphad.viz import to_dot, to_mermaid
from graphad.viz.picture import draw


def nested() -> Any:
    x, w = ga.vector("x", 3), ga.scalar("w")

    def body(c: Any, r: Any) -> Any:
        return ga.cond(r > 0, lambda: c * w, lambda: c + r), None

    return ga.scan(body, 0.0, x)[0]


def test_bodies_stand_in_frames() -> None:
    boxes = {box.path for box in draw(nested()).boxes}
    loop, branches = "scan(3 nodes)", "switch(1 | 1 nodes)"
    assert (loop,) in boxes
    assert {(loop, branches, "branch 0"), (loop, branches, "branch 1")} <= boxes
    text = to_dot(nested())
    assert text.count("subgraph cluster") == 4 and 'label="branch 1"' in text
    assert to_mermaid(nested()).count("subgraph") == 4


def test_frames_close_where_there_is_no_room() -> None:
    whole = len(draw(nested()).boxes)
    assert len(draw(nested(), max_nodes=3 * whole).boxes) == whole
    for room in (8, 12, 16):
        assert len(draw(nested(), max_nodes=room).boxes) <= room
    assert {box.path for box in draw(nested(), max_nodes=4).boxes} == {()}
    assert {box.path for box in draw(nested(), collapse="scope").boxes} == {()}
    assert len(draw(nested(), collapse="none", max_nodes=1).boxes) == whole


def test_loops_of_one_name_have_frames_of_their_own() -> None:
    x, z = ga.vector("x", 3), ga.vector("z", 4)
    found = [ga.scan(lambda c, r: (c * r, None), 1.0, v)[0] for v in (x, z)]
    titles = {box.path[0] for box in draw(found).boxes if box.path}
    assert titles == {"scan(1 nodes)", "scan(1 nodes) #2"}


def test_keys_differ_and_arrows_meet_them() -> None:
    picture = draw(nested())
    keys = [box.key for box in picture.boxes]
    assert len(keys) == len(set(keys))
    assert {end for arrow in picture.arrows for end in (arrow.tail, arrow.head)} <= set(keys)


def test_listings_indent_bodies() -> None:
    lines = ga.listing(nested(), bare=True).splitlines()
    heads = [line.split()[0] for line in lines]
    assert "  body:" in lines and "      branch 0:" in lines and "      branch 1:" in lines
    assert heads.count("output") == 4
    inside = next(line for line in lines if "multiply" in line)
    assert inside.startswith("        %0")
