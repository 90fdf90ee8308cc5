"""Strong zeros: what a selection does not take leaves no trace in any derivative.

NaN, infinity and infinite slopes in the branch of a `where` that was not taken, through every op
of the table, and in derivatives of derivatives.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from points import gradient

import graphad as ga
from graphad.ir.variable import Variable
from graphad.testing import compiled, interpret
from graphad.testing.gradients import Runner
from graphad.testing.samples import Case, all_cases, everyday, inputs_for

NAN, INF = np.nan, np.inf


# ---- the branch that was not taken ----------------------------------------------------------

POINT = np.array([-1.0, 0.0, 4.0])
MASKS: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "sqrt": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0), [0, 0, 0.25]),
    "log": (lambda x: ga.where(x > 0, ga.log(x), 0.0), [0, 0, 0.25]),
    "reciprocal": (lambda x: ga.where(x != 0, 1 / x, 0.0), [-1, 0, -1 / 16]),
    "power": (lambda x: ga.where(x > 0, x**0.5, x), [1, 1, 0.25]),
    "power of a variable": (lambda x: ga.where(x > 0, x**x, x), [1, 1, 256 * (1 + np.log(4))]),
    "exp": (lambda x: ga.where(x < 1, ga.exp(x * 1000), 0.0), [0, 1000, 0]),
    "arcsin": (lambda x: ga.where(abs(x) < 1, ga.arcsin(x), 0.0), [0, 1, 0]),
    "arctanh": (lambda x: ga.where(abs(x) < 1, ga.arctanh(x), x), [1, 1, 1]),
    "nested": (lambda x: ga.where(x > 0, ga.sqrt(ga.where(x > 1, x - 1, 0.0)), 0.0),
        [0, 0, 0.5 / np.sqrt(3)]),
    "twice": (lambda x: ga.where(x > -2, ga.where(x > 0, ga.sqrt(x), 0.0), ga.log(x)),
        [0, 0, 0.25]),
    "then a sum": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0).sum(), [0, 0, 0.25]),
    "then a mean": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0).mean() * 3, [0, 0, 0.25]),
    "then a product": (lambda x: ga.where(x > 0, ga.sqrt(x), 1.0).prod(), [0, 0, 0.25]),
    "then a dot": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0) @ np.array([5.0, 6.0, 8.0]),
        [0, 0, 2]),
    "then a matrix": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0)[None] @ np.ones((3, 2)),
        [0, 0, 0.5]),
    "then a square": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0) ** 2, [0, 0, 1]),
    "then an index": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0)[1:], [0, 0, 0.25]),
    "then a gather": (lambda x: ga.where(x > 0, ga.sqrt(x), 0.0)[[2, 2, 0]], [0, 0, 0.5]),
    "then a maximum": (lambda x: ga.maximum(ga.where(x > 0, ga.sqrt(x), 0.0), -1.0), [0, 0, 0.25]),
    "an index as a mask": (lambda x: ga.sqrt(x)[2:], [0, 0, 0.25]),
    "a gather as a mask": (lambda x: ga.sqrt(x)[[2]], [0, 0, 0.25]),
    "a boolean index": (lambda x: ga.log(x)[x > 0], [0, 0, 0.25]),
    "after a sum": (lambda x: ga.where(x > 0, 1.0, 0.0) * 0 + ga.where(x > 0, ga.sqrt(
        ga.where(x > 0, x, 0.0).cumsum()), 0.0), [0, 0, 0.25]),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_a_branch_that_was_not_taken(name: str, run: Runner) -> None:
    f, expected = MASKS[name]
    np.testing.assert_allclose(gradient(f, run, POINT), expected, rtol=1e-12, atol=0)


def test_masks_in_the_second_order(run: Runner) -> None:
    def root(x: Any) -> Any:
        return ga.where(x > 0, ga.sqrt(x), 0.0)

    np.testing.assert_allclose(gradient(root, run, POINT, 2), [0, 0, -1 / 32], rtol=1e-12)
    np.testing.assert_allclose(gradient(root, run, POINT, 3), [0, 0, 3 / 256], rtol=1e-12)


def test_sinc(run: Runner) -> None:
    """sin(x)/x, and 1 at 0, in the usual spelling."""

    def sinc(x: Any) -> Any:
        return ga.where(x != 0, ga.sin(x) / x, 1.0)

    x = np.array([0.0, 1.0])
    slope = [0.0, np.cos(1.0) - np.sin(1.0)]
    np.testing.assert_allclose(gradient(sinc, run, x), slope, rtol=1e-13)
    assert np.isfinite(gradient(sinc, run, x, 2)).all()


DATA = np.array([2.0, NAN, INF])
DATA_MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda w, d: ga.where(d < 10, w * d, 0.0),
    "sum of products": lambda w, d: ga.where(d < 10, w * d, 0.0).sum(),
    "nested": lambda w, d: ga.where(d < 10, ga.exp(w * d) * d, 0.0) / 2 / np.exp(2.0),
    "division": lambda w, d: ga.where(d < 10, w / (1 / d), 0.0),
    "matrix": lambda w, d: ga.where(d < 10, (d * w)[None] * np.ones((1, 1)), 0.0),
    "outer first": lambda w, d: ga.where(d < 10, ga.outer(w, d).sum(axis=0), 0.0) / 3,
}


@pytest.mark.parametrize("name", DATA_MASKS)
def test_bad_data_under_a_mask(name: str, run: Runner) -> None:
    """NaN and infinity in data that a mask takes out reach no parameter."""
    w, d = ga.vector("w"), ga.vector("d")
    g = ga.grad(DATA_MASKS[name](w, d).sum(), w)
    (value,) = run([w, d], [g])(np.ones(3), DATA)
    assert np.isfinite(value).all(), value
    assert value[0] == pytest.approx(2.0 if name != "outer first" else 2 / 3)


def test_bad_rows_under_a_mask(run: Runner) -> None:
    """Rows of NaN in a matrix that is multiplied with the weights."""
    x, w = ga.matrix("x"), ga.vector("w")
    data = np.array([[1.0, 2.0], [NAN, INF], [3.0, NAN]])
    mask = np.array([True, False, False])
    y = ga.where(mask, x @ w, 0.0).sum()
    (value,) = run([x, w], [ga.grad(y, w)])(data, np.ones(2))
    assert value.tolist() == [1.0, 2.0]


HIGHER: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda w, d: ga.where(d < 10, (w * d) ** 3, 0.0),
    "layers": lambda w, d: ga.where(d < 10, ga.tanh(ga.outer(d, w)) @ w, 0.0) ** 2,
    "softmax": lambda w, d: ga.where(d < 10, ga.softmax(ga.outer(d, w)) @ w, 0.0),
    "norm": lambda w, d: ga.where(d < 10, ga.sqrt((ga.outer(d, w) ** 2).sum(axis=1)), 0.0) ** 3,
    "exp": lambda w, d: ga.where(d < 10, ga.exp(w * d), 0.0),
    "matrix": lambda w, d: ga.where(d < 10, ga.outer(d, np.ones(2)) @ w[::2], 0.0) ** 3,
    "rows": lambda w, d: ga.where(d < 10, ga.stack([d, d], axis=1) @ w[:2], 0.0) ** 3,
    "dot": lambda w, d: (ga.where(d < 10, d * w, 0.0) @ ga.where(d < 10, d / w, 0.0)) ** 2,
    "quotient": lambda w, d: ga.where(d < 10, w**3 / (1 / d), 0.0),
    "power": lambda w, d: ga.where(d < 10, w**d, 0.0),
    "prod": lambda w, d: ga.where(d < 10, d * w, 1.0).prod() ** 2,
}  # fmt: skip


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", HIGHER)
def test_bad_data_under_a_mask_in_higher_orders(name: str, order: int, run: Runner) -> None:
    """As if the bad data were not there."""
    w, d, good = ga.vector("w"), ga.vector("d"), ga.vector("good")
    at, results = np.array([1.5, 0.5, 2.5]), []
    for data, values in ((d, DATA), (good, np.array([2.0, 20.0, 20.0]))):
        y = HIGHER[name](w, data)
        for _ in range(order):
            y = ga.grad(y.sum(), w)
        results.append(run([w, data], [y])(at, values)[0])
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_true_infinities_stay(run: Runner) -> None:
    """Strong zeros hide nothing where the derivative is infinite or NaN."""
    assert gradient(ga.sqrt, run, [0.0, 4.0]).tolist() == [INF, 0.25]
    assert gradient(ga.log, run, [0.0]).tolist() == [INF]
    assert gradient(lambda x: x**0.5, run, [0.0]).tolist() == [INF]
    assert gradient(ga.cbrt, run, [0.0]).tolist() == [INF]
    assert np.isnan(gradient(ga.sqrt, run, [-1.0])).all()
    assert np.isnan(gradient(ga.sin, run, [NAN])).all()
    assert np.isnan(gradient(lambda x: x * NAN, run, [1.0])).all()


# ---- every op -------------------------------------------------------------------------------


Masks = list[np.ndarray]


def poisoned(case: Case, place: int, poison: float) -> tuple[list[np.ndarray], Masks] | None:
    """The arguments with one bad element, and masks of the results that it does not reach."""
    if case.arrays[place].dtype.kind != "f" or not case.arrays[place].size:
        return None
    broken = np.array(case.arrays[place])
    broken.flat[0] = poison
    arrays = [broken if i == place else array for i, array in enumerate(case.arrays)]
    try:
        found, clean = case.reference(*arrays), case.reference(*case.arrays)
    except ValueError:  # NumPy refuses it
        return None
    if [a.shape for a in found] != [a.shape for a in clean]:
        return None
    masks = [np.isfinite(a) for a in found]
    same = [np.array_equal(a[m], b[m]) for a, b, m in zip(found, clean, masks, strict=True)]
    reaches_more = all([m.all() for m in masks]) or not all(same)
    return None if reaches_more else (arrays, masks)


def masked_derivatives(case: Case, masks: Masks) -> tuple[list[ga.Variable], list[ga.Variable]]:
    """Inputs, and vjp, jvp, vjp of the vjp and jvp of the vjp of the masked results."""
    variables = inputs_for(case.arrays)
    wrt = [v for v in variables if v.dtype.kind == "f"]
    results = zip(masks, case.build(*variables), strict=True)
    ys = [ga.where(mask, y, 0.0) for mask, y in results if y.dtype.kind == "f"]
    cotangents, tangents = ([Variable(v.type) for v in vs] for vs in (ys, wrt))
    first = ga.vjp(ys, wrt, cotangents)
    second = [*ga.vjp(first, wrt, tangents), *ga.jvp(first, wrt, tangents)]
    return [*variables, *cotangents, *tangents], [*first, *ga.jvp(ys, wrt, tangents), *second]


# Not decompositions: one bad element spoils a whole matrix, and LAPACK refuses it.
SMOOTH = [
    case
    for case in all_cases()
    if case.entry.differentiable and case.arrays and case.entry.topic != "linalg"
]


RUNNERS = {"interpreter": interpret, "compiled": compiled}
EVERYDAY = everyday()


def runs() -> Iterator[Any]:
    """Every case with both backends; the everyday run takes one of them for each sampled case."""
    for case in SMOOTH:
        first = zlib.crc32(str(case).encode()) % 2
        for i, (name, runner) in enumerate(RUNNERS.items()):
            marks = () if i == first and str(case) in EVERYDAY else pytest.mark.full
            yield pytest.param(case, runner, id=f"{name}-{case}", marks=marks)


@pytest.mark.parametrize(("case", "run"), runs())
def test_a_bad_element_under_a_mask(case: Case, run: Runner) -> None:
    """All derivatives are as if the bad element were not there."""
    rng = np.random.default_rng(0)
    for place, poison in product(range(len(case.arrays)), (NAN, INF)):
        found = poisoned(case, place, poison)
        if found is None:
            continue
        arrays, masks = found
        variables, outputs = masked_derivatives(case, masks)
        like = [a for a in (*case.reference(*arrays), *case.arrays) if a.dtype.kind == "f"]
        rest = [rng.normal(size=a.shape) for a in like]  # cotangents and tangents
        call = run(variables, outputs)
        for bad, good in zip(call(*arrays, *rest), call(*case.arrays, *rest), strict=True):
            np.testing.assert_allclose(bad, good, rtol=1e-12, atol=1e-12)


def test_the_poison_reaches_most_ops() -> None:
    """The test above tests something: few functions give a good result for every bad element."""
    names = {case.entry.name for case in SMOOTH}
    reached = {
        case.entry.name
        for case in SMOOTH
        if any(poisoned(case, place, NAN) is not None for place in range(len(case.arrays)))
    }
    assert len(reached) > 0.8 * len(names)
    assert {"exp", "matmul", "softmax", "prod", "concatenate", "logsumexp", "std"} <= reached
