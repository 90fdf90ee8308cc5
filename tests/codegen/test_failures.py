"""Errors at run time name the function, its arguments, and the user's own file and line."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import program
from graphad.errors import GraphadError, IndexingError, ShapeError

X, Y, M = ga.vector("x"), ga.vector("y"), ga.matrix("m")
I = ga.scalar("i", dtype="int64")  # noqa: E741
J = ga.vector("j", dtype="int64")


def built(make: Any) -> tuple[Any, int]:
    result = make()
    return result, result.site.line


FAILING: dict[str, tuple[Any, Any, Any, type]] = {
    "a broadcast": (lambda: ga.exp(X) * Y, [X, Y], [np.ones(2), np.ones(3)], ShapeError),
    "a product": (lambda: M @ X, [M, X], [np.ones((2, 3)), np.ones(2)], ShapeError),
    "a reshape": (lambda: X.reshape((2, 3)), [X], [np.ones(5)], ShapeError),
    "an unknown reshape": (lambda: X.reshape((Y.shape[0], 2)), [X, Y], [np.ones(5), np.ones(2)],
                           ShapeError),
    "a concatenation": (lambda: ga.concatenate([M, M.T]), [M], [np.ones((2, 3))], ShapeError),
    "an index": (lambda: X[I], [X, I], [np.ones(2), 5], IndexingError),
    "an index array": (lambda: ga.sin(X)[J], [X, J], [np.ones(2), [0, 9]], IndexingError),
    "an empty maximum": (lambda: X.max(), [X], [np.zeros(0)], ShapeError),
    "a squeeze": (lambda: ga.squeeze(M, 0), [M], [np.ones((2, 3))], ShapeError),
    "a target of broadcast_to": (lambda: ga.broadcast_to(X, Y.shape), [X, Y],
                                 [np.ones(2), np.ones(3)], ShapeError),
    "an integer to a negative power": (lambda: J ** -ga.abs(J), [J], [[2, 3]], ValueError),
}  # fmt: skip


@pytest.mark.parametrize("chunk", [1000, 1])
@pytest.mark.parametrize("case", FAILING.values(), ids=FAILING)
def test_what_the_error_tells(case: Any, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    make, inputs, arguments, kind = case
    monkeypatch.setattr(program, "CHUNK", chunk)
    result, line = built(make)
    f = ga.function(inputs, result, name="my function")
    with pytest.raises(kind) as caught:
        f(*arguments)
    text = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "my function" in text and f"test_failures.py:{line}" in text
    for variable, value in zip(inputs, arguments, strict=True):
        assert f"{variable.name} {variable.dtype}" in text
        if np.ndim(value):
            assert str(np.shape(value)) in text
    assert re.search(r"in the generated line `\w+ = ", text) and isinstance(caught.value, kind)


@pytest.mark.parametrize("case", FAILING.values(), ids=FAILING)
def test_the_interpreter_fails_as_well(case: Any) -> None:
    make, inputs, arguments, kind = case
    result, line = built(make)
    with pytest.raises(kind) as caught:
        ga.function(inputs, result, name="my function", backend="interpreter")(*arguments)
    text = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "my function" in text and f"test_failures.py:{line}" in text


def test_a_gradient_tells_the_forward_line() -> None:
    cost = ga.sum(ga.exp(X) * 2.0)
    slope = ga.grad(cost, X) * Y
    f = ga.function([X, Y], ga.grad(ga.sum(slope), X))
    with pytest.raises(ShapeError) as caught:
        f(np.ones(2), np.ones(3))
    assert "test_failures.py" in str(caught.value)


def test_scopes_are_told() -> None:
    with ga.scope("encoder"), ga.scope("attention"):
        result = ga.exp(X) + Y
    with pytest.raises(ShapeError, match=r"built at: encoder/attention, test_failures.py:\d+"):
        ga.function([X, Y], result)(np.ones(2), np.ones(3))


def test_the_original_error_is_the_cause() -> None:
    with pytest.raises(ShapeError) as caught:
        ga.function([X, Y], X + Y)(np.ones(2), np.ones(3))
    assert type(caught.value.__cause__) is ValueError
    assert isinstance(caught.value, GraphadError | ValueError)


def test_an_error_of_another_kind_keeps_its_type_and_gets_a_note() -> None:
    size = ga.scalar("size", dtype="int64")
    f = ga.function([size], ga.zeros((size,)).sum(), name="filler")
    with pytest.raises((MemoryError, ValueError)) as caught:
        f(2**62)
    text = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "filler" in text and "size int64" in text and "test_failures.py" in text


def test_a_wrong_value_is_not_called_a_wrong_shape() -> None:
    with pytest.raises(ValueError, match="negative integer powers") as caught:
        ga.function([J], J ** -abs(J))([2])
    assert not isinstance(caught.value, ShapeError)


def test_errors_survive_pickling() -> None:
    with pytest.raises(ShapeError) as caught:
        ga.function([X, Y], X + Y)(np.ones(2), np.ones(3))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value) and type(copy) is ShapeError


def test_a_failed_call_does_not_break_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    for chunk in (1000, 1):
        monkeypatch.setattr(program, "CHUNK", chunk)
        f = ga.function([X, Y], ga.exp(ga.sin(X) + Y) * 2.0)
        for _ in range(3):
            with pytest.raises(ShapeError):
                f(np.ones(2), np.ones(3))
            np.testing.assert_allclose(f([0.0], [0.0]), [2.0])
