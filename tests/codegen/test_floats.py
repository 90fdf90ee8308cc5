"""Programs on plain floats give what NumPy gives: on every op, at every special value.

`math` raises where NumPy gives an infinity or NaN, `bool` is an integer for Python,
`-0.0` is easily
lost: each such place is a value that differs between the two kinds of program.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import GraphadError
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.op import OPS
from graphad.testing.samples import cases_of

FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.5, 3.0, 1e-300, -1e300, 5e-324, 700.0, -745.0,
          1e308, -1e16, np.inf, -np.inf, np.nan]  # fmt: skip
VALUES = {"float64": [np.float64(v) for v in FLOATS], "bool": [np.True_, np.False_]}
BACKENDS = ("auto", "numpy", "llvm", "interpreter")


def elementwise() -> list[str]:
    """Elementwise ops, without those that SciPy computes as a whole: on floats as on arrays."""
    return [
        name
        for name, entry in OPS.entries.items()
        if isinstance(entry.operation, Elementwise) and not name.startswith("special.")
    ]


def same(a: Any, b: Any, ulps: int) -> bool:
    """Equal type; equal value up to a few units in the last place; zeros of equal sign."""
    if type(a) is not type(b):
        return False
    if a.dtype.kind != "f" or np.isnan(a) or np.isnan(b):
        return bool(a == b) or bool(np.isnan(a) and np.isnan(b))
    if a == b:
        return bool(np.signbit(a) == np.signbit(b))
    return bool(abs(a - b) <= ulps * np.spacing(max(abs(a), abs(b))))


def signatures(name: str) -> Iterator[tuple[list[ga.Variable], ga.Variable]]:
    """Scalar inputs of all dtypes that the op accepts, and the op applied to them."""
    count = len(cases_of(OPS.entries[name])[0].arrays)
    for dtypes in itertools.product(VALUES, repeat=count):
        inputs = [ga.scalar(f"x{i}", dtype=d) for i, d in enumerate(dtypes)]
        try:
            result = OPS[name](*inputs)
        except GraphadError:
            continue
        if str(result.dtype) in VALUES:
            yield inputs, result


NOT_FOR_FLOATS = {"left_shift", "right_shift", "gcd", "lcm", "bitwise_count"}  # of integers alone


def numpy_disagrees_with_itself(name: str, arguments: Any) -> bool:
    """Where the result depends on the number of elements, or on the processor.

    ``np.power(x, 0.5)`` is √x for one exponent and pow for an array of them, which differ at -0.0
    and -inf; the larger of 0.0 and -0.0 is one or the other.
    """
    if name == "power":
        return bool(arguments[1] == 0.5 and arguments[0] in (0.0, -np.inf))
    return name in ("maximum", "minimum", "relu") and not any(arguments)


@pytest.mark.parametrize("name", elementwise())
def test_every_op_at_special_values(name: str) -> None:
    tested = list(signatures(name))
    assert tested or name in NOT_FOR_FLOATS
    for inputs, result in tested:
        functions = [ga.function(inputs, result, backend=backend) for backend in BACKENDS]
        values = [VALUES[str(v.dtype)] for v in inputs]
        for arguments in itertools.product(*values):
            if numpy_disagrees_with_itself(name, arguments):
                continue
            *found, reference = (f(*arguments) for f in functions)
            for backend, value in zip(BACKENDS, found, strict=False):
                assert same(value, reference, 4), (backend, arguments, value, reference)


def test_most_ops_have_a_program_on_floats() -> None:
    written = set()
    for name in elementwise():
        for inputs, result in signatures(name):
            if all(v.dtype == np.float64 for v in inputs):
                f = ga.function(inputs, result, rules=())
                written |= {name} if f._compiled.floats is not None else set()
    assert len(written) > 60
    assert {"exp", "where", "maximum", "sign", "power", "arctan2", "sigmoid", "floor"} <= written


# ---- several ops in a row -----------------------------------------------------------------------

X, Y, B = ga.scalar("x"), ga.scalar("y"), ga.scalar("b", dtype="bool")
strong = OPS["strong_multiply"]
COMPOSITES = [
    ga.logical_and(X, Y).astype(float), ga.logical_or(X, Y).astype(float) * X,
    ((X > 0) + (Y > 0)).astype(float), ((X > 0) * (Y > 0)).astype(float) - (X == Y),
    ~(X > 0) & (Y >= X) | (X != X), ga.where(X > Y, X, Y) / ga.where(B, 0.0, Y),
    -ga.where(B, X, 0), -ga.maximum(X, 0), 1.0 / -ga.relu(X), 1 / ga.minimum(Y, 0.0),
    1 / ga.where(B, ga.where(B, X, Y), False), -ga.maximum(X, B), ga.sqrt(ga.where(X > 0, X, B)),
    1 / (X * B), 1 / -(B * Y), X**2 + Y**3, X ** (3 * Y), (-8.0) ** (X / 3), X**0.5, X**-1,
    ga.exp(X) ** -Y,
    ga.log(ga.exp(X) - 1), ga.log1p(-X) / ga.log1p(Y), ga.sqrt(X * X - Y * Y), X % Y, X // Y,
    ga.sin(X) / X, ga.tanh(X / Y) * ga.arctan2(Y, X), ga.hypot(X, Y) - ga.hypot(Y, X),
    -ga.maximum(X, Y > 0), 1 / -ga.minimum(Y > 0, X), 1 / -ga.where(X > 0, X, Y > 0),
    strong(X, 1 / Y), -strong(X * 0.0, Y), 1 / strong(X, Y), ga.logaddexp(X, Y) - X,
    ga.sign(X) / Y,
    ga.softplus(X) - ga.sigmoid(Y), ga.round(X, 1) + ga.rint(Y), abs(X) * ga.cbrt(Y),
    ga.isnan(X / Y),
    ga.where(ga.isfinite(1 / X), 1 / X, 7.0), ga.where(X, 1.0, 2.0), ga.where(X - X, Y, X),
    ga.clip(X, -1, 1) / ga.clip(Y, 0, None), ga.expm1(X) / ga.exp2(Y), ga.reciprocal(X) - Y / Y,
    ga.cosh(X) - ga.sinh(X), ga.arctanh(ga.tanh(X)), ga.arccos(X) + ga.arcsinh(Y), ga.floor(X / Y),
    ga.signbit(X * Y), ga.fabs(X) - ga.trunc(Y), ga.logical_xor(X, B),
    ga.rad2deg(X) * ga.deg2rad(Y),
]  # fmt: skip


def exact_enough(a: Any, b: Any) -> bool:
    """A few roundings, relative to numbers of order 1; zeros of equal sign."""
    if a == b == 0:
        return same(a, b, 0)
    return same(a, b, 16) or bool(abs(float(a) - float(b)) <= 1e-14 * max(1, abs(float(b))))


@pytest.mark.parametrize("result", COMPOSITES, ids=range(len(COMPOSITES)))
def test_composites_at_special_values(result: ga.Variable) -> None:
    inputs = [v for v in (X, Y, B) if v in set(ga.graph.inputs(result))]
    functions = [ga.function(inputs, result, backend=backend) for backend in BACKENDS]
    assert functions[0]._compiled.floats is not None
    for arguments in itertools.product(*[VALUES[str(v.dtype)] for v in inputs]):
        *found, reference = (f(*arguments) for f in functions)
        for backend, value in zip(BACKENDS, found, strict=False):
            assert exact_enough(value, reference), (backend, arguments, value, reference)


@pytest.mark.parametrize("result", [r for r in COMPOSITES if r.dtype == np.float64][::3])
def test_gradients_at_special_values(result: ga.Variable) -> None:
    inputs = [v for v in (X, Y) if v in set(ga.graph.inputs(result))]
    slopes = ga.grad(result, inputs, disconnected="zero")
    every = [v for v in (X, Y, B) if v in set(ga.graph.inputs(result))]
    auto, reference = (
        ga.function(every, slopes, backend=b, unused="ignore") for b in ("auto", "interpreter")
    )
    for arguments in itertools.product(*[VALUES[str(v.dtype)] for v in every]):
        for a, b in zip(auto(*arguments), reference(*arguments), strict=True):
            if np.isfinite(b):
                assert exact_enough(a, b) or abs(a - b) <= 1e-13 * abs(b), (arguments, a, b)


# ---- when floats are used -----------------------------------------------------------------------


def test_arguments_that_are_no_floats_go_to_numpy() -> None:
    f = ga.function([X, Y], X / Y)
    for one in (1, True, np.float64(1.0), np.float32(1.0), np.array(1.0), 1.0):
        assert f(one, 2.0) == 0.5 and type(f(one, 2.0)) is np.float64


def test_functions_with_state_do_not_skip_it() -> None:
    w = ga.shared(0.0, name="w")
    for update, expected in ((X + 1.0, 4.0), (w + X, 3.0)):
        w.value = 0.0
        step = ga.function([X], X * 2.0, updates={w: update})
        assert step(3.0) == 6.0 and w.value == expected
