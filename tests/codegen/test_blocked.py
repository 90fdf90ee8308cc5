"""Large arrays block by block: the values of the plain program, whatever the threads and cuts."""

from __future__ import annotations

import pickle
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import graphad as ga
from graphad.codegen import blocks, large
from graphad.codegen.program import generate
from graphad.compiler import inner_compiler
from graphad.testing.programs import RandomProgram
from graphad.testing.variants import LAYOUTS

Array = np.ndarray[Any, Any]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, 3.0, 5e-324, -1e-310, 1e300])
NUMBERS = st.lists(st.integers(0, 2**16 - 1), min_size=40, max_size=200)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


def make_tiny(patch: pytest.MonkeyPatch) -> None:
    """Blocks and threads already for the small arrays of tests."""
    patch.setattr(large, "FROM", 0)
    patch.setattr(blocks, "SMALLEST", 16)  # whole vectors: NumPy may round others in another way
    patch.setattr(blocks, "BUDGET", 1)
    patch.setattr(blocks, "SHARE", 0)


def function(inputs: Any, outputs: Any, **options: Any) -> ga.Function:
    return ga.function(inputs, outputs, backend="numpy", unused="ignore", debug=True, **options)


def large_program(f: ga.Function) -> large.Large:
    (found,) = [b for b in f._compiled.program.bound.values() if isinstance(b, large.Large)]
    return found


def plainly(f: ga.Function, arrays: Sequence[Any]) -> Sequence[Any]:
    """What the program without blocks gives."""
    program = generate(f._compiled.plan, "plain", inner_compiler(f.options))
    accepted = [p.accept(a) for p, a in zip(f._parameters, arrays, strict=True)]
    with np.errstate(all="ignore"):
        return program.run(*accepted)


def bits(arrays: Sequence[Any]) -> list[Any]:
    return [(a.dtype, a.shape, a.tobytes()) for a in map(np.asarray, arrays)]


def assert_same_bits(f: ga.Function, *arrays: Any) -> None:
    found = f(*arrays)
    assert large_program(f).is_made
    assert bits(found) == bits(plainly(f, arrays))


# ---- the same bits ---------------------------------------------------------------------------
def test_elements_have_the_bits_of_the_plain_program(tiny: None) -> None:
    x, y = ga.vector("x", shape=("n",)), ga.vector("y", shape=("n",))
    z = ga.tanh(x * y) + ga.exp(-x) / ga.sqrt(y * y + 1)
    f = function([x, y], [z, ga.sin(z) * z, ga.where(z > 0, z, y), (z > 0), z.astype("float32")])
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 203))
    a[: SPECIAL.size] = b[50 : 50 + SPECIAL.size] = SPECIAL
    assert_same_bits(f, a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8", "complex128", "bool"])
def test_dtypes(tiny: None, dtype: str) -> None:
    x = ga.vector("x", dtype=dtype)
    f = function([x], [abs(x * x + x), (x * 2.5) * x, ga.where(x != 0, x, 1)])
    drawn = (np.random.default_rng(0).normal(size=37) * 3).astype(dtype)
    assert_same_bits(f, drawn)


def test_broadcasting_and_sums_over_rows(tiny: None) -> None:
    x = ga.matrix("x", shape=("n", "m"))
    b, c = ga.vector("b", shape=("m",)), ga.vector("c", shape=("n",))
    shifted = x * b + c[:, None]
    scaled = shifted - shifted.mean(axis=1, keepdims=True)
    f = function([x, b, c], [scaled, ga.softmax(x, axis=1), ga.logsumexp(shifted, axis=1),
                             (scaled * scaled).sum(axis=1), scaled.max(axis=1)])  # fmt: skip
    rng = np.random.default_rng(0)
    assert_same_bits(f, rng.normal(size=(11, 7)), rng.normal(size=7), rng.normal(size=11))


def test_blocks_lie_along_the_axis_that_is_long(tiny: None) -> None:
    x = ga.tensor("x", shape=("a", "b", "c"))
    f = function([x], [ga.exp(x) * x, ga.sin(x) + 1])
    for shape in ((2, 3, 50), (1, 1, 40), (40, 1, 1), (3, 40, 1)):
        assert_same_bits(f, np.random.default_rng(0).normal(size=shape))


def test_both_operands_may_be_one_variable(tiny: None) -> None:
    x = ga.vector("x", shape=("n",))
    f = function([x], [ga.exp(x[:, None] - x[None, :]) * x[:, None]])
    assert_same_bits(f, np.random.default_rng(0).normal(size=9))


# ---- reductions that end the blocks -------------------------------------------------------
REDUCTIONS = {
    "sum": lambda x: (x * x).sum(), "columns": lambda x: (x * x).sum(axis=0),
    "largest": lambda x: (x * x).max(), "all": lambda x: (x * x > -1).all(),
    "product": lambda x: (1 + x * 1e-3).prod(), "kept": lambda x: (x + 1).sum(axis=0, keepdims=1),
    "of rows": lambda x: ga.logsumexp(x * 2, axis=1).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_do_not_depend_on_threads(tiny: None, name: str) -> None:
    x = ga.matrix("x", shape=("n", "m"))
    y = REDUCTIONS[name](x)
    a = np.random.default_rng(0).normal(size=(57, 5))
    functions = [function([x], [y, ga.exp(x) * 2], threads=t) for t in (1, 2, 4)]
    found = [bits(f(a)) for f in functions]
    assert found[0] == found[1] == found[2]
    assert large_program(functions[0]).is_made
    expected = plainly(functions[0], [a])
    np.testing.assert_allclose(functions[0](a)[0], expected[0], rtol=1e-13)


# ---- when they do not fit ---------------------------------------------------------------
def test_small_arrays_take_the_plain_program() -> None:
    x = ga.vector("x", shape=("n",))
    f = function([x], ga.exp(x) * x + 1)
    f(np.ones(1000))
    assert not large_program(f).is_made
    f(np.ones(large.FROM))
    assert large_program(f).is_made


def test_sizes_known_to_be_small_are_not_asked() -> None:
    x = ga.matrix("x", shape=(10, 10))
    f = function([x], ga.exp(x) * x + 1)
    assert "large" not in f.source


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tiny: None, layout: str) -> None:
    x, y = ga.matrix("x", shape=("n", "m")), ga.vector("y", shape=("m",))
    f = function([x, y], [ga.exp(x) * y + 1, (x * y).sum(axis=1)])
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 5)), rng.normal(size=5)
    for found, expected in zip(f(LAYOUTS[layout](a), LAYOUTS[layout](b)), f(a, b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_sizes_that_broadcast_only_now(tiny: None) -> None:
    x, y = ga.vector("x"), ga.vector("y")
    f = function([x, y], ga.exp(x) * y + y)
    a, b = np.arange(5.0), np.array([2.0])
    np.testing.assert_array_equal(f(a, b), np.exp(a) * b + b)
    np.testing.assert_array_equal(f(b, a), np.exp(b) * a + a)


def test_no_elements(tiny: None) -> None:
    x = ga.matrix("x", shape=("n", "m"))
    f = function([x], [ga.exp(x) * x, (x * x).sum(axis=0)])
    grown, sums = f(np.ones((0, 3)))
    assert grown.shape == (0, 3)
    assert sums.tolist() == [0, 0, 0]


# ---- calls -------------------------------------------------------------------------------
def test_many_threads_may_call_at_once(tiny: None) -> None:
    x = ga.vector("x", shape=("n",))
    f = function([x], [ga.exp(x) * x, (x * x).sum()])
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=100 + i) for i in range(8)]
    expected = [bits(f(a)) for a in arrays]
    failed: list[int] = []

    def call(i: int) -> None:
        for _ in range(30):
            if bits(f(arrays[i])) != expected[i]:
                failed.append(i)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_no_thread_warns(tiny: None) -> None:
    x = ga.vector("x", shape=("n",))
    f = function([x], ga.log(x) * x + 1, threads=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(np.zeros(500))


def test_pickles_make_their_blocks_anew(tiny: None) -> None:
    x = ga.vector("x", shape=("n",))
    f = function([x], ga.exp(x) * x + 1)
    a = np.linspace(-1, 1, 50)
    expected = f(a)
    again = pickle.loads(pickle.dumps(f))
    assert not large_program(again).is_made
    np.testing.assert_array_equal(again(a), expected)
    assert large_program(again).is_made


def test_source_and_plan_show_the_blocks(tiny: None) -> None:
    x = ga.vector("x", shape=("n",))
    f = function([x], (ga.exp(x) * x).sum())
    assert "(found := large(x))" in f.source
    f(np.ones(50))
    assert "def block0(x, b0):" in f.source
    assert "exp(x, out=b0)" in f.source
    assert [str(s.group) for s in f.plan.steps if s.group] == ["kernel[j<n]"]


def test_results_are_the_callers_own(tiny: None) -> None:
    x = ga.vector("x", shape=("n",))
    f = function([x], [ga.exp(x) * x, ga.exp(x) * x])
    a = np.ones(20)
    one, two = f(a)
    one[:] = 0
    assert two[0] == pytest.approx(np.e)
    assert f(a)[0][0] == pytest.approx(np.e)


# ---- random programs -----------------------------------------------------------------------
@given(NUMBERS)
@settings(max_examples=25)
def test_random_programs(numbers: list[int]) -> None:
    made = RandomProgram(numbers, smooth=True)
    note(repr(made))
    cost = sum(ga.sum(v * ga.cos(v)) for v in made.outputs)
    outputs = [*made.outputs, *ga.grad(cost, made.inputs, disconnected="zero")]
    with pytest.MonkeyPatch.context() as patch:
        make_tiny(patch)
        f = function(made.inputs, outputs)
        found, expected = f(*made.arrays), plainly(f, made.arrays)
    for a, b in zip(found, map(np.asarray, expected), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


def test_blocks_are_made_when_calls_were_enough_work() -> None:
    x = ga.matrix("x", shape=("n", "m"))
    total = ga.sum(ga.exp(x) * x - ga.tanh(x))  # five steps
    f, same = (ga.function([x], total, deterministic=d) for d in (False, True))
    array = np.linspace(-3, 3, 512 * 512).reshape(512, 512)
    calls = -(-large.PATIENCE // (5 * array.size))
    expected = same(array)
    assert large_program(same).is_made
    for _ in range(calls - 1):
        f(array)
    assert not large_program(f).is_made
    assert f(array) == pytest.approx(expected, rel=1e-13)
    assert large_program(f).is_made
