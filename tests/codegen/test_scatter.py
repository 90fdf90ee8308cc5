"""Values added at an index, in machine code: every bit as NumPy's."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import graphad as ga

pytest.importorskip("llvmlite")
from graphad.codegen import scatter, scattercode
from graphad.codegen.scatter import add_at

RNG = np.random.default_rng(0)
ALL = slice(None)
CASES: dict[str, tuple[tuple[int, ...], Any, tuple[int, ...]]] = {
    "rows": ((7, 5), np.array([0, 3, 3, -1, 6]), (5, 5)),
    "rows with slices": ((7, 5), (np.array([0, 3, 3]), ALL), (3, 5)),
    "wide rows": ((4, 100), np.array([2, 2, 1]), (3, 100)),
    "numbers": ((7,), np.array([1, 1, -7, 6]), (4,)),
    "planes": ((3, 4, 5), np.array([2, 0, 2]), (3, 4, 5)),
    "index of two axes": ((7, 3), np.array([[0, 1], [1, 6]]), (2, 2, 3)),
    "pairs": ((7, 5), (np.array([0, 3, 3, -1]), np.array([1, 2, 2, -5])), (4,)),
    "pairs of three": ((7, 5, 2), (np.array([0, 3, 3]), np.array([1, 2, 2])), (3, 2)),
    "one number": ((7, 5), (np.array([0, 3, 3]), np.array([1, 2, 2])), ()),
    "stretched": ((7, 5), np.array([0, 3, 3]), (5,)),
    "columns": ((7, 5), (ALL, np.array([0, 3, 3])), (7, 3)),
    "slices": ((7, 5), (np.array([0, 3, 3]), slice(1, 3)), (3, 2)),
    "broadcast pairs": ((7, 5), (np.array([[0], [3]]), np.array([1, 2, 2])), (2, 3)),
    "small integers": ((7, 5), np.array([0, 3, 3], "int32"), (3, 5)),
    "booleans": ((3, 2), np.array([True, False, True]), (2, 2)),
    "no places": ((7, 5), np.array([], "int64"), (0, 5)),
    "no columns": ((7, 0), np.array([1, 2]), (2, 0)),
}


@pytest.fixture(autouse=True)
def much(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first element on in machine code."""
    monkeypatch.setattr(scatter, "WORTH", 0)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128"])
@pytest.mark.parametrize("name", CASES)
def test_bits(name: str, dtype: str) -> None:
    shape, index, kind = CASES[name]
    values = RNG.normal(size=kind, scale=9).astype(dtype)
    for values_ in (values, values.T.copy().T):
        found = RNG.normal(size=shape, scale=9).astype(dtype)
        expected = found.copy()
        add_at(found, index, values_)
        np.add.at(expected, index, values_)
        assert found.tobytes() == expected.tobytes()


def test_arrays_in_another_order() -> None:
    found = np.zeros((5, 4)).T
    add_at(found, np.array([1, 1]), np.ones((2, 5)))
    assert found[1].tolist() == [2.0] * 5 and found[0].tolist() == [0.0] * 5


@pytest.mark.parametrize("index", [np.array([0, 3]), np.array([-4, 0]),
                                   (np.array([0]), np.array([2])),
                                   (np.array([-4]), np.array([0]))])  # fmt: skip
def test_out_of_range(index: Any) -> None:
    total = np.zeros((3, 2))
    with pytest.raises(IndexError):
        add_at(total, index, np.float64(1.0))


def test_in_programs() -> None:
    x, i = ga.matrix("x", shape=("n", 6)), ga.vector("i", dtype="int64")
    rows = ga.tanh(x)[i]
    outputs = [ga.sum(rows * rows), ga.grad(ga.sum(rows * rows * x[0]), x)]
    f = ga.function([x, i], outputs, backend="llvm")
    reference = ga.function([x, i], outputs, backend="interpreter")
    assert "add_at(" in f.source and "add.at" not in f.source
    array, index = RNG.normal(size=(9, 6)), np.array([0, 8, -1, 8, 3])
    for g in (f, pickle.loads(pickle.dumps(f))):
        for a, b in zip(g(array, index), reference(array, index), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(ga.GraphadError):
        f(array, np.array([9]))


WITHOUT = """
import sys
sys.modules["llvmlite"] = sys.modules["llvmlite.binding"] = None
import numpy as np
import graphad as ga
from graphad.codegen import scatter, scattercode
x, t = ga.matrix("x", shape=("n", 1000)), ga.vector("t", shape=("n",), dtype="int64")
f = ga.function([x, t], ga.grad(ga.cross_entropy(x, t).sum(), x), backend="numpy")
array, chosen = np.linspace(-1, 1, 100_000).reshape(100, 1000), np.arange(100) % 7
for scatter.WORTH in (scatter.WORTH, 0):
    print(abs(f(array, chosen).sum()) < 1e-9, "add_at" in f.source)
"""


def test_large_arrays_without_llvmlite() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_little_is_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(scattercode, "add", lambda *_: made.append(1) or True)
    monkeypatch.setattr(scatter, "WORTH", 10)
    monkeypatch.setattr(scatter, "_added", [0])
    total = np.zeros(3)
    for _ in range(5):
        scatter.add_at(total, np.array([1, 1]), np.ones(2))
    assert total.tolist() == [0.0, 10.0, 0.0] and not made
    scatter.add_at(total, np.array([1, 1]), np.ones(2))
    assert made == [1]
