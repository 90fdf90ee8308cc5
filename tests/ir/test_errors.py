"""Bad input while a graph is built: what failed, the variable, the cause, the remedy, the line."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import (
    AxisError,
    DTypeError,
    GraphadError,
    GraphError,
    IndexingError,
    ShapeError,
    UseError,
)

x = ga.matrix("x", shape=("batch", 3))
y = ga.matrix("y", shape=("batch", 4))
z = ga.matrix("z", shape=("other", 3))
v = ga.vector("v")
i = ga.vector("i", dtype="int64")
c = ga.vector("c", dtype="complex128")
h = ga.tanh(v) * 2.0

Case = tuple[Callable[[], Any], type[Exception], tuple[str, ...]]

# What the user writes, the error, what the message must say. The line is checked for all.
BUILDING: dict[str, Case] = {
    "shapes that clash": (lambda: x + y, ShapeError, ("(batch, 3) and (batch, 4)", "'x'", "'y'",
        "3 is axis 1 of 'x'", "4 is axis 1 of 'y'")),
    "names that clash": (lambda: x * z, ShapeError, ("batch against other", "'x'", "'z'",
        "named sizes match only themselves and 1")),
    "a name against a number": (lambda: x + np.ones((5, 3)), ShapeError, ("batch against 5", "'x'",
        "a constant")),
    "inner sizes": (lambda: x @ y, ShapeError, ("matmul (@)", "3 against batch", "'x'", "'y'")),
    "matmul of scalars": (lambda: x @ 2.0, ShapeError, ("multiply by a scalar with *",)),
    "tensordot": (lambda: ga.tensordot(x, z, 2), ShapeError, ("batch against other", "'z'")),
    "concatenate": (lambda: ga.concatenate([x, z], axis=1), ShapeError, ("batch", "other", "'z'")),
    "stack of ranks": (lambda: ga.stack([x, v]), ShapeError, ("axes",)),
    "broadcast_to": (lambda: ga.broadcast_to(x, (2, 4)), ShapeError, ("batch against 2", "'x'")),
    "reshape": (lambda: ga.ones((2, 3)).reshape(4, -1), ShapeError, ("(2, 3)", "6 elements")),
    "reshape to another size": (lambda: ga.ones((2, 3)).reshape(7), ShapeError, ("6", "7")),
    "reshape with two -1": (lambda: x.reshape(-1, -1), ShapeError, ("-1 twice", "'x'")),
    "squeeze": (lambda: x.squeeze(axis=1), ShapeError, ("size 3, not 1", "'x'")),
    "max of nothing": (lambda: ga.zeros((0, 2)).max(axis=0), ShapeError, ("size 0",)),
    "axis too large": (lambda: x.sum(axis=2), AxisError, ("axis 2", "2 axes", "'x'", "-2 … 1")),
    "axis of a scalar": (lambda: ga.sum(ga.scalar("s"), axis=0), AxisError, ("'s'", "no axes")),
    "axis twice": (lambda: x.mean(axis=(0, -2)), AxisError, ("(0, -2)", "twice", "'x'")),
    "axis that is no integer": (lambda: x.sum(axis=1.0), UseError, ("axis=1.0", "'x'")),
    "axis that is a bool": (lambda: x.cumsum(axis=True), UseError, ("axis=True", "'x'")),
    "transpose": (lambda: x.transpose(0, 0), AxisError, ("(0, 0)", "'x'")),
    "moveaxis": (lambda: ga.moveaxis(x, (0, 1), 0), AxisError, ("2 sources", "'x'")),
    "dtype without the function": (lambda: i.astype(bool) - i.astype(bool), DTypeError,
        ("subtract", "bool", "operand 0")),
    "bits of floats": (lambda: v & 1, DTypeError, ("bitwise_and", "float64", "'v'")),
    "complex to real": (lambda: c.astype("float64"), DTypeError, ("complex128", "x.real", "'c'")),
    "number that does not fit": (lambda: i.astype("int8") + 300, DTypeError, ("300", "int8")),
    "object array": (lambda: v + np.array([object()]), DTypeError, ("object", "dtype=float")),
    "a string": (lambda: v + "1", DTypeError, ("'1'",)),
    "a ragged list": (lambda: v * [[1.0], [1.0, 2.0]], UseError, ("list",)),
    "labels that are floats": (lambda: ga.one_hot(v, 3), DTypeError, ("float64", "'v'")),
    "a list of Variables": (lambda: ga.sum([v, v]), UseError, ("ga.stack([x, y])",)),
    "a nested list of Variables": (lambda: v * [[v], [1.0]], UseError, ("ga.stack([x, y])",)),
    "concatenate of one": (lambda: ga.concatenate(v), UseError, ("ga.concatenate([x, y])",)),
    "a size that is a float": (lambda: ga.zeros(2.5), UseError, ("2.5", "integers")),
    "a size that is an array": (lambda: ga.zeros((i,)), UseError, ("Variable i", "int64[?]")),
    "arange of floats": (lambda: ga.arange(ga.scalar("s")), UseError, ("ga.linspace", "'s'")),
    "index out of range": (lambda: x[:, 3], IndexingError, ("index 3", "axis 1", "size 3", "'x'")),
    "negative index": (lambda: x[:, -4], IndexingError, ("index -4", "from -3 to 2")),
    "too many indices": (lambda: x[0, 0, 0], IndexingError, ("3 indices", "2 axes", "'x'")),
    "two ellipses": (lambda: x[..., 0, ...], IndexingError, ("two ellipses", "'x'")),
    "float index": (lambda: x[1.0], IndexingError, ("1.0", "'x'")),
    "string index": (lambda: x["a"], IndexingError, ("'a'", "'x'")),
    "float array as index": (lambda: x[v], IndexingError, ("float64", "astype('int64')")),
    "step 0": (lambda: x[::0], IndexingError, ("step", "'x'")),
    "float as bound": (lambda: x[1.5:], IndexingError, ("1.5", "'x'")),
    "boolean scalar as index": (lambda: x[(v > 0).any()], IndexingError, ("ga.where",)),
    "mask of another size": (lambda: ga.ones(3)[[True, False]], IndexingError, ("mask",)),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDING)
def test_building(name: str) -> None:
    use, error, words = BUILDING[name]
    with pytest.raises(error) as caught:
        use()
    found = caught.value
    assert isinstance(found, GraphadError) and found.remedy
    for word in words:
        assert word in str(found), f"{word!r} is missing in:\n{found}"
    line = use.__code__.co_firstlineno
    assert found.where.startswith(__file__ + ":")
    assert line <= int(found.where.rpartition(":")[2]) <= line + 2


def condition() -> None:
    if v.sum() > 0:
        pass


def chained() -> Any:
    return 0 < v.sum() < 1


def assignment() -> None:
    v[0] = 1.0


# Python asks for a value that a symbolic variable does not have: what to write instead.
VALUES: dict[str, Case] = {
    "if": (condition, UseError, ("greater", "no truth value", "ga.where(condition, a, b)")),
    "and": (lambda: (v > 0) and (v < 1), UseError, ("greater", "& | ~")),
    "not": (lambda: not v, UseError, ("v has no truth value", "& | ~")),
    "chained comparison": (chained, UseError, ("(0 < x) & (x < 1)",)),
    "max of Python": (lambda: max(v, 0.0), UseError, ("ga.where",)),
    "list.remove": (lambda: [h, v].remove(v), UseError, ("`x is y`",)),
    "in": (lambda: 1.0 in v, UseError, ("v", "(x == value).any()")),
    "float": (lambda: float(v), UseError, ("v cannot become float", "x.eval({...})")),
    "int": (lambda: int(v), UseError, ("v cannot become int",)),
    "complex": (lambda: complex(v), UseError, ("v cannot become complex",)),
    "math.sin": (lambda: math.sin(v), UseError, ("v cannot become float", "ga.exp")),
    "range": (lambda: range(i), UseError, ("i cannot become an index",)),
    "item": (lambda: v.item(), UseError, ("v cannot become a number",)),
    "for": (lambda: [e * 2.0 for e in v], UseError, ("v", "ga.vector('x', shape=(3,))")),
    "for over a scalar": (lambda: list(ga.scalar("s")), UseError, ("s", "no axes")),
    "len": (lambda: len(v), UseError, ("v", "x.shape[0]")),
    "len of a scalar": (lambda: len(ga.scalar("s")), UseError, ("s",)),
    "assignment": (assignment, UseError, ("v[...] = ...", "x.at[index].set(value)")),
    "np.array of two": (lambda: np.array([v, v]), UseError, ("v", "ga.stack([x, y])")),
    "np.asarray": (lambda: np.asarray(h), UseError, ("multiply", "x.eval({...})")),
    "np.float64": (lambda: np.float64(ga.scalar("s")), UseError, ("s", "ga.stack")),
    "out=": (lambda: np.exp(v, out=np.zeros(3)), UseError, ("np.exp(..., out=...)",)),
    "no symbolic form": (lambda: np.packbits(i), UseError, ("packbits has no symbolic form",)),
    "ufunc without form": (lambda: np.isnat(v), UseError, ("np.isnat has no symbolic form",)),
    "ufunc method": (lambda: np.add.reduceat(v, [0]), UseError, ("np.add.reduceat has",)),
    "ufunc.at": (lambda: np.add.at(v, 0, 1.0), UseError, ("np.add.at",)),
    "array += variable": (lambda: np.zeros(3).__iadd__(v), UseError, ("np.add(..., out=...)",)),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_no_value(name: str) -> None:
    use, error, words = VALUES[name]
    with pytest.raises(error, match="remedy: ") as caught:
        use()
    for word in words:
        assert word in str(caught.value), f"{word!r} is missing in:\n{caught.value}"


LEAVES: dict[str, Case] = {
    "name that is a number": (lambda: ga.tensor(3), UseError, ("3", 'ga.tensor("x"')),
    "shape as name": (lambda: ga.vector((3,)), UseError, ("(3,)",)),
    "empty name": (lambda: ga.scalar(""), UseError, ("''",)),
    "wrong rank": (lambda: ga.matrix("m", shape=(3,)), UseError, ("2 axes", "ga.tensor")),
    "unknown dtype": (lambda: ga.scalar("s", dtype="flaot"), DTypeError, ("'flaot'",)),
    "dtype of text": (lambda: ga.scalar("s", dtype=str), DTypeError, ("<U",)),
    "negative size": (lambda: ga.vector("s", shape=(-2,)), ShapeError, ("-2",)),
    "constant of text": (lambda: ga.constant("abc"), DTypeError, ("'abc'",)),
    "constant of objects": (lambda: ga.constant([None]), DTypeError, ("[None]", "dtype=float")),
    "ragged constant": (lambda: ga.constant([[1], [1, 2]]), UseError, ("[[1], [1, 2]]",)),
    "constant of Variables": (lambda: ga.constant([v]), UseError, ("ga.stack",)),
    "constant of a Variable": (lambda: ga.constant(v), UseError, ("'v'", "x.eval({...})")),
    "shared of a Variable": (lambda: ga.shared(v), UseError, ("'v'",)),
    "shared of text": (lambda: ga.shared("a"), DTypeError, ("'a'",)),
    "empty scope": (lambda: ga.scope("").__enter__(), UseError, ("ga.scope(\"layer1\")",)),
    "scope that is no word": (lambda: ga.scope(1).__enter__(), UseError, ("1",)),
    "graph that is not closed": (lambda: ga.Graph([], [h]), GraphError, ("'v'", "tanh", "inputs")),
    "input twice": (lambda: ga.Graph([v, v], [h]), GraphError, ("'v'", "twice")),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVES)
def test_leaves_and_graphs(name: str) -> None:
    use, error, words = LEAVES[name]
    with pytest.raises(error) as caught:
        use()
    for word in words:
        assert word in str(caught.value), f"{word!r} is missing in:\n{caught.value}"


def test_shared_keeps_its_value_and_type() -> None:
    w = ga.shared(np.zeros((2, 3)), name="w")
    for value, error, words in [
        (np.ones((3, 2)), ShapeError, ("shared variable 'w'", "(2, 3)", "(3, 2)")),
        (np.ones(3), ShapeError, ("shared variable 'w'", "(3,)")),
        (np.ones((2, 3)) * 1j, DTypeError, ("shared variable 'w'", "complex128")),
        ("abc", DTypeError, ("shared variable 'w'",)),
        ([[1, 2], [3]], UseError, ("[[1, 2], [3]]",)),
    ]:  # fmt: skip
        with pytest.raises(error, match="remedy: ") as caught:
            w.value = value
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert (w.value == 0.0).all()


def test_the_origin_of_a_size_is_told() -> None:
    """Through operations that keep a size, back to the variable that brought it in."""
    a = ga.matrix("a", shape=(5, 3))
    with pytest.raises(ShapeError) as caught:
        ga.exp(a * 2.0).sum(axis=0) + ga.vector("b", shape=(4,))
    assert "3 is axis 1 of 'a', an input, float64[5, 3]" in str(caught.value)
    assert "4 is axis 0 of 'b', an input, float64[4]" in str(caught.value)


def test_errors_are_pickled_and_copied() -> None:
    with pytest.raises(ShapeError) as caught:
        x + y
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert type(again) is ShapeError and str(again) == str(caught.value)


def test_errors_are_the_built_in_ones_too() -> None:
    for use, error, builtin in [
        (lambda: x + y, ShapeError, ValueError),
        (lambda: x.sum(axis=5), AxisError, IndexError),
        (lambda: x[9, 9, 9], IndexingError, IndexError),
        (lambda: v & 1, DTypeError, TypeError),
        (lambda: bool(v), UseError, TypeError),
    ]:
        assert issubclass(error, builtin)
        with pytest.raises(builtin):
            use()
