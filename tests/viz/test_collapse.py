"""Large graphs: what becomes one box, that nothing is lost, and that time stays linear."""

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphad.derivatives.reverse import grad
from graphad.ir.context import scope
from graphad.ir.graph import Graph
from graphad.ir.make import constant, scalar, shared, vector
from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.viz import to_dot
from graphad.viz.collapse import (
    MODES,
    Group,
    Spot,
    by_chain,
    by_likeness,
    by_scope,
    by_slice,
    partition,
)
from graphad.viz.picture import Picture, draw


def spot(op: str, *sources: int, scope: str = "", order: int = 0) -> Spot:
    return Spot(op, tuple(scope.split("/")) if scope else (), order, order, sources)


def members(groups: list[Group]) -> list[list[int]]:
    return [group.members for group in groups]


# ---- the steps ------------------------------------------------------------------------------


def test_scopes() -> None:
    spots = [
        spot("a", scope="s/t"), spot("b", 0, scope="s/t"), spot("c", 1, scope="s"), spot("d", 2),
        spot("e", 3, scope="s/t", order=1), spot("f", 4, scope="s", order=1),
        spot("g", 5, scope="lonely"),
    ]  # fmt: skip
    top = by_scope(spots, 1)
    assert [(g.title, g.members) for g in top] == [
        ("s", [0, 1, 2]), ("", [3]), ("s", [4, 5]), ("", [6]),
    ]  # fmt: skip
    assert top[3].path == ("lonely",)
    deeper = by_scope(spots, 2)
    assert [(g.title, g.members, g.path) for g in deeper[:2]] == [
        ("t", [0, 1], ("s",)), ("", [2], ("s",)),
    ]  # fmt: skip
    assert members(by_scope(spots, None)) == [[i] for i in range(7)]


def test_chains() -> None:
    # 0 → 1 → 2 → 4, 2 → 3 → 4: one chain before the fork, none across it
    spots = [spot("a"), spot("b", 0), spot("c", 1), spot("d", 2), spot("e", 2, 3)]
    assert members(by_chain(by_scope(spots, None), spots)) == [[0, 1, 2], [3], [4]]


def test_chains_stay_within_one_phase() -> None:
    spots = [spot("a"), spot("b", 0), spot("c", 1, order=1), spot("d", 2, order=1)]
    assert members(by_chain(by_scope(spots, None), spots)) == [[0, 1], [2, 3]]


def test_likeness() -> None:
    spots = [
        spot("a"), spot("step", 0), spot("step", 0), spot("other", 0), spot("next", 1),
        spot("next", 2), spot("next", 3),
    ]  # fmt: skip
    groups = by_likeness(by_scope(spots, None), spots)
    assert members(groups) == [[0], [1, 2], [3], [4, 5], [6]]
    assert groups[1].title == "2 alike"


def test_slices_of_scopes_and_of_nodes() -> None:
    spots = [spot("a", scope=f"layer{i // 2}") for i in range(20)]
    spots += [spot("b", i) for i in range(20)]
    groups = by_slice(by_scope(spots, 1), 8)
    assert len(groups) == 8
    assert groups[0].title == "layer0 … layer1" and groups[0].notes == ["2 scopes"]
    assert groups[4].title == "part 1 of 4"
    assert sorted(i for part in members(groups) for i in part) == list(range(40))


@st.composite
def spot_lists(draw: st.DrawFn) -> list[Spot]:
    made: list[Spot] = []
    for i in range(draw(st.integers(0, 60))):
        sources = tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else []))
        order = draw(st.integers(0, 1))
        scope = tuple(draw(st.lists(st.sampled_from("abc"), max_size=3)))
        reach = max([order, *[made[s].reach for s in sources]])
        made.append(Spot(draw(st.sampled_from("xyz")), scope, order, reach, sources))
    return made


@given(
    spot_lists(),
    st.integers(0, 20),
    st.sampled_from(MODES),
    st.integers(1, 80),
)
def test_partition_loses_nothing(spots: list[Spot], others: int, mode: str, limit: int) -> None:
    groups = partition(spots, others, mode, limit)
    assert sorted(i for part in members(groups) for i in part) == list(range(len(spots)))
    assert [group.members[0] for group in groups] == sorted(g.members[0] for g in groups)
    for group in groups:
        assert {spots[i].order for i in group.members} == {group.order}
        assert group.members == sorted(group.members)
        assert bool(group.title) == (len(group.members) > 1)
    if mode == "none" or (mode == "auto" and len(spots) + others <= limit):
        assert len(groups) == len(spots)
    elif limit >= 24:
        assert len(groups) <= max(limit // 2, limit - others)


# ---- pictures of large graphs ---------------------------------------------------------------


def chain(length: int) -> tuple[Variable, Variable]:
    x = vector("x", shape=(3,))
    y = x
    for i in range(length):
        y = OPS["sin"](y) if i % 2 else y * y
    return x, y


def stack(layers: int, scoped: bool) -> Graph:
    """Layers with a parameter each, a loss, its gradient, and a step for each parameter."""
    h, parameters = vector("x", shape=(4,)), []
    for i in range(layers):
        with scope(f"layer{i}" if scoped else "all"):
            w = shared(np.ones((4, 4)), name=f"w{i}")
            parameters.append(w)
            h = OPS["tanh"](w @ h) + h
    with scope("loss"):
        loss = (h * h).sum()
    steps = [w - 0.1 * g for w, g in zip(parameters, grad(loss, parameters), strict=True)]
    return Graph.of([loss, *steps])


def total(picture: Picture) -> int:
    """How many ops the boxes of a picture stand for, by their own words."""
    counted = 0
    for box in picture.boxes:
        if box.kind == "op":
            counted += 1
        elif box.kind == "group":
            words = [line for line in box.lines if line.endswith((" op", " ops"))]
            counted += int(words[0].split()[0].replace(",", ""))
    return counted


def check_sound(picture: Picture, graph: Graph, limit: int) -> None:
    keys = [box.key for box in picture.boxes]
    assert len(keys) == len(set(keys)) <= limit
    assert total(picture) == picture.total == len(graph)
    assert all(a.tail in keys and a.head in keys and a.tail != a.head for a in picture.arrows)
    ends = [(a.tail, a.head) for a in picture.arrows]
    inner = {box.key for box in picture.boxes if box.kind in ("op", "group")}
    assert all(any(end == key for _, end in ends) for key in keys if key.startswith("o"))
    assert all(any(key in end for end in ends) for key in inner)


@pytest.mark.parametrize("limit", [12, 40, 150])
@pytest.mark.parametrize("scoped", [True, False])
def test_trained_model(limit: int, scoped: bool) -> None:
    graph = stack(60, scoped)
    picture = draw(graph, max_nodes=limit)
    check_sound(picture, graph, limit)
    orders = {box.order for box in picture.boxes if box.kind == "group"}
    assert orders == {0, 1}


def test_many_scopes_share_boxes() -> None:
    titles = [box.lines[:2] for box in draw(stack(200, scoped=True)).boxes if box.kind == "group"]
    assert ("layer0 … layer16", "17 scopes") not in titles  # 201 scopes in 12 parts
    assert ("layer0 … layer15", "16 scopes") in titles
    assert any(title.startswith("gradient of loss … layer") for title, _ in titles)


def test_scopes_are_boxes_with_counts_and_phases_apart(classifier: Any) -> None:
    picture = draw(classifier.graph, collapse="scope")
    titles = {box.lines[0]: box for box in picture.boxes if box.kind == "group"}
    names = {"layer1", "layer2", "loss"}
    assert set(titles) == names | {f"gradient of {name}" for name in names}
    assert titles["layer1"].lines[1:] == ("3 ops", "matmul, add, tanh")
    assert titles["layer1"].order == 0 and titles["gradient of layer1"].order == 1
    check_sound(picture, classifier.graph, 150)


def test_nested_scopes_are_opened_as_far_as_fits() -> None:
    x = scalar("x")
    for a in range(3):
        for b in range(3):
            with scope(f"a{a}/b{b}"):
                for _ in range(10):
                    x = OPS["sin"](x)
    paths = {limit: {b.path for b in draw(x, max_nodes=limit).boxes if b.kind in ("op", "group")}
             for limit in (200, 20, 6)}  # fmt: skip
    assert {len(path) for path in paths[200]} == {2}
    assert {len(path) for path in paths[20]} == {1}
    assert {len(path) for path in paths[6]} == {0}


def test_depth_is_the_greatest_that_fits() -> None:
    x = scalar("x")
    for a in range(2):
        for b in range(4):
            for c in range(4):
                with scope(f"a{a}/b{b}/c{c}"):
                    for _ in range(4):
                        x = OPS["sin"](x)
    for limit, expected in ((200, ""), (80, "c"), (24, "b"), (8, "a")):
        titles = {box.lines[0] for box in draw(x, max_nodes=limit).boxes if box.kind == "group"}
        assert {title[0] for title in titles} == set(expected)


def test_constant_inside_a_collapsed_box_is_drawn_if_it_is_an_output() -> None:
    x, kept, inner = vector("x", shape=(9,)), constant(np.ones(9)), constant(np.zeros(9))
    with scope("a"):
        y = x * kept + inner
    graph = Graph([x], [y, kept])
    picture = draw(graph, collapse="scope")
    assert [box.kind for box in picture.boxes].count("constant") == 1
    check_sound(picture, graph, 10)


def test_plain_chain_is_one_box() -> None:
    _, y = chain(1000)
    boxes = draw(y).boxes
    assert [box.lines for box in boxes] == [
        ("chain", "1,000 ops", "multiply ×500, sin ×500"), ("x",), ("output",),
    ]  # fmt: skip


def test_one_step_for_each_of_many_parameters_is_one_box() -> None:
    picture = draw(stack(60, scoped=False))
    alike = [box for box in picture.boxes if box.lines[0] == "60 alike"]
    assert [box.lines[1:] for box in alike] == [("120 ops", "multiply ×60, subtract ×60")]
    assert ("59 shared variables" in [box.lines[0] for box in picture.boxes]) or (
        "60 shared variables" in [box.lines[0] for box in picture.boxes]
    )
    assert "60 outputs" in [box.lines[0] for box in picture.boxes]


def test_many_leaves_and_outputs_are_gathered() -> None:
    xs = [scalar(f"x{i}") for i in range(500)]
    graph = Graph(xs, [x * constant(np.ones(9)) for x in xs])
    picture = draw(graph)
    check_sound(picture, graph, 150)
    lines = {box.kind: box.lines for box in picture.boxes}
    assert lines["input"] == ("500 inputs", "x0 … x499")
    assert lines["output"][0] == "500 outputs"


def test_everything_is_drawn_on_demand() -> None:
    _, y = chain(1000)
    picture = draw(y, collapse="none")
    assert len(picture.boxes) == 1002 and {box.kind for box in picture.boxes} == {
        "op", "input", "output"
    }  # fmt: skip


def test_collapsed_edges_are_counted() -> None:
    x = vector("x", shape=(3,))
    with scope("a"):
        ys = [OPS["sin"](x * float(i)) for i in range(4)]
    with scope("b"):
        z = ys[0] + ys[1] * ys[2] + ys[3] + ys[3]
    texts = {a.text for a in draw(z, collapse="scope").arrows}
    assert texts == {"float64[3]", "4 × float64[3]"}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 60), st.integers(1, 200))
def test_random_graphs(seed: int, limit: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    values: list[Variable] = [scalar("x"), shared(1.0, name="w"), constant(np.ones(9))]
    for _ in range(size):
        a, b = (values[i] for i in rng.integers(0, len(values), 2))
        with scope("/".join(rng.choice(list("abc"), rng.integers(1, 3)))):
            values.append(a + b if rng.random() < 0.5 else OPS["sin"](a))
    graph = Graph.of([*values[-3:], constant(1.0)])
    for mode in ("auto", "scope"):
        check_sound(draw(graph, mode, limit), graph, max(limit, 24) + 8)
    whole = draw(graph, "none")
    assert total(whole) == len(graph) and all(b.kind != "group" for b in whole.boxes)


def test_work_is_linear() -> None:
    """Ten times the nodes, ten times the calls."""

    def calls(length: int) -> int:
        x, y = chain(length)
        graph = Graph([x], [y, grad(y.sum(), x)])
        count = 0

        def on_event(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(on_event)
        try:
            to_dot(graph)
        finally:
            sys.setprofile(None)
        return count

    calls(100)
    assert calls(10_000) < 11 * calls(1_000)
