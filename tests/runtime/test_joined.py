"""A named size that is 1 in a call is not stretched by another operand, in no operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import InputShapeError, ShapeError
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph
from graphad.testing.samples import Case, all_cases

EVERYDAY = {
    "add",
    "where",
    "matmul",
    "einsum",
    "logsumexp",
    "getitem",
    "take",
    "cross",
    "stats.t.pdf",
}
MANY = [case for case in all_cases() if len(case.arrays) > 1]
CASES = [
    pytest.param(case, marks=() if case.entry.name in EVERYDAY else pytest.mark.full, id=str(case))
    for case in MANY
]


def shrunk(case: Case) -> Iterator[tuple[list[ga.Variable], list[Any]]]:
    """Operands of unknown sizes, one axis of one of which is named and has the size 1."""
    for i, array in enumerate(case.arrays):
        for axis in [axis for axis, size in enumerate(array.shape) if size > 1]:
            arrays = list(case.arrays)
            arrays[i] = np.take(array, [0], axis=axis)
            shapes: list[list[Any]] = [[None] * a.ndim for a in arrays]
            shapes[i][axis] = "n"
            pairs = zip(shapes, arrays, strict=True)
            yield [ga.tensor(shape=tuple(s), dtype=str(a.dtype)) for s, a in pairs], arrays


@pytest.mark.parametrize("case", CASES)
def test_named_sizes_are_not_stretched(case: Case) -> None:
    """What the compiled function computes is what the interpreter computes, which compares the
    sizes of each result with its type; else it raises."""
    for variables, arrays in shrunk(case):
        try:
            graph = Graph(variables, case.build(*variables))
        except ga.GraphadError:  # seen while building
            continue
        f = ga.function(variables, list(graph.outputs), unused="ignore", backend="numpy")
        try:
            found = f(*arrays)
        except (
            ShapeError,
            InputShapeError,
        ):  # of arguments too, which the interpreter of graphs does not look at
            continue
        except Exception:
            with pytest.raises(Exception):  # noqa: B017
                evaluate(graph, arrays)
            continue
        expected = evaluate(graph, arrays)
        assert [np.shape(a) for a in found] == [np.shape(a) for a in expected]
