"""Random graphs: compiled = interpreter = plain NumPy; gradients agree, and are slopes.

Programs are built by `graphad.testing.programs` from lists of integers, which hypothesis draws and
shrinks; the value by NumPy is computed alongside, by the same functions applied to arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import graphad as ga
from graphad.codegen import program
from graphad.testing.numeric import central, inner
from graphad.testing.programs import RandomProgram

NUMBERS = st.lists(st.integers(0, 2**16 - 1), min_size=40, max_size=200)
EXAMPLES = 300
BACKENDS = ("auto", "numpy", "llvm", "interpreter")


def compiled(inputs: Sequence[Any], outputs: Any, backend: str = "auto") -> ga.Function:
    return ga.function(inputs, outputs, backend=backend, unused="ignore", debug=True)


def tolerance(made: RandomProgram) -> float:
    """A few dozen roundings: no step magnifies an error more than a few times."""
    sizes = {a.dtype.itemsize for _, a in made.values if a.dtype.kind == "f"}
    return 2e-2 if 2 in sizes else 2e-4 if 4 in sizes else 1e-11


def assert_close(found: Sequence[Any], expected: Sequence[Any], bound: float) -> None:
    for a, b in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def assert_like_numpy(made: RandomProgram) -> None:
    note(repr(made))
    copies = [array.copy() for array in made.arrays]
    for backend in BACKENDS:
        found = compiled(made.inputs, made.outputs, backend)(*made.arrays)
        assert_close(found, made.expected, tolerance(made))
        assert all(array.flags.writeable for array in found if isinstance(array, np.ndarray))
    for array, copy in zip(made.arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)  # arguments are never written


@given(NUMBERS)
@settings(max_examples=EXAMPLES)
def test_values(numbers: list[int]) -> None:
    """All dtypes, empty arrays, zeros, infinities and NaN."""
    assert_like_numpy(RandomProgram(numbers, smooth=False))


@given(NUMBERS, st.integers(1, 4))
@settings(max_examples=EXAMPLES)
def test_values_of_chunked_programs(numbers: list[int], chunk: int) -> None:
    """Programs cut after every few steps, dead arrays dropped at once, whatever their size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "CHUNK", chunk)
        patch.setattr(program, "LARGE", 0)
        assert_like_numpy(RandomProgram(numbers, smooth=False))


@given(NUMBERS)
@settings(max_examples=EXAMPLES)
def test_gradients(numbers: list[int]) -> None:
    made = RandomProgram(numbers, smooth=True)
    note(repr(made))
    cost = sum(ga.sum(v * ga.cos(v)) for v in made.outputs)
    slopes = ga.grad(cost, made.inputs, disconnected="zero")
    expected = compiled(made.inputs, slopes, "interpreter")(*made.arrays)
    scale = max([1.0, *[float(np.max(np.abs(g), initial=0)) for g in expected]])
    for backend in ("auto", "numpy", "llvm"):
        found = compiled(made.inputs, slopes, backend)(*made.arrays)
        assert_close([g / scale for g in found], [g / scale for g in expected], 1e-11)
    directions = [np.sin(1 + np.arange(a.size)).reshape(a.shape) for a in made.arrays]
    value = compiled(made.inputs, cost)
    symbolic, size = inner(expected, directions)
    step = 1e-5 / (1 + size) ** 0.5  # steep functions bend quickly
    (numeric,) = central(lambda *xs: [value(*xs)], made.arrays, directions, step)
    assert symbolic == pytest.approx(float(numeric), rel=1e-6, abs=1e-7 * max(size, 1.0))


def test_the_examples_are_worth_something() -> None:
    """The generator reaches many ops, several dtypes, unknown sizes, empty arrays and NaN."""
    rng = np.random.default_rng(0)
    made = [RandomProgram(rng.integers(0, 2**16, 200), smooth=False) for _ in range(100)]
    graphs = [ga.Graph(m.inputs, m.outputs) for m in made]
    used = {node.op.name for graph in graphs for node in graph.nodes}
    assert len(used) > 40 and {"getitem", "matmul", "where", "cumsum", "broadcast_to"} <= used
    assert {a.dtype.kind for m in made for a in m.arrays} == {"f", "i", "b"}
    assert sum(len(graph) > 20 for graph in graphs) > 10
    assert any(not v.type.is_static for graph in graphs for v in graph.outputs)
    assert any(array.size == 0 for m in made for array in m.expected)
    assert any(np.isnan(array).any() for m in made for array in m.expected)
