"""Every function of the op table, tested from its one declaration.

A new op is tested by existing: its samples say on which arguments, its reference against what.
Every function is tested at every run, on a few of its samples; ``-m full`` takes the others, and
repeats everything with more seeds and in more combinations.
"""

from __future__ import annotations

import inspect
import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphad import tree
from graphad.derivatives.forward import jvp
from graphad.derivatives.reverse import vjp
from graphad.errors import AxisError, GraphadError, ShapeError
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.testing.gradients import Runner, check_grads, compiled, interpret
from graphad.testing.numeric import slope
from graphad.testing.samples import Case, all_cases, cases_of, everyday, inputs_for
from graphad.testing.variants import LAYOUTS, RESIZED

Array = np.ndarray[Any, Any]

# ---- what is tested -------------------------------------------------------------------------

# Functions without samples, and why.
UNTESTED = {
    "iscomplexobj": "a Python bool, known at once; tests/ops/test_comparing.py",
    "isrealobj": "a Python bool, known at once; tests/ops/test_comparing.py",
    "dim_size": "the value of an entry of x.shape; tests/ir/test_dims.py",
    "broadcast_shapes": "gives a shape; tests/ops/test_asking.py",
    "ndim": "gives an int; tests/ops/test_asking.py",
    "shape": "gives a shape; tests/ops/test_asking.py",
    "size": "gives an int; tests/ops/test_asking.py",
    "result_type": "gives a dtype; tests/ops/test_asking.py",
    "can_cast": "gives a bool; tests/ops/test_asking.py",
    "vectorize": "gives a function; tests/ops/test_applying.py",
    "callback": "calls what the user gives; tests/ops/test_effects.py",
    "unstack": "needs a known size; tests/ops/test_splitting.py",
    "getitem_by": "getitem with a parsed index, for rules; reached by the gradients of getitem",
    "scatter_add": "transpose of getitem, for rules; reached by the gradients of getitem",
}

CASES = list(all_cases())
FLOATS = [case for case in CASES if any(a.dtype.kind == "f" for a in case.arrays)]
SMOOTH = [case for case in FLOATS if case.entry.differentiable]

RUNNERS: dict[str, Runner] = {"interpreter": interpret, "compiled": compiled}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:numpy")


EVERYDAY = everyday()


_number = itertools.count()  # of the test that is being parametrised


def each(cases: Sequence[Case]) -> Any:
    """Every case with every runner; the everyday run takes one runner for each chosen case."""
    test = next(_number)
    rows = []
    for case in cases:
        first = zlib.crc32(f"{case} {test}".encode()) % len(RUNNERS)
        for i, (name, runner) in enumerate(RUNNERS.items()):
            everyday = str(case) in EVERYDAY and i == first
            marks = () if everyday else pytest.mark.full
            rows.append(pytest.param(case, runner, id=f"{name}-{case}", marks=marks))
    return pytest.mark.parametrize(("case", "run"), rows)


def test_every_function_has_samples_and_a_reference() -> None:
    bare = {name for name, e in OPS.entries.items() if e.samples is None or e.reference is None}
    assert bare == set(UNTESTED), "declare samples and a reference, or give a reason here"
    assert {case.entry.name for case in CASES} == set(OPS) - set(UNTESTED)


# ---- values, dtypes, shapes -----------------------------------------------------------------

# Where we deviate from NumPy on purpose: (name, kind of variation) -> the reason.
DEVIATIONS = {
    ("astype", "complex"): "a cast that drops the imaginary part is an error, not a warning",
    ("real_if_close", "complex"): "the dtype would depend on values",
    ("cov", "unknown"): "a matrix of one row and column is a scalar if its size is known",
    ("corrcoef", "unknown"): "a matrix of one row and column is a scalar if its size is known",
    ("squeeze", "unknown"): "without axis=, only axes known to have size 1 are removed",
}


def compute(case: Case, run: Runner, sizes: str = "static") -> list[Array]:
    """The values of the entry's function."""
    variables = inputs_for(case.arrays, sizes)
    return [np.asarray(v) for v in run(variables, case.build(*variables))(*case.arrays)]


def assert_like_numpy(case: Case, run: Runner, sizes: str = "static") -> None:
    """Same dtype, shape and value as NumPy's, or an error from both."""
    try:
        expected = case.reference(*case.arrays)
    except Exception:
        with pytest.raises((GraphadError, ValueError, IndexError)):
            compute(case, run, sizes)
        return
    values = compute(case, run, sizes)
    assert [(v.dtype, v.shape) for v in values] == [(e.dtype, e.shape) for e in expected]
    # A few roundings in the coarsest of the dtypes involved, in sums of terms of order 1.
    eps = max(
        [np.finfo(a.dtype).eps for a in (*values, *case.arrays) if a.dtype.kind in "fc"] or [0]
    )
    for value, wanted in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=16 * eps, atol=16 * eps)


def follows_numpy(case: Case, variation: str) -> bool:
    return (case.entry.name, variation) not in DEVIATIONS


def sizes_of(case: Case) -> Sequence[str]:
    return ("static", "unknown") if follows_numpy(case, "unknown") else ("static",)


@each(CASES)
def test_value(case: Case, run: Runner) -> None:
    assert case.reference(*case.arrays)  # samples are legal arguments
    assert_like_numpy(case, run)


@each([case for case in CASES if follows_numpy(case, "unknown")])
def test_value_of_unknown_size(case: Case, run: Runner) -> None:
    assert_like_numpy(case, run, "unknown")


@each([case for case in CASES if case.arrays])
def test_layouts(case: Case, run: Runner) -> None:
    for convert in LAYOUTS.values():
        assert_like_numpy(case.converted(convert), run)


def lacks_axis(case: Case) -> bool:
    """Is an axis named that arrays without axes do not have? NumPy lets 0 and -1 pass there."""
    if all(array.ndim for array in case.arrays):
        return False
    try:
        case.build(*inputs_for(case.arrays))
    except AxisError:
        return True
    except GraphadError:
        pass
    return False


@pytest.mark.parametrize("size", RESIZED)
@each([case for case in CASES if case.arrays])
def test_sizes(case: Case, run: Runner, size: str) -> None:
    resized = case.converted(RESIZED[size])
    for sizes in sizes_of(case):
        if not lacks_axis(resized):
            assert_like_numpy(resized, run, sizes)


def cast(dtype: str) -> Callable[[Array], Array]:
    """Floats to `dtype`; what selects (indices, conditions) stays as it is."""

    def convert(array: Array) -> Array:
        if array.dtype.kind != "f":
            return array
        if dtype.startswith("complex"):
            return np.asarray((array + 0.5j * np.cos(7 * array)).astype(dtype))
        return (np.abs(array) if dtype.startswith("uint") else array).astype(dtype)

    return convert


@each(FLOATS)
def test_real_dtypes(case: Case, run: Runner) -> None:
    for dtype in "float32 float16 int64 int32 int8 uint64 uint8 bool".split():
        assert_like_numpy(case.converted(cast(dtype)), run)


@each([case for case in FLOATS if follows_numpy(case, "complex")])
def test_complex_dtypes(case: Case, run: Runner) -> None:
    for dtype in ("complex64", "complex128"):
        assert_like_numpy(case.converted(cast(dtype)), run)


@each([case for case in FLOATS if len(case.arrays) > 1])
def test_mixed_dtypes(case: Case, run: Runner) -> None:
    for dtype in "float32 int64 uint8 bool complex64".split():
        for chosen in {0, len(case.arrays) - 1}:
            columns = enumerate(case.arrays)
            arrays = [cast(dtype)(a) if i == chosen else a for i, a in columns]
            assert_like_numpy(replace(case, arrays=tuple(arrays)), run)


# ---- derivatives ----------------------------------------------------------------------------


@each(SMOOTH)
def test_gradients(case: Case, run: Runner) -> None:
    check_grads(case.build, case.arrays, order=case.entry.order, runner=run)


@each(SMOOTH)
def test_gradients_of_unknown_size(case: Case, run: Runner) -> None:
    check_grads(case.build, case.arrays, order=case.entry.order, runner=run, sizes="unknown")


@each(SMOOTH)
def test_gradients_of_named_size(case: Case, run: Runner) -> None:
    try:
        check_grads(case.build, case.arrays, order=case.entry.order, runner=run, sizes="named")
    except ShapeError as error:  # a keyword gives sizes: a shape, weights, a mask
        assert any(isinstance(v, tuple) or np.ndim(v) for v in case.keywords.values())
        assert "named sizes match only themselves and 1" in str(error)


def is_defined(case: Case) -> bool:
    """Does NumPy have a value here?"""
    try:
        return all([np.isfinite(value).all() for value in case.reference(*case.arrays)])
    except Exception:
        return False


@each([case for case in SMOOTH if case.arrays])
def test_gradients_of_other_sizes(case: Case, run: Runner) -> None:
    for convert in RESIZED.values():
        resized = case.converted(convert)
        if is_defined(resized) and not lacks_axis(resized):
            for sizes in sizes_of(case):
                check_grads(
                    resized.build, resized.arrays, order=case.entry.order, sizes=sizes, runner=run
                )


COMPLEX = [case.converted(cast("complex128")) for case in SMOOTH if follows_numpy(case, "complex")]


@each([case for case in COMPLEX if is_defined(case)])
def test_complex_gradients(case: Case, run: Runner) -> None:
    check_grads(case.build, case.arrays, order=case.entry.order, runner=run)


def derivative_graph(case: Case) -> tuple[list[Variable], list[Variable]]:
    """Inputs (arguments, cotangent, tangents) and outputs: vjp, jvp, and the vjp of the vjp."""
    arguments = inputs_for(case.arrays)
    results = smooth(case.build(*arguments))
    wrt = [v for v in arguments if v.dtype.kind in "fc"]
    cotangents, tangents = ([Variable(v.type) for v in vs] for vs in (results, wrt))
    first = vjp(results, wrt, cotangents)
    outputs = [*first, *jvp(results, wrt, tangents), *vjp(first, wrt, tangents)]
    return [*arguments, *cotangents, *tangents], outputs


def smooth(results: Sequence[Any]) -> list[Any]:
    """Those of several results that are floats, and so have derivatives."""
    return [v for v in results if v.dtype.kind in "fc"]


def random_inputs(case: Case, variables: Sequence[Variable]) -> list[Array]:
    """The arguments, and random numbers that are exact in float32 for the other inputs."""
    rng = np.random.default_rng(case.number)
    rest = variables[len(case.arrays) :]
    like = [*smooth(case.reference(*case.arrays)), *smooth(case.arrays)]  # cotangents, tangents
    drawn = [np.asarray(rng.normal(size=a.shape)).astype("float32") for a in like]
    return [*case.arrays, *[a.astype(v.dtype) for a, v in zip(drawn, rest, strict=True)]]


@each(SMOOTH)
def test_derivatives_for_layouts(case: Case, run: Runner) -> None:
    variables, outputs = derivative_graph(case)
    call, arrays = run(variables, outputs), random_inputs(case, variables)
    expected = call(*arrays)
    for convert in LAYOUTS.values():
        for a, b in zip(call(*map(convert, arrays)), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14)


@each(SMOOTH)
def test_float32_derivatives(case: Case, run: Runner) -> None:
    """Derivatives have the arguments' dtype, and differ from those in float64 at the same point by
    a few dozen roundings (the longest of these graphs has about 30 operations in a row)."""
    single = case.converted(cast("float32"))
    double = single.converted(cast("float64"))
    results = []
    for version in (single, double):
        variables, outputs = derivative_graph(version)
        arguments, others = variables[: len(case.arrays)], variables[len(case.arrays) :]
        wrt = [v.dtype for v in arguments if v.dtype.kind in "fc"]
        directions = [v.dtype for v in others[: len(others) - len(wrt)]]
        assert [v.dtype for v in outputs] == [*wrt, *directions, *wrt]
        results.append(run(variables, outputs)(*random_inputs(version, variables)))
    for a, b in zip(*results, strict=True):
        assert a.shape == b.shape
        error = np.max(np.abs(a - b), initial=0.0)
        assert error <= 64 * np.finfo("float32").eps * np.max(np.abs(b), initial=1.0)


@each(SMOOTH)
def test_jvp_against_numpy(case: Case, run: Runner) -> None:
    """NumPy's own function, differentiated numerically: to full precision where it is analytic."""
    variables, outputs = derivative_graph(case)
    arrays = random_inputs(case, variables)
    count = sum(a.dtype.kind in "fc" for a in case.arrays)
    moving = iter(arrays[-count:])
    directions = [next(moving) if a.dtype.kind in "fc" else np.zeros_like(a) for a in case.arrays]
    slopes, precision = slope(lambda *xs: smooth(case.reference(*xs)), case.arrays, directions)
    found = run(variables, outputs[count : len(outputs) - count])(*arrays)
    for computed, expected in zip(found, slopes, strict=True):
        scale = np.max(np.abs(expected), initial=1.0)
        assert np.max(np.abs(computed - expected), initial=0.0) <= precision * scale


# ---- NumPy's functions on Variables, the table ----------------------------------------------

ALIASES = [
    (function, case)
    for function, target in OPS.by_numpy.items()
    for case in CASES
    if case.entry.function is target and case.arrays
]


def call_numpy(function: Any, case: Case, arrays: Sequence[Any]) -> Any:
    """`function` with the case's arguments; by position where NumPy has another name for them."""
    positional, named = case.structure.unflatten(list(arrays))
    signature = inspect.signature(case.entry.function)
    given = signature.bind(*positional, **named, **case.keywords)
    try:
        parameters = inspect.signature(function).parameters
        known = {n for n, p in parameters.items() if p.kind is not p.POSITIONAL_ONLY}
    except ValueError:  # written in C
        known = set(case.keywords) if isinstance(function, np.ufunc) else set()
    keywords = {n: v for n, v in {**named, **case.keywords}.items() if n in known}
    rest: list[Any] = []
    order = list(signature.parameters)
    for name, value in given.arguments.items():
        kind = signature.parameters[name].kind
        if order.index(name) > len(rest) and name in case.keywords:  # after one that is left out
            keywords[name] = value
        elif kind is inspect.Parameter.VAR_KEYWORD:
            keywords |= value
        elif name not in keywords:
            rest += value if kind is inspect.Parameter.VAR_POSITIONAL else [value]
    return function(*rest, **keywords)


@pytest.mark.parametrize(
    ("function", "case"), ALIASES, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_numpy_function_on_variables(function: Any, case: Case) -> None:
    variables = inputs_for(case.arrays)
    ours = Graph(variables, case.build(*variables))
    observe = case.entry.observe or (lambda result: result)
    theirs = tree.flatten(observe(call_numpy(function, case, variables)))[0]
    assert Graph(variables, theirs) == ours


def test_every_family_is_reached() -> None:
    """The ops that rules build are tested too: they appear in values or derivatives of cases."""
    reached = set()
    for case in CASES:
        variables = inputs_for(case.arrays, "unknown")
        reached |= {node.op.name for node in Graph(variables, case.build(*variables)).nodes}
    for case in SMOOTH:
        reached |= {node.op.name for node in Graph(*derivative_graph(case)).nodes}
    # What users state: tests/derivatives; no derivative: tests/ops/test_linalg_points.py
    others = {"marked", "checkpoint", "custom", "primitive", "grad_scale", "grad_clip"}
    others |= {"solution", "qr_complete", "qr_raw", "svd_full"}
    # With inner graphs: tests/control; what tracing puts in the place of values: tests/functional;
    # draws: tests/random; sizes that are compared in the call: tests/runtime/test_arguments.py.
    others |= {"scan", "scan_recomputing", "switch", "callback", "argument", "agreeing"}
    left = {name for name in set(OPS.families) - reached if not name.startswith("random.")}
    assert left == others


# ---- more of the same -----------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("run", RUNNERS.values(), ids=RUNNERS)
@pytest.mark.parametrize("seed", (1, 2))
@pytest.mark.parametrize("name", sorted({case.entry.name for case in CASES}))
def test_other_seeds(name: str, seed: int, run: Runner) -> None:
    """Other numbers, up to the third order, in all combinations of sizes and layouts."""
    for case in cases_of(OPS.entries[name], seed):
        for sizes in sizes_of(case):
            for convert in (np.asarray, *LAYOUTS.values(), *RESIZED.values()):
                varied = case.converted(convert)
                if not lacks_axis(varied):
                    assert_like_numpy(varied, run, sizes)
        if case.entry.differentiable and any(a.dtype.kind == "f" for a in case.arrays):
            for sizes in ("static", "unknown"):
                check_grads(case.build, case.arrays, order=3, sizes=sizes, seed=seed, runner=run)
