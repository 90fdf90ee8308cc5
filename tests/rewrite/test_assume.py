"""Unknown sizes that meet are taken as equal: what is assumed, and what disappears by that."""

from __future__ import annotations

import numpy as np

import graphad as ga
from graphad.ir.check import check
from graphad.rewrite.assume import Conditions, assume_equal
from graphad.rewrite.passes import simplify


def names(graph: ga.Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def test_sums_to_unknown_shapes_disappear() -> None:
    x, y = ga.matrix("x"), ga.matrix("y")
    graph = ga.Graph([x, y], ga.grad(ga.sum(ga.sin(x) * y), [x, y]))
    assert names(graph).count("sum_to_shape") == 2
    equal, conditions = assume_equal(graph)
    check(equal, "assume")
    assert len(conditions.equal) == 2 and "sum_to_shape" not in names(equal)
    assert conditions.hold([np.ones((2, 3)), np.ones((2, 3))])
    assert not conditions.hold([np.ones((2, 3)), np.ones((1, 3))])
    (cosine, sine) = simplify(equal)[0].outputs
    assert cosine.type.shape == sine.type.shape == equal.inputs[0].type.shape


def test_sums_over_added_axes_stay_sums() -> None:
    x, b = ga.matrix("x"), ga.vector("b")
    graph = ga.Graph([x, b], [ga.grad(ga.sum(ga.exp(x + b)), b)])
    equal, conditions = assume_equal(graph)
    assert len(conditions.equal) == 1
    assert "sum_to_shape" not in names(equal) and "sum" in names(equal)


def test_nothing_is_assumed_where_nothing_meets() -> None:
    x = ga.vector("x")
    for outputs in ([x * 2 + x], [x + np.ones(3)], [x[1:] * x[:-1]]):
        graph = ga.Graph([x], outputs)
        assert assume_equal(graph) == (graph, Conditions())


def test_a_name_is_what_unknown_sizes_are_taken_for() -> None:
    x, y, z = ga.vector("x"), ga.vector("y", shape=("n",)), ga.vector("z")
    equal, conditions = assume_equal(ga.Graph([x, y, z], [(x * z) * y]))
    assert {v.type.shape for v in equal.inputs} == {y.type.shape}
    assert len(conditions.equal) == 2
