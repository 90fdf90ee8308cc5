"""Functions move to another process: same answers, same cells, no second compilation."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad as ga
from graphad import compiler
from graphad.codegen import floats

ROOT = Path(ga.__file__).resolve().parent.parent
X, V = ga.scalar("x"), ga.vector("v", shape=("n",))


class Pair(NamedTuple):
    first: Any
    second: Any


def elsewhere(payload: Any, script: str) -> Any:
    """What `script` makes of the unpickled payload, named `given`, in a fresh interpreter."""
    program = (
        "import pickle, sys\ngiven = pickle.load(sys.stdin.buffer)\n"
        f"{script}\npickle.dump(result, sys.stdout.buffer)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(payload),
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def test_a_function_in_a_new_process() -> None:
    w = ga.shared(np.arange(3.0), name="w")
    x = ga.matrix("x", shape=("batch", 3))
    loss = ga.tanh(x @ w * 2.0).mean()
    f = ga.function(
        [x, {"k": V}], {"loss": loss, "grads": [ga.grad(loss, w)], "v": V[::-1]}, name="f"
    )
    arguments = (np.linspace(0, 1, 6).reshape(2, 3), {"k": np.arange(2.0)})
    expected = f(*arguments)
    found, text, source, listing = elsewhere(
        (f, arguments),
        "f, arguments = given\n"
        "import graphad as ga\n"
        "result = f(*arguments), repr(f), f.source, ga.listing(f.graph)",
    )
    assert found["loss"] == expected["loss"] and list(found) == list(expected)
    np.testing.assert_array_equal(found["grads"][0], expected["grads"][0])
    np.testing.assert_array_equal(found["v"], expected["v"])
    assert (text, source, listing) == (repr(f), f.source, ga.listing(f.graph))


def test_sharing_of_cells_survives_pickling_together() -> None:
    """Two functions and the variable itself, in a new process: one cell, not three."""
    count, weights = ga.shared(0, name="count"), ga.shared(np.zeros(2), name="weights")
    step = ga.function([X], count, updates={count: count + 1, weights: weights + X})
    read = ga.function([], [count * 10, weights])
    step(1.0)
    found = elsewhere(
        [step, {"read": read}, weights],
        "step, rest, weights = given\n"
        "step(2.0), step(3.0)\n"
        "result = rest['read'](), weights.value, weights is step.shared[1], step.shared",
    )
    (tens, values), own, same, shared = found
    assert tens == 30 and values.tolist() == own.tolist() == [6.0, 6.0] and same
    assert [v.value.tolist() for v in shared] == [3, [6.0, 6.0]]
    assert count.value == 1 and weights.value.tolist() == [1.0, 1.0]  # ours is untouched


def test_cells_of_functions_pickled_apart_are_apart() -> None:
    w = ga.shared(0.0, name="w")
    step = ga.function([], [], updates={w: w + 1.0})
    first, second = pickle.loads(pickle.dumps(step)), pickle.loads(pickle.dumps(step))
    first(), first(), second()
    assert [f._updated[0].value for f in (first, second, step)] == [2.0, 1.0, 0.0]


def test_nothing_is_compiled_when_unpickling(monkeypatch: pytest.MonkeyPatch) -> None:
    w = ga.shared(np.ones(3), name="w")
    data = pickle.dumps([
        ga.function([V], ga.sin(V) * 2.0), ga.function([V], [w, V], updates={w: w * 2.0}),
        ga.function([V], V.sum(), backend="interpreter"), ga.function([V], ga.jacobian(V**2, V)),
    ])  # fmt: skip

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("compiled again")

    for stage in ("simplify", "generate", "compile_graph"):
        monkeypatch.setattr(compiler, stage, refuse)
    monkeypatch.setattr(floats, "generate_floats", refuse)
    functions = pickle.loads(data)
    assert [np.shape(f([1.0, 2.0])) for f in functions[::2]] == [(2,), ()]


@pytest.mark.parametrize("backend", ["auto", "numpy", "interpreter"])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_any_protocol(protocol: int, backend: str) -> None:
    for variable, value in ((X, 2.0), (V, [2.0, 3.0])):
        f = ga.function(
            [Pair(variable, [])], Pair(ga.log(variable), {"k": variable}), backend=backend
        )
        again = pickle.loads(pickle.dumps(f, protocol))
        for argument in (np.asarray(value), np.zeros(np.shape(value))):
            a, b = f(Pair(argument, [])), again(Pair(argument, []))
            np.testing.assert_array_equal(a.first, b.first)
            assert type(a) is type(b) is Pair and type(a.first) is type(b.first)


def test_copying() -> None:
    w = ga.shared(1.0, name="w")
    f = ga.function([X], w * X, updates={w: w + X})
    deep, shallow = copy.deepcopy(f), copy.copy(f)
    f(1.0)
    assert (f(1.0), shallow(1.0)) == (2.0, 3.0) and deep(1.0) == 1.0


def test_special_values_and_dtypes_survive() -> None:
    for value in (
        -0.0,
        np.nan,
        np.inf,
        np.float32(0.1),
        np.int8(-5),
        True,
        1 + 2j,
        [np.nan, -0.0],
    ):
        f = ga.function([], ga.constant(value))
        a, b = f(), pickle.loads(pickle.dumps(f))()
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes() and a.dtype == b.dtype


def test_large_constants_are_stored_once() -> None:
    constant = ga.constant(np.random.default_rng(0).normal(size=100_000))
    f = ga.function([X], ga.sin(constant * X) + constant)
    assert len(pickle.dumps(f)) < 1.1 * constant.value.nbytes


def test_user_rules_and_debug_survive() -> None:
    f = ga.function([X], ga.sin(X), rules=[ga.rewrite.rule("sin(x) -> cos(x)")], debug=True)
    again = pickle.loads(pickle.dumps(f))
    assert again(0.0) == 1.0 and again.options == f.options and str(again.report) == str(f.report)


def test_graphs_and_variables() -> None:
    y = ga.exp(X * 2.0)
    y.name = "y"
    with ga.scope("part"):
        z = ga.grad(y, X)
    graph = ga.Graph([X], [y, z])
    again = pickle.loads(pickle.dumps(graph))
    assert again == graph and again.content_hash == graph.content_hash
    assert ga.listing(again) == ga.listing(graph)
    assert ga.graph.find(again, "y").owner.op == y.owner.op
    single = pickle.loads(pickle.dumps(y))
    assert single.eval({ga.graph.inputs(single)[0]: 0.5}) == np.exp(1.0) and single.name == "y"
    both = pickle.loads(pickle.dumps([y, X]))
    assert ga.graph.inputs(both[0])[0] is both[1]
