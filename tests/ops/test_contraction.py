"""Sizes that are summed over must be equal, also where that is known only at run time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import ShapeError
from graphad.testing import check_grads, compiled, interpret
from graphad.testing.samples import inputs_for

WRONG: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "matmul": (lambda a, b: a @ b, (2, 3), (4, 2)),
    "matmul by one": (lambda a, b: a @ b, (2, 3), (1, 2)),
    "vectors": (lambda a, b: a @ b, (3,), (1,)),
    "inner": (lambda a, b: ga.inner(a, b), (2, 3), (4, 1)),
    "one axis": (lambda a, b: ga.tensordot(a, b, 1), (2, 3), (4, 2)),
    "equal products": (lambda a, b: ga.tensordot(a, b, 2), (5, 2, 6), (3, 4, 7)),
    "exchanged": (lambda a, b: ga.tensordot(a, b, 2), (5, 2, 3), (3, 2, 7)),
    "one against three": (lambda a, b: ga.tensordot(a, b, 2), (2, 3, 1), (1, 3, 4)),
    "both empty": (lambda a, b: ga.tensordot(a, b, 2), (2, 0, 3), (4, 0, 2)),
    "vdot": (lambda a, b: ga.vdot(a, b), (3,), (2,)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_sizes(name: str) -> None:
    f, *shapes = WRONG[name]
    arrays = [np.ones(shape) for shape in shapes]
    with pytest.raises(ShapeError) as caught:
        f(*inputs_for(arrays))
    assert __file__ in str(caught.value) and "'x1'" in str(caught.value)
    inputs = inputs_for(arrays, "unknown")
    y = f(*inputs)
    for run in (interpret, compiled):
        with pytest.raises(ValueError):
            run(inputs, [y])(*arrays)


def test_equal_sizes_of_several_axes() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5, 3))
    for sizes in ("static", "unknown", "named"):
        check_grads(lambda x, y: ga.tensordot(x, y, ((1, 2), (2, 0))), [a, b], sizes=sizes)
    x, y = ga.tensor("x", (2, "n", "m")), ga.tensor("y", ("n", "m", 5))
    product = ga.tensordot(x, y)
    assert product.type == ga.TensorType("float64", (2, 5))
    ops = [node.op.name for node in ga.Graph([x, y], [product]).nodes]
    assert "broadcast_to" not in ops
