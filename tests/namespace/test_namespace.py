"""`graphad.numpy`: NumPy's names, on arrays as in NumPy, on Variables as in the op table."""

import numpy
import pytest

import graphad as ga
import graphad.numpy as np
from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.numpy.dispatch import Dispatched, is_symbolic

PARTS = {"": numpy, "linalg": numpy.linalg, "fft": numpy.fft}
NAMES = [
    f"{prefix}.{name}" if prefix else name
    for prefix, plain in PARTS.items()
    for name in plain.__all__
    if callable(getattr(plain, name)) and not isinstance(getattr(plain, name), type)
    if (f"{prefix}.{name}" if prefix else name) in OPS
]


def find(dotted: str) -> object:
    prefix, _, name = dotted.rpartition(".")
    return getattr(getattr(np, prefix) if prefix else np, name)


def test_there_is_much() -> None:
    assert len(NAMES) > 300


@pytest.mark.parametrize("name", sorted(NAMES))
def test_name(name: str) -> None:
    function = find(name)
    assert isinstance(function, Dispatched) and function.function is OPS[name]
    assert find(name) is function
    prefix, _, last = name.rpartition(".")
    assert function.plain is getattr(PARTS[prefix], last)


@pytest.mark.parametrize("name", ["sin", "mean", "linalg.inv", "concatenate", "where", "cumsum"])
def test_arrays_give_what_numpy_gives(name: str) -> None:
    function = find(name)
    assert isinstance(function, Dispatched)
    a = numpy.array([[2.0, 1.0], [0.5, 3.0]])
    args = {"concatenate": ([a, a],), "where": (a > 1, a, 0.0)}.get(name, (a,))
    result = function(*args)
    assert type(result) is not Variable
    numpy.testing.assert_array_equal(result, function.plain(*args))


def test_names_without_symbolic_form_are_numpys() -> None:
    for name in ("pi", "inf", "newaxis", "float64", "ndarray", "errstate", "save", "isscalar"):
        assert getattr(np, name) is getattr(numpy, name)
    assert np.linalg.LinAlgError is numpy.linalg.LinAlgError
    assert np.random.default_rng(3).normal() == numpy.random.default_rng(3).normal()
    assert np.random.RandomState is numpy.random.RandomState
    assert set(numpy.__all__) <= set(dir(np)) and set(np.__all__) == set(numpy.__all__)
    for missing in (np, np.linalg, np.fft, np.random):
        assert not hasattr(missing, "no_such_name")


X, Y, V = ga.scalar("x"), ga.scalar("y"), ga.vector("v", shape=(3,))
VALUES = {X: 2.0, Y: -1.0, V: [1.0, 2.0, 4.0]}
x, y, v = 2.0, -1.0, numpy.array([1.0, 2.0, 4.0])

LISTS = [
    (lambda m, x, y, v: m.array([x, y])),
    (lambda m, x, y, v: m.array([[x, y], [1.0, x]])),
    (lambda m, x, y, v: m.array([x, y], dtype="float32")),
    (lambda m, x, y, v: m.sum([x, y])),
    (lambda m, x, y, v: m.mean([[x, y], [y, 0.0]], axis=0)),
    (lambda m, x, y, v: m.concatenate([[x, y], v])),
    (lambda m, x, y, v: m.concatenate(([x], [y]), axis=0)),
    (lambda m, x, y, v: m.stack([[x, y], [y, 1.0]])),
    (lambda m, x, y, v: m.vstack((v, [x, y, x]))),
    (lambda m, x, y, v: m.hstack([x, v])),
    (lambda m, x, y, v: m.column_stack([v, [x, x, y]])),
    (lambda m, x, y, v: m.block([[x, y], [y, x]])),
    (lambda m, x, y, v: m.dot([x, y], [1.0, 2.0])),
    (lambda m, x, y, v: m.outer([x, y], v)),
    (lambda m, x, y, v: m.where(numpy.array([True, False]), [x, y], 0.0)),
    (lambda m, x, y, v: m.select([v > 1.5, v > 0], [v, -v], 7.0)),
    (lambda m, x, y, v: m.append(v, [x, y])),
    (lambda m, x, y, v: m.max([x, y])),
    (lambda m, x, y, v: m.einsum("i,j->ij", [x, y], v)),
    (lambda m, x, y, v: m.linalg.norm([x, y])),
    (lambda m, x, y, v: m.linalg.solve([[x, y], [y, 3.0]], [x, 1.0])),
    (lambda m, x, y, v: m.linalg.multi_dot([[[x, y], [y, x]], numpy.eye(2)])),
    (lambda m, x, y, v: m.fft.fft([x, y])),
    (lambda m, x, y, v: m.reshape(v, (3, 1))),
    (lambda m, x, y, v: m.add.reduce(v)),
    (lambda m, x, y, v: m.r_[0.0, x, v, 1:3, [y, y]]),
    (lambda m, x, y, v: m.r_[1:3, 5]),
    (lambda m, x, y, v: m.c_[v, [x, y, x]]),
]


@pytest.mark.parametrize("case", range(len(LISTS)))
def test_lists_with_variables(case: int) -> None:
    made = LISTS[case](np, X, Y, V)
    expected = numpy.asarray(LISTS[case](numpy, x, y, v))
    found = numpy.asarray(made.eval({k: VALUES[k] for k in VALUES}) if is_symbolic(made) else made)
    assert found.dtype == expected.dtype
    numpy.testing.assert_allclose(found, expected, rtol=1e-14)


def test_what_has_no_symbolic_form_is_said() -> None:
    with pytest.raises(ga.errors.UseError, match="directive"):
        np.r_["0,2", V]
    with pytest.raises(ga.errors.UseError, match="symbolic variable"):
        np.save("nowhere", V)


def test_functions_look_like_numpys() -> None:
    assert np.sin.__name__ == "sin" and np.add.nin == 2
    assert (np.mean.__doc__ or "").startswith(numpy.mean.__doc__[:20])  # type: ignore[index]


def test_annotations_tell_which_arguments_are_lists_of_arrays() -> None:
    rng = numpy.random.default_rng(0)
    for name, entry in OPS.entries.items():
        seen: dict[int, int] = {}
        for sample in entry.samples(rng) if entry.samples is not None else ():
            for i, value in enumerate(sample.arrays):
                if isinstance(value, list | tuple):
                    nested = any(isinstance(item, list | tuple) for item in value)
                    seen[i] = max(seen.get(i, 1), 1 + nested)
        assert Dispatched(entry.function, name).lists == seen, name
