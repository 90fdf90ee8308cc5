"""Ops compare by the bits of their parameters; the table knows every function once."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.op import OPS, Entry, Op, freeze

x = ga.matrix("x", shape=(3, 4))

DIFFERENT: list[tuple[Any, Any]] = [
    (0.0, -0.0),
    (1, True),
    (1, 1.0),
    (0, False),
    (1.0, 1.0 + 0j),
    (0j, -0j),
    ((1,), [1]),
    ("1", 1),
    (None, 0),
    (slice(0, 1), slice(0, 1, 1)),
    (np.float32(1), np.float64(1)),
    (np.array([1.0]), np.array([[1.0]])),
    (np.array([0.0]), np.array([-0.0])),
    ({"a": 1}, {"a": 1.0}),
    ({"a": 1}, {"b": 1}),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT, ids=repr)
def test_freeze_tells_apart(first: Any, second: Any) -> None:
    assert freeze(first) != freeze(second)


SAME: list[tuple[Any, Any]] = [
    (float("nan"), float("nan")),
    (slice(1, None, -1), slice(1, None, -1)),
    ({"a": 1, "b": (2, [3.0])}, {"b": (2, [3.0]), "a": 1}),
    (np.array([1.0, np.nan]), np.array([1.0, np.nan])),
]


@pytest.mark.parametrize(("first", "second"), SAME, ids=repr)
def test_freeze_joins(first: Any, second: Any) -> None:
    assert freeze(first) == freeze(second) and hash(freeze(first)) == hash(freeze(second))


def test_ops_compare_by_parameters() -> None:
    first, second, third = x.sum(axis=0), x.sum(axis=-2), x.sum(axis=1)
    assert first.owner.op is second.owner.op and first.owner.op != third.owner.op
    assert hash(first.owner.op) == hash(second.owner.op)
    assert x[0:2].owner.op != x[0:2:1].owner.op
    assert x.sum(axis=0).owner.op != x.prod(axis=0).owner.op


@pytest.mark.parametrize("y", [ga.exp(x), x.sum(axis=1), x[1:, ::2], x.reshape(-1)], ids=repr)
def test_ops_are_pickled_by_name(y: ga.Variable) -> None:
    op = y.owner.op
    assert pickle.loads(pickle.dumps(op)) == op
    assert pickle.loads(pickle.dumps(op)).family is op.family


def test_label_shows_parameters() -> None:
    assert str(ga.exp(x).owner.op) == "exp"
    assert str(x.sum(axis=1).owner.op) == "sum(axis=(1,))"


def test_names_are_unique() -> None:
    entry = OPS.entries["exp"]
    with pytest.raises(ValueError, match="two functions are called 'exp'"):
        OPS.add(Entry("exp", entry.function, "elementwise"))
    with pytest.raises(ValueError, match="two operations are called 'exp'"):
        OPS.add_family(OPS.families["exp"])


def test_every_function_is_documented() -> None:
    for name, entry in OPS.entries.items():
        assert ">>> " in (entry.function.__doc__ or ""), f"{name} has no example"
        last = name.rpartition(".")[2]
        assert entry.function.__name__ in (last, f"{last}_")


def test_types_are_inferred_once_per_type() -> None:
    op = Op(OPS.families["exp"])
    first = op.infer((x.type,))
    assert op.infer((x.type,)) is first and len(op.memo) == 1
