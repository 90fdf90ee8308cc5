"""Joining with axes added first: several arguments at once, keywords, errors."""

from __future__ import annotations

import numpy as np
import pytest

import graphad as ga


def test_several_arguments_give_a_tuple() -> None:
    s, v = ga.scalar("s"), ga.vector("v", shape=(3,))
    for name, shapes in (("atleast_1d", [(1,), (3,)]), ("atleast_2d", [(1, 1), (1, 3)]),
                         ("atleast_3d", [(1, 1, 1), (1, 3, 1)])):  # fmt: skip
        found = getattr(np, name)(s, v)
        assert isinstance(found, tuple)
        assert [f.type.shape for f in found] == shapes


def test_dtype_and_casting() -> None:
    v = ga.vector("v", shape=(3,))
    assert np.vstack([v, v], dtype="float32").type == ga.TensorType("float32", (2, 3))
    with pytest.raises(ga.errors.UseError, match="float64 to int64 with casting='same_kind'"):
        ga.hstack([v, v], dtype="int64")
    assert ga.hstack([v, v], dtype="int64", casting="unsafe").dtype == np.int64


def test_errors_name_what_is_wrong() -> None:
    v = ga.vector("v", shape=(3,))
    for f in (ga.vstack, ga.hstack, ga.dstack, ga.column_stack):
        with pytest.raises(ga.errors.UseError, match="takes a list"):
            f(v)
        with pytest.raises(ga.errors.ShapeError):
            f([ga.tensor("x", shape=(2, 3)), ga.tensor("y", shape=(4, 5))])
