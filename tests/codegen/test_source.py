"""The generated source: readable, compiled once, shown in tracebacks, dropped with its program."""

from __future__ import annotations

import gc
import linecache
import pickle
import traceback
import warnings
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import program as codegen
from graphad.codegen.program import Program

X, S, T = ga.matrix("x", shape=("n", 3)), ga.scalar("s"), ga.scalar("t")


def test_source_of_arrays() -> None:
    with ga.scope("layer"):
        hidden = ga.tanh(X @ np.eye(3) + 1.0)
    f = ga.function([X], [hidden.mean(axis=0), hidden[1:, ::-1]])
    here = hidden.site.line if hidden.site else 0
    assert f.source.splitlines() == [
        "from numpy import add, array, divide, float64, int64, matmul, tanh",
        "",
        "",
        "def program(x):",
        "    if x.size >= 65536 and (found := large(x)):",
        "        return found",
        f"    # layer, test_source.py:{here}",
        "    v2 = matmul(x, k0)",
        "    v2 = add(v2, 1.0, out=v2)",
        "    v2 = tanh(v2, out=v2)",
        f"    # test_source.py:{here + 1}",
        "    v6 = add.reduce(v2, axis=0)",
        "    v7 = int64(x.shape[0])",
        "    v8 = (float64(v7))",
        "    v6 = divide(v6, v8, out=v6)",
        "    v10 = v2[1:, ::-1]",
        "    return (v6, array(v10))",
    ]


def test_source_of_floats() -> None:
    f = ga.function([S, T], ga.where(S > 0, ga.log(S), T * T) - ga.floor(T))
    assert f.source.splitlines() == [
        "from math import inf, log, nan",
        "",
        "",
        "def program(s, t):",
        "    v3 = (s > 0.0)",
        "    v4 = (log(s))",
        "    v5 = (t * t)",
        "    v6 = (v4 if v3 else v5)",
        "    v7 = float(np_floor(t))",
        "    v8 = (v6 - v7)",
        "    return (v8,)",
    ]


def test_source_of_the_interpreter() -> None:
    f = ga.function([S], S * 2.0, backend="interpreter")
    assert f.source.startswith("# interpreted") and "multiply(s, 2.0)" in f.source


def test_source_without_work() -> None:
    f = ga.function([S], [S, ga.constant(2.0)])
    assert f(3.0) == [3.0, 2.0] and "return (s," in f.source
    assert ga.function([], [])() == [] and ga.function([], ga.constant(1.5))() == 1.5


def test_all_of_a_long_program_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codegen, "CHUNK", 4)
    value = X
    for i in range(10):
        value = ga.sin(value * float(i + 2))
    f = ga.function([X], value)
    assert f.source.count("def part_") == 5 and f.source.count("= sin(") == 10
    compile(f.source, "source", "exec")


# ---- tracebacks ---------------------------------------------------------------------------------


def failing() -> ga.Function:
    index = ga.scalar("index", dtype="int64")
    return ga.function([X, index], ga.exp(X)[index], name="picker")


def test_tracebacks_show_the_generated_line() -> None:
    f = failing()
    with pytest.raises(ga.errors.IndexingError) as caught:
        f(np.ones((2, 3)), 7)
    text = "".join(traceback.format_exception(caught.value))
    assert "in program\n    v3 = v2[index" in text
    assert "<graphad program" in text and "picker" in text


def test_a_new_process_knows_the_lines_of_an_unpickled_program() -> None:
    f = pickle.loads(pickle.dumps(failing()))
    with pytest.raises(ga.errors.IndexingError, match="in the generated line `v"):
        f(np.ones((2, 3)), 7)


def files() -> set[str]:
    return {name for name in linecache.cache if name.startswith("<graphad program")}


@pytest.mark.parametrize("chunk", [1000, 1])
def test_programs_leave_linecache_when_they_are_dropped(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codegen, "CHUNK", chunk)
    gc.collect()
    gc.disable()  # dropped at once, not by the collector
    try:
        before = files()
        f = ga.function([X], ga.sin(ga.exp(X)), backend="numpy")
        mine = files() - before
        assert len(mine) == (1 if chunk == 1000 else 4)
        linecache.checkcache()
        assert mine <= files()
        assert "".join(linecache.getlines(max(mine))) in f.source + "\n"
        del f
        assert not mine & files()
    finally:
        gc.enable()


def test_names_of_programs_are_unique() -> None:
    before = files()
    functions = [ga.function([S], S * float(i), name="same") for i in range(2, 6)]
    assert len(files() - before) >= len(functions)
    assert [f(1.0) for f in functions] == [2.0, 3.0, 4.0, 5.0]


def test_programs_survive_pickling_with_what_is_bound() -> None:
    program = Program(["def program(x):\n    return (x + k,)\n"], {"k": 5}, "small")
    copy = pickle.loads(pickle.dumps(program))
    assert program(1) == copy(1) == copy.run(1) == (6,) and copy.source == program.source


# ---- no warnings --------------------------------------------------------------------------------

HARD: list[tuple[Any, list[float]]] = [
    (lambda x: ga.log(x), [0.0, -1.0, 1.0]), (lambda x: 1 / x, [0.0, -0.0]),
    (lambda x: ga.exp(x), [1e4, -1e4]), (lambda x: ga.rad2deg(x), [1e308]),
    (lambda x: x**-0.5, [0.0, -1.0]), (lambda x: ga.sqrt(x), [-1.0]), (lambda x: x % 0.0, [1.0]),
    (lambda x: ga.logaddexp(x, 1e308 * x), [1e308, -1e308]), (lambda x: ga.tan(x), [np.inf]),
    (lambda x: ga.arctanh(x), [1.0, 2.0]), (lambda x: x.astype("float32"), [1e300]),
    (lambda x: x.astype("int64"), [1e300, np.nan]), (lambda x: x // 0.0, [1.0, 0.0]),
]  # fmt: skip


@pytest.mark.parametrize("backend", ["auto", "numpy", "interpreter"])
@pytest.mark.parametrize(("f", "values"), HARD)
def test_no_floating_point_warnings(f: Any, values: list[float], backend: str) -> None:
    v = ga.vector("v")
    slope = ga.grad(ga.sum(f(S).astype("float64")), S, disconnected="zero")
    scalar = ga.function([S], [f(S), slope], backend=backend, unused="ignore")
    vector = ga.function([v], f(v), backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in values:
            scalar(value)
        vector(values)


def test_the_callers_error_state_stays_as_it_was() -> None:
    f = ga.function([S], [ga.log(S), ga.logaddexp(S, S)])
    with np.errstate(all="raise"):
        f(0.0)
        assert np.geterr()["divide"] == "raise"
        with pytest.raises(FloatingPointError):
            np.log(np.float64(0.0))


def test_a_constant_that_is_chosen_stays_a_numpy_scalar() -> None:
    """Where a cotangent is a constant, the choice between it and a product is an array all the
    same, which has shape and methods."""
    x, t = ga.vector("x", shape=(4,)), ga.vector("t", shape=(4,))
    y = ga.where(np.array(False), ga.corrcoef(x), 0.0)
    g = ga.grad(y, x)
    f = ga.function([x, t], [g, ga.jvp(g, x, t)], backend="numpy")
    for found in f(np.array([np.nan, 1.0, 2.0, 3.0]), np.ones(4)):
        np.testing.assert_array_equal(found, np.zeros(4))


def test_small_arrays_are_treated_by_what_numpy_finds_sooner() -> None:
    x = ga.matrix("x", shape=(2, 3))
    share = ga.grad(ga.logsumexp(x), x)
    f = ga.function([x], [ga.roll(x, 4, axis=1), x @ np.ones((3, 4)), share])
    assert "concatenate([x[:, -1:], x[:, :-1]], axis=1)" in f.source
    assert "x.dot(k0)" in f.source
    value = np.array([[1.0, -np.inf, 3.0], [2.0, 0.5, 6.0]])
    rolled, product, shares = f(value)
    np.testing.assert_array_equal(rolled, np.roll(value, 4, axis=1))
    np.testing.assert_array_equal(product, value @ np.ones((3, 4)))
    np.testing.assert_allclose(shares, np.exp(value) / np.sum(np.exp(value)), rtol=1e-15)


def test_what_has_no_sooner_spelling() -> None:
    x, y = ga.matrix("x", shape=("n", 3)), ga.matrix("y", shape=(200, 200))
    z = ga.matrix("z", shape=(2, 2), dtype="int64")
    rolled = [ga.roll(x, 1, axis=0), ga.roll(y, (1, 2), axis=(0, 1)), ga.roll(y, 400, axis=0)]
    f = ga.function([x, y, z], [*rolled, y @ y, z @ z])
    assert f.source.count("roll(") == 3
    assert f.source.count("matmul(") == 2
