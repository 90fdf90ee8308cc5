"""Models for the tests of pictures: a classifier with scopes, an op with two outputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad.ops  # noqa: F401 - fills the op table
from graphad.derivatives.reverse import grad
from graphad.ir.context import scope
from graphad.ir.graph import Graph
from graphad.ir.make import matrix, shared, vector
from graphad.ir.op import OPS, Family, Op
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable, apply


@dataclass
class Classifier:
    """Two layers with a loss, in scopes, and the gradient by the four parameters."""

    images: Variable
    labels: Variable
    parameters: list[Variable]
    loss: Variable
    gradients: list[Variable]

    @property
    def graph(self) -> Graph:
        return Graph([self.images, self.labels, *self.parameters], [self.loss, *self.gradients])


@pytest.fixture
def classifier() -> Classifier:
    x, t = matrix("x", shape=("batch", 64)), vector("t", shape=("batch",), dtype="int64")
    with scope("layer1"):
        w1, b1 = shared(np.zeros((64, 32)), name="w1"), shared(np.zeros(32), name="b1")
        hidden = OPS["tanh"](x @ w1 + b1)
    with scope("layer2"):
        w2, b2 = shared(np.zeros((32, 10)), name="w2"), shared(np.zeros(10), name="b2")
        scores = hidden @ w2 + b2
    with scope("loss"):
        loss = OPS["cross_entropy"](scores, t).mean()
    parameters = [w1, b1, w2, b2]
    return Classifier(x, t, list(parameters), loss, grad(loss, parameters))


class _SplitPair(Family):
    """(x, x as integers): an op with two outputs of different types."""

    name = "split_pair"

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return types[0], types[0].with_dtype("int64")

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return arrays[0], xp.asarray(arrays[0], dtype="int64")


SPLIT = _SplitPair()


@pytest.fixture
def split_pair() -> Iterator[Callable[[Variable], tuple[Variable, Variable]]]:
    """x → (x, x as integers), in the op table while the test runs."""
    OPS.families[SPLIT.name] = SPLIT
    yield lambda x: apply(Op(SPLIT), (x,))
    del OPS.families[SPLIT.name]


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without the program `dot`."""
    folder = tmp_path / "no-programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
