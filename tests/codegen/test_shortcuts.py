"""Steps that NumPy does sooner in one statement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import program

X = ga.vector("x", shape=(3,))
Y = ga.matrix("y", shape=(3, 4))


def lines(inputs: Any, outputs: Any) -> list[str]:
    f = ga.function(inputs, outputs)
    slow = ga.function(inputs, outputs, backend="interpreter")
    given = [np.random.default_rng(i).normal(size=v.type.shape) for i, v in enumerate(inputs)]
    for a, b in zip(f(*given), slow(*given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
    return [line.strip() for line in f.source.splitlines()]


def test_single_numbers_become_one_array() -> None:
    source = lines([X], [ga.stack([x * x for x in X]), ga.stack([X[0], X[2] * 2])])
    assert len([line for line in source if "array((" in line]) == 2
    assert not any(["[None]" in line or "concatenate" in line for line in source])


def test_what_is_read_elsewhere_stays_an_array() -> None:
    part = ga.expand_dims(X[0] * 2, 0)
    source = lines([X], [ga.concatenate([part, ga.expand_dims(X[1], 0)]), part])
    assert any(["concatenate" in line for line in source])
    twice = ga.expand_dims(X[0] * 2, 0)
    assert any(["concatenate" in line for line in lines([X], [ga.concatenate([twice, twice])])])
    square = ga.expand_dims(X[0] * 2, (0, 1)), ga.expand_dims(X[1] * 2, (0, 1))
    assert any(["concatenate" in line for line in lines([X], [ga.concatenate(square)])])


@pytest.mark.parametrize("part", [np.s_[1], np.s_[1:], np.s_[::-1], np.s_[1, 2], np.s_[:, 1:3]])
def test_derivatives_of_slices_add_up_in_place(part: Any) -> None:
    wrt = Y if isinstance(part, tuple) else X
    cost = ga.sum(ga.sin(wrt[part])) + ga.sum(ga.exp(wrt))
    source = lines([wrt], [ga.grad(cost, wrt)])
    assert any([" += " in line for line in source])
    assert not any(["zeros(" in line for line in source])


def test_what_cannot_be_added_in_place() -> None:
    made = ga.exp(X)
    part = ga.grad(X[0] ** 3, X)
    assert not any([" += " in line for line in lines([X], [made + part, made])])
    assert not any([" += " in line for line in lines([X], [made * 2 + part, part])])
    made.name = "rest"
    source = lines([X], [made + part])
    assert "rest = exp(x)" in source
    assert not any([" += " in line for line in source])


def test_what_has_no_name_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all dead arrays are dropped, whatever their size."""
    monkeypatch.setattr(program, "LARGE", 0)
    x = ga.scalar("x")
    f = ga.function([x], ga.sin(ga.stack([x, x + 1.0])) * 2.0, backend="numpy")
    assert "array((x, " in f.source
    np.testing.assert_allclose(f(0.5), np.sin([0.5, 1.5]) * 2.0)
