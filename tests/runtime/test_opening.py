"""The first call of a function, which is answered before there is a program."""

from __future__ import annotations

import pickle
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen.large import PATIENCE
from graphad.compiler import Compiled
from graphad.errors import MissingLibraryError, ShapeError
from graphad.ir.graph import Graph
from graphad.runtime import opening
from graphad.runtime.opening import work
from graphad.testing.samples import Case, all_cases, everyday, inputs_for

OPENS = Compiled.__dict__["opens"]
Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here functions answer their first call as they do for users."""
    monkeypatch.setattr(Compiled, "opens", OPENS)


def is_written(f: Any) -> bool:
    return "_program" in f._compiled.__dict__


# ---- values ---------------------------------------------------------------------------------
def same_bits(one: Any, other: Any) -> bool:
    a, b = np.asarray(one), np.asarray(other)
    return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()


def cases() -> list[Any]:
    """Every function of the table; at every run some of them."""
    chosen = everyday()
    return [
        pytest.param(case, id=str(case), marks=() if often else pytest.mark.full)
        for i, case in enumerate(all_cases())
        for often in [str(case) in chosen and not i % 8]
    ]


@pytest.mark.parametrize("case", cases())
def test_first_and_second_call_give_the_same_bits(case: Case) -> None:
    inputs = inputs_for(case.arrays)
    f = ga.function(inputs, case.build(*inputs), unused="ignore")
    first, second = f(*case.arrays), f(*case.arrays)
    assert len(first) == len(second)
    assert all(same_bits(a, b) for a, b in zip(first, second, strict=True))


def layer(n: int | str = "n") -> tuple[list[Any], list[Any]]:
    """Inputs, and a loss with its gradients."""
    x, w = ga.matrix("x", shape=(n, 8)), ga.matrix("w", shape=(8, 5))
    h = ga.tanh(x @ w)
    centred = h - h.mean(axis=1, keepdims=True)
    loss = ga.mean(ga.where(centred > 0, ga.sqrt(centred * centred + 1.0), centred))
    return [x, w], [loss, *ga.grad(loss, [x, w])]


def test_gradients_of_a_layer() -> None:
    rng = np.random.default_rng(0)
    f = ga.function(*layer())
    arguments = rng.normal(size=(6, 8)), rng.normal(size=(8, 5))
    first = f(*arguments)
    assert not is_written(f)
    second = f(*arguments)
    assert is_written(f)
    assert all(same_bits(a, b) for a, b in zip(first, second, strict=True))


def test_values_that_nobody_reads_any_more_are_dropped() -> None:
    """So that a chain over large arrays needs the memory of a few of them."""
    x = ga.vector("x")
    y = x
    for _ in range(40):
        y = ga.sin(y) + 1.0
    f = ga.function([x], y)
    a = np.linspace(0.0, 1.0, 20_000)
    tracemalloc.start()
    first = f(a)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * a.nbytes
    assert same_bits(first, f(a))


# ---- results belong to the caller -------------------------------------------------------------
def test_results_share_no_memory_with_anything() -> None:
    x, k = ga.matrix("x", shape=(3, 4)), np.arange(4.0)
    y = x + 1.0
    results = [x, x.T, y, y, y[1:], y.reshape(-1), ga.constant(k), ga.broadcast_to(k, (3, 4))]
    f = ga.function([x], results)
    given = np.ones((3, 4))
    for call in range(2):
        found = f(given)
        assert is_written(f) == bool(call)
        for i, one in enumerate(found):
            assert one.flags.writeable
            assert not np.shares_memory(one, given)
            assert not any(np.shares_memory(one, other) for other in found[:i])
            one[...] = -1.0
    assert f(given)[6].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_numbers_are_scalars_of_numpy() -> None:
    x = ga.vector("x")
    f = ga.function([x], {"sum": x.sum(), "any": (x > 1.0).any()})
    first, second = f([1.0, 2.0]), f([1.0, 2.0])
    assert first == second == {"sum": 3.0, "any": True}
    assert [type(v) for v in first.values()] == [np.float64, np.bool_]


def test_given_arrays_are_written_into() -> None:
    x = ga.vector("x")
    f = ga.function([x], x * 2.0)
    target = np.empty(3)
    assert f(np.arange(3.0), out=target) is target
    assert target.tolist() == [0.0, 2.0, 4.0]


# ---- who answers ------------------------------------------------------------------------------
def test_large_arrays_have_blocks_from_the_first_call_on() -> None:
    x = ga.vector("x", shape=("n",))
    y = ga.sum(ga.tanh(x) * ga.exp(-x * x) + ga.sin(x))
    f = ga.function([x], [y, ga.grad(y, x)])
    a = np.linspace(-1.0, 1.0, PATIENCE // 8)
    first = f(a)
    assert not is_written(f)
    assert f._compiled.for_large.is_made
    second = f(a)
    assert is_written(f)
    assert all(same_bits(one, other) for one, other in zip(first, second, strict=True))


def test_arrays_in_another_order_have_the_program() -> None:
    x = ga.matrix("x", shape=("n", "m"))
    f = ga.function([x], ga.tanh(x) * ga.exp(-x * x) + ga.sin(x))
    a = np.linspace(-1.0, 1.0, PATIENCE // 4).reshape(1024, -1).T
    assert same_bits(f(a), f(a))
    assert is_written(f)


def test_the_program_answers_where_it_saves_passes_over_memory() -> None:
    x = ga.vector("x")
    f = ga.function([x], x * 2.0 + 1.0)
    a = np.linspace(0.0, 1.0, opening.IN_PLACE)
    assert same_bits(f(a), a * 2.0 + 1.0)
    assert is_written(f)


def test_work_is_counted_in_elements() -> None:
    x, y = ga.matrix("x", shape=("n", 4)), ga.vector("y", shape=("m",))
    graph = Graph([x, y], [ga.exp(x.sum(axis=1)[:, None] + y), x @ ga.ones((4, 2))])
    found = work(graph, [np.ones((10, 4)), np.ones(30)])
    assert found is not None
    assert (found.largest, found.elements) == (300, 40 + 300 + 300)
    assert found.seconds == pytest.approx(opening.SECONDS * (40 + 300 + 300 * opening.LONG))


def much_work() -> tuple[Any, Array]:
    x = ga.vector("x", shape=("n",))
    y = ga.sum(ga.tanh(x) * ga.exp(-x * x) + ga.sin(x))
    return ga.function([x], [y, ga.grad(y, x)], cache=False), np.linspace(-1.0, 2.0, PATIENCE // 8)


def test_machine_code_answers_the_first_call_where_it_is_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("llvmlite")
    monkeypatch.setattr(opening, "SOONER", 0.0)
    f, a = much_work()
    first = f(a)
    assert f._compiled.__dict__["_native"] is not None
    assert not f._compiled.for_large.is_made
    for one, other in zip(first, f._compiled.program.run(a), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    assert f.wait_native()


def test_blocks_answer_the_first_call_where_no_machine_code_can_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_: Any) -> Any:
        raise MissingLibraryError("no llvmlite")

    monkeypatch.setattr(opening, "SOONER", 0.0)
    monkeypatch.setattr(Compiled, "native", property(fails))
    f, a = much_work()
    first = f(a)
    assert f._compiled.for_large.is_made
    assert all(same_bits(one, other) for one, other in zip(first, f(a), strict=True))


def test_sizes_that_depend_on_values_are_left_to_the_program() -> None:
    x = ga.vector("x")
    f = ga.function([x], ga.exp(x[x > 0]) + 1.0)
    assert work(f.graph, [np.arange(3.0)]) is None
    assert same_bits(f(np.arange(3.0)), f(np.arange(3.0)))


@pytest.mark.parametrize(
    "options",
    [{"backend": "numpy"}, {"deterministic": True}, {"precision": "exact"},
     {"memory_budget": "1MB", "sizes": {"unknown": 10}}, {"backend": "interpreter"}],
)  # fmt: skip
def test_one_program_answers_all_calls_where_that_is_asked_for(options: Any) -> None:
    x = ga.vector("x")
    f = ga.function([x], ga.exp(x) * x, **options)
    assert not f._compiled.opens
    assert is_written(f) == (options != {"backend": "interpreter"})


def test_loops_effects_and_donations_have_their_program_at_once() -> None:
    x = ga.vector("x")
    loop = ga.fori_loop(0, 3, lambda i, s: s * 2.0, x)
    assert is_written(ga.function([x], loop))
    assert is_written(ga.function([x], ga.print_(x * 2.0)))
    assert is_written(ga.function([x], x * 2.0, donate=[x]))


def test_looking_at_the_program_writes_it() -> None:
    x = ga.vector("x")
    f = ga.function([x], ga.exp(x) * x)
    assert list(f.seconds) == ["check", "rewrite"]
    assert "def program" in f.source
    assert list(f.seconds) == ["check", "rewrite", "plan", "generate"]


# ---- failures and circumstances -----------------------------------------------------------------
def test_errors_tell_the_line_of_the_program() -> None:
    x, y = ga.vector("x"), ga.vector("y")
    f = ga.function([x, y], x + y)
    for _ in range(2):
        with pytest.raises(ShapeError, match="in the generated line"):
            f(np.ones(2), np.ones(3))
    assert f(np.ones(2), np.ones(2)).tolist() == [2.0, 2.0]


def test_no_warnings() -> None:
    x = ga.vector("x")
    with np.errstate(all="raise"):
        assert ga.function([x], ga.log(x) / x)(np.zeros(1)).tolist() == [-np.inf]


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_pickled_functions_are_written(calls: int) -> None:
    x = ga.vector("x")
    f = ga.function([x], ga.exp(x) * x)
    results = [f([1.0, 2.0]) for _ in range(calls)]
    again = pickle.loads(pickle.dumps(f))
    assert is_written(again)
    assert all(same_bits(again([1.0, 2.0]), result) for result in results)


def test_first_calls_of_many_threads() -> None:
    inputs, outputs = layer()
    rng = np.random.default_rng(0)
    arguments = rng.normal(size=(6, 8)), rng.normal(size=(8, 5))
    f = ga.function(inputs, outputs)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(f(*arguments))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(same_bits(a, b) for one in found for a, b in zip(one, found[0], strict=True))


def test_updates_and_draws() -> None:
    rng = ga.random.default_rng(3)
    w, x = ga.shared(np.ones(2), name="w"), ga.vector("x")
    f = ga.function([x], rng.normal(size=2) + x, updates={w: w + x})
    expected = np.random.default_rng(3)
    for _ in range(3):
        np.testing.assert_array_equal(f([0.0, 0.0]), expected.normal(size=2))
    np.testing.assert_array_equal(w.value, np.ones(2))
    f([1.0, 2.0])
    assert w.value.tolist() == [2.0, 3.0]


def test_machine_code_before_the_first_call() -> None:
    pytest.importorskip("llvmlite")
    x = ga.vector("x")
    f = ga.function([x], ga.exp(x) * x + 1.0)
    assert f.wait_native()
    np.testing.assert_allclose(f([1.0, 2.0]), np.exp([1.0, 2.0]) * [1.0, 2.0] + 1.0)
