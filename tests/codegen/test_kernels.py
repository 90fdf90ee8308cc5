"""Native kernels: the values of the interpreter, in any layout, size and number of threads."""

from __future__ import annotations

import ctypes
import gc
import pickle
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import entry, llvm, nest
from graphad.errors import MissingLibraryError, ShapeError
from graphad.testing.programs import RandomProgram
from graphad.testing.variants import LAYOUTS

pytest.importorskip("llvmlite")

Array = np.ndarray[Any, Any]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, 3.0, 5e-324, -1e-310, 1e300])


def native(inputs: Any, outputs: Any, **options: Any) -> ga.Function:
    return ga.function(inputs, outputs, backend="llvm", unused="ignore", debug=True, **options)


def kernels(f: ga.Function) -> list[str]:
    """What the kernels of a function are called in its plan."""
    return [str(step.group) for step in f.plan.steps if step.group is not None]


def bits(arrays: Sequence[Any]) -> list[bytes]:
    return [np.asarray(a).tobytes() for a in arrays]


def interpreted(inputs: Any, outputs: Any) -> ga.Function:
    return ga.function(inputs, outputs, backend="interpreter", unused="ignore")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, chunks and threads already for the small arrays of tests."""
    monkeypatch.setattr(nest, "BLOCK", 16)
    monkeypatch.setattr(entry, "BLOCK", 16)
    monkeypatch.setattr(entry, "CHUNK", 32)
    monkeypatch.setattr(entry, "RELEASE", 100)
    monkeypatch.setattr(entry, "SHARE", 150)


# ---- exact ops are exact ---------------------------------------------------------------------
UNARY: dict[str, Callable[[Any], Any]] = {
    "negative": lambda x: -x, "abs": abs, "square": ga.square, "sqrt": ga.sqrt,
    "reciprocal": ga.reciprocal, "sign": ga.sign, "floor": ga.floor, "ceil": ga.ceil,
    "trunc": ga.trunc, "rint": ga.rint, "isnan": ga.isnan, "isinf": ga.isinf,
    "isfinite": ga.isfinite, "signbit": ga.signbit, "relu": ga.relu,
    "where": lambda x: ga.where(x > 1, x, 1), "not": lambda x: ga.logical_not(x),
    "to float32": lambda x: (x + x).astype("float32"), "to bool": lambda x: (x + x).astype(bool),
    "and back": lambda x: (x > 0).astype("float64") + x.astype("float32"),
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y, "maximum": ga.maximum, "minimum": ga.minimum,
    "less": lambda x, y: x < y, "less_equal": lambda x, y: x <= y, "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y, "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y, "strong": ga.strong_multiply,
    "masked": ga.masked_multiply, "and": ga.logical_and, "or": ga.logical_or,
    "xor": ga.logical_xor, "no contraction": lambda x, y: ga.sqrt(x * x - y * y),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_exact_ops_on_special_values(name: str, dtype: str) -> None:
    """Bit for bit as NumPy, for NaN, infinities, both zeros and subnormal numbers."""
    with np.errstate(over="ignore"):
        first, second = [a.ravel().astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL)]
    x, y = ga.vector("x", dtype=dtype, shape=("n",)), ga.vector("y", dtype=dtype, shape=("n",))
    output = UNARY[name](x) if name in UNARY else BINARY[name](x, y)
    f = native([x, y], [output])
    assert len(kernels(f)) == 1
    (found,), (expected,) = f(first, second), interpreted([x, y], [output])(first, second)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    if found.dtype.kind == "f":  # NaN have no sign that matters
        known = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(found)[known], np.signbit(expected)[known])


NOT_OF_BOOLEANS = {"negative", "sign", "subtract", "no contraction"}  # as in NumPy


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8", "uint64", "bool"])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_integers_and_booleans(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 7, 45).astype(dtype), rng.integers(1, 7, 45).astype(dtype)]
    x, y = (ga.vector(n, dtype=dtype, shape=("n",)) for n in "xy")
    if dtype == "bool" and name in NOT_OF_BOOLEANS:
        with pytest.raises(ga.GraphadError):
            _ = UNARY[name](x) if name in UNARY else BINARY[name](x, y)
        return
    output = UNARY[name](x) if name in UNARY else BINARY[name](x, y)
    found, expected = (make([x, y], [output])(*arrays)[0] for make in (native, interpreted))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


FUNCTIONS = ("sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 "
             "expm1 log log2 log10 log1p cbrt sigmoid softplus").split()  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_within_a_few_ulp(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([SPECIAL, rng.normal(size=500), 20 * rng.normal(size=500)])
    x = ga.vector("x", dtype=dtype, shape=("n",))
    output = getattr(ga, name)(x)
    array = values.astype(dtype)
    found, expected = (make([x], output)(array) for make in (native, interpreted))
    scale = np.spacing(np.maximum(np.abs(expected), np.finfo(dtype).tiny))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        different = ~((found == expected) | np.isnan(found))
        error = np.abs(found - expected)[different] / scale[different]
    assert np.max(error, initial=0) <= 8  # 4 ulp each
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(found)[zero], np.signbit(expected)[zero])


# ---- groups ----------------------------------------------------------------------------------
M, V, C = (ga.matrix("m", shape=("n", "k")), ga.vector("v", shape=("k",)),
           ga.matrix("c", shape=("n", 1)))  # fmt: skip
ARRAYS = [np.linspace(-1, 2, 77).reshape(7, 11), np.linspace(0, 1, 11), np.ones((7, 1)) / 3]
CASES: dict[str, Callable[[], Any]] = {
    "chain": lambda: [ga.tanh(M * 2) + 1],
    "several outputs": lambda: [M + 1, (M + 1) * 2, M > 0],
    "row vector": lambda: [M * V + V],
    "column vector": lambda: [M * C - C],
    "outer product": lambda: [C * V],
    "inserted axes": lambda: [M[:, :, None] * V[None, :, None]],
    "total": lambda: [ga.sum(M * M)],
    "extrema": lambda: [ga.max(M * V), ga.min(M - C), ga.max(M * 2, axis=1)],
    "logic": lambda: [ga.any(M > 1.9), ga.all(M > V, axis=0), ga.any(M > 1, axis=1)],
    "product": lambda: [ga.prod(1 + M / 10)],
    "rows": lambda: [ga.sum(M * V, axis=1), ga.sum(M, axis=1, keepdims=True) * 2],
    "columns": lambda: [ga.sum(M * V, axis=0), ga.sum(M * M, axis=0, keepdims=True)],
    "rows and columns": lambda: [ga.sum((M - M.mean(axis=1, keepdims=True)) * V, axis=0)],
    "softmax": lambda: [ga.softmax(M * 2, axis=1)],
    "logsumexp": lambda: [ga.logsumexp(M, axis=1), ga.logsumexp(M + V)],
    "first axis": lambda: [ga.softmax(M, axis=0), ga.logsumexp(M, axis=0)],
    "loss": lambda: [ga.mean(ga.logsumexp(M * V, axis=1) - M[:, 0])],
    "variance": lambda: [ga.var(M), ga.std(M, axis=1), ga.var(M, axis=0)],
    "stretched": lambda: [ga.broadcast_to(V, M.shape) * 2, ga.broadcast_to(C, M.shape)],
    "counts": lambda: [ga.sum(M > 0), ga.sum((M * 3).astype("int32"), axis=1)],
    "gradients": lambda: ga.grad(ga.sum(ga.tanh(M * V) * ga.exp(C)), [M, V, C]),
    "gradients of rows": lambda: ga.grad(ga.sum(ga.softmax(M * V, axis=1) * C), [M, V, C]),
    "views between": lambda: [ga.sum((M.T * 2)[1:] + 1, axis=1), ga.exp(M)[::-1] * 2],
    "an output is read again": lambda: [(e := ga.exp(M)), e.sum(axis=1), (e @ V) * 2],
    "one number for all": lambda: [M * ga.sum(V) + ga.max(M)],
    "a long chain": lambda: [_chain(M, 300)],
    "float32 and float64": lambda: [M.astype("float32") * np.float32(2) + M],
}  # fmt: skip


def _chain(x: Any, length: int) -> Any:
    for i in range(length):
        x = x * 0.9 + (0.1 if i % 3 else x)
    return x


def close(found: Sequence[Any], expected: Sequence[Any]) -> None:
    for a, b in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        tolerance = 1e-5 if b.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_groups(name: str) -> None:
    outputs = CASES[name]()
    f, reference = native([M, V, C], outputs), interpreted([M, V, C], outputs)
    assert kernels(f) or name in ("first axis", "stretched")
    for rows, columns in [(7, 11), (1, 1), (2, 40), (33, 3), (0, 4), (4, 0), (1, 2000), (300, 8)]:
        if 0 in (rows, columns) and name in ("extrema", "one number for all"):
            continue
        rng = np.random.default_rng(rows)
        arrays = [rng.normal(size=s) for s in ((rows, columns), (columns,), (rows, 1))]
        if name == "loss" and columns == 0:
            continue
        close(f(*arrays), reference(*arrays))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(name: str, layout: str) -> None:
    outputs = CASES[name]()
    f = native([M, V, C], outputs)
    expected = f(*ARRAYS)
    arrays = [LAYOUTS[layout](a) for a in ARRAYS]
    copies = [a.copy() for a in arrays]
    close(f(*arrays), expected)
    assert bits(arrays) == bits(copies)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("name", CASES)
def test_threads_change_no_bit(name: str) -> None:
    outputs = CASES[name]()
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in ((60, 37), (37,), (60, 1))]
    results = [bits(native([M, V, C], outputs, threads=n)(*arrays)) for n in (1, 2, 4)]
    assert results[0] == results[1] == results[2]
    close(native([M, V, C], outputs)(*arrays), interpreted([M, V, C], outputs)(*arrays))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("seed", range(40))
def test_random_programs_in_small_chunks(seed: int) -> None:
    made = RandomProgram(np.random.default_rng(seed).integers(0, 2**16, 200), smooth=seed % 2 == 0)
    found = native(made.inputs, made.outputs)(*made.arrays)
    expected = interpreted(made.inputs, made.outputs)(*made.arrays)
    coarse = any(a.dtype in (np.float32, np.float16) for _, a in made.values)
    bound = 2e-2 if coarse else 1e-11
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def test_results_own_their_memory() -> None:
    outputs = [M + 1, M + 1, (M + 1)[0], M, ga.exp(M), ga.exp(M).T]
    f = native([M], outputs)
    results = f(ARRAYS[0])
    for i, a in enumerate(results):
        assert a.flags.writeable
        assert not any(np.shares_memory(a, b) for b in (*results[:i], ARRAYS[0]))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 8, 16, 17, 40])
def test_sums_of_negative_zeros_are_zero(n: int, dtype: str) -> None:
    """0.0, as in NumPy, and not -0.0; rows that fit into a vector are a case of their own."""
    for size in ("n", n):
        x = ga.matrix("x", shape=("m", size), dtype=dtype)
        outputs = [ga.sum(x * 1.5, axis=axis) for axis in (0, 1, None)]
        for found in native([x], outputs)(np.full((5, n), -0.0, dtype)):
            assert not np.any(found) and not np.any(np.signbit(found))


def test_sums_are_accurate() -> None:
    """Long sums stay close to the exact one, in float32 too."""
    x = ga.vector("x", shape=("n",), dtype="float32")
    array = np.random.default_rng(0).uniform(size=3_000_000).astype("float32")
    found = float(native([x], ga.sum(x * 1))(array))
    exact = float(np.sum(array.astype("float64")))
    assert abs(found - exact) / exact < 1e-6


# ---- sizes that are not known, errors --------------------------------------------------------
def test_sizes_that_broadcast_at_run_time() -> None:
    x, y = ga.matrix("x"), ga.matrix("y")
    outputs = [x * y + 1, ga.sum(ga.exp(x) * y), *ga.grad(ga.sum(ga.exp(x) * y), [x, y])]
    f, reference = native([x, y], outputs), interpreted([x, y], outputs)
    rng = np.random.default_rng(0)
    for first, second in [((3, 4), (3, 4)), ((3, 1), (1, 4)), ((1, 1), (5, 2)), ((0, 4), (1, 4))]:
        arrays = [rng.normal(size=first), rng.normal(size=second)]
        close(f(*arrays), reference(*arrays))


def test_errors_are_those_of_numpy() -> None:
    x, y = ga.vector("x"), ga.vector("y")
    f = native([x, y], x * y + 1, name="product")
    with pytest.raises(ShapeError, match="product: operands could not be broadcast") as caught:
        f([1.0, 2.0], [1.0, 2.0, 3.0])
    assert "test_kernels.py" in str(caught.value)


def test_shared_variables_and_updates() -> None:
    w = ga.shared(np.ones(50), name="w")
    x = ga.vector("x", shape=(50,))
    loss = ga.sum((w * x - 1) ** 2)
    step = ga.function([x], loss, updates={w: w - 0.1 * ga.grad(loss, w)}, backend="llvm")
    before = w.value
    step(np.full(50, 2.0))
    np.testing.assert_allclose(w.value, before - 0.1 * 4)


# ---- threads, pickling, missing library ------------------------------------------------------
def test_calls_from_several_threads() -> None:
    outputs = [ga.softmax(M * V, axis=1), ga.sum(M * M)]
    f = native([M, V], outputs)
    rng = np.random.default_rng(0)
    inputs = [[rng.normal(size=(300, 200)), rng.normal(size=200)] for _ in range(4)]
    expected = [bits(f(*arrays)) for arrays in inputs]
    failures: list[Any] = []

    def work(i: int) -> None:
        for _ in range(20):
            if bits(f(*inputs[i])) != expected[i]:
                failures.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_pickling_makes_machine_code_anew() -> None:
    f = native([M, V], [ga.tanh(M * V), ga.sum(M)])
    again = pickle.loads(pickle.dumps(f))
    assert bits(again(*ARRAYS[:2])) == bits(f(*ARRAYS[:2]))
    assert kernels(again) == kernels(f)


def test_inner_graphs_have_kernels_too() -> None:
    f = native([V], ga.jacobian(ga.tanh(V * V) * V, V))
    close([f(ARRAYS[1])], [interpreted([V], ga.jacobian(ga.tanh(V * V) * V, V))(ARRAYS[1])])
    again = pickle.loads(pickle.dumps(f))
    assert bits([again(ARRAYS[1])]) == bits([f(ARRAYS[1])])


def test_without_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    llvm.look_again()
    try:
        with pytest.raises(MissingLibraryError, match=r"graphad\[jit\]"):
            ga.function([M], M + 1, backend="llvm")
        for backend in ("auto", "numpy", "interpreter"):
            close([ga.function([M], M + 1, backend=backend)(ARRAYS[0])], [ARRAYS[0] + 1])
    finally:
        llvm.look_again()


# ---- what can be seen ------------------------------------------------------------------------
def test_plan_and_source_show_the_groups() -> None:
    f = native([M, V], [ga.sum(ga.tanh(M * V) + 1), M @ V])
    assert kernels(f) == ["kernel[i<n, j<k]"]
    assert "of multiply, tanh, add, sum" in str(f.plan)
    assert "kernel0(m, v, v" in f.source and "# test_kernels.py" in f.source
    loop = str(f._compiled.native.kernels.loops[0])
    assert "call:tanh" in loop and "total sum" in loop


def test_ops_without_a_lowering_stay_numpy_calls() -> None:
    f = native([M, V], [ga.sort(M * V, axis=1) * 2, ga.remainder(M, 2.0) + 1])
    assert "sort(" in f.source and "remainder(" in f.source and len(kernels(f)) == 3
    close(f(*ARRAYS[:2]), [np.sort(ARRAYS[0] * ARRAYS[1], axis=1) * 2, ARRAYS[0] % 2 + 1])


def test_descriptions_outlive_what_describes() -> None:
    """A function reads its description when it goes, maybe after its owner was taken apart."""
    code = ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value or 0  # never called
    described = llvm.method("kernel", code)
    place, owner = ctypes.addressof(described), [described]
    function = llvm.callable_of(described, owner)
    owner.clear()  # what the collector may do first
    del described
    churn = [bytes([255]) * n for n in range(2_000)]
    assert llvm.Method.from_address(place).flags == 0x80 and len(churn) == 2_000
    del function
    gc.collect()
    assert place in [ctypes.addressof(spare) for spare in llvm._spare]  # and is used again


def test_elements_of_computed_arrays_are_operands() -> None:
    x, y = ga.matrix("x", shape=(3, 1)), ga.vector("y", shape=("n",))
    first = ga.sort(x, 0)[0, 0]
    f = native([x, y], [first, ga.exp(y) * ga.sin(y) * first])
    values = np.array([[3.0], [2.0], [4.0]]), np.array([0.1, 0.2])
    np.testing.assert_allclose(f(*values)[1], 2.0 * np.exp(values[1]) * np.sin(values[1]))


def test_parts_of_real_numbers() -> None:
    outputs = [ga.imag(M) * M + 1, ga.exp(ga.imag(M)), ga.real(M) * V, ga.imag(M).sum(axis=1)]
    f, same = native([M, V], outputs), interpreted([M, V], outputs)
    close(f(*ARRAYS[:2]), same(*ARRAYS[:2]))
