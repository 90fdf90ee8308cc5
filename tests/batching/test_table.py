"""`vmap` of every function of the op table equals the stack of its values for each row.

Every sample is tested with each argument stacked alone and with all of them, for stacks of none,
one and three rows, of known, unknown and named size, along other axes than the first; the everyday
run takes one way for each sampled case.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.testing import compiled, interpret
from graphad.testing.gradients import Runner
from graphad.testing.samples import Case, all_cases, cases_of, everyday, inputs_for

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:numpy")

RUNNERS: dict[str, Runner] = {"interpreter": interpret, "compiled": compiled}
WAYS = list(itertools.product(RUNNERS, ("static", "unknown", "named"), (3, 1, 0)))
EVERYDAY = everyday()
CASES = [case for case in all_cases() if case.arrays]
SMOOTH = [
    case
    for case in CASES
    if case.entry.differentiable and any(a.dtype.kind == "f" for a in case.arrays)
]

# The shape of a result depends on values: without rows nothing is known of it.
OPEN_SHAPES = """
    ix_ argwhere nonzero flatnonzero compress extract bincount histogram_bin_edges histogram
    unique unique_all unique_counts unique_inverse unique_values union1d intersect1d setdiff1d
    setxor1d trim_zeros histogram2d histogramdd delete
""".split()
# Not where the size is unknown: squeeze removes axes that are known to have size 1.
BY_SIZE = ["squeeze"]


Ways = Sequence[tuple[str, str, int]]


def each(cases: Sequence[Case], test: str) -> Any:
    """Every sampled case in one way; every case in all ways, for the exhaustive run."""
    rows = []
    for case in cases:
        choice = zlib.crc32(f"{case} {test}".encode()) % len(WAYS)
        if str(case) in EVERYDAY and choice % (3 if test == "values" else 2):
            label = "-".join([*map(str, WAYS[choice]), str(case)])
            rows.append(pytest.param(case, [WAYS[choice]], id=label))
        rows.append(pytest.param(case, WAYS, id=f"all-{case}", marks=pytest.mark.full))
    return pytest.mark.parametrize(("case", "ways"), rows)


def rows_of(case: Case, count: int) -> list[tuple[np.ndarray, ...]]:
    """The case's arguments for several seeds, where these differ in nothing but values."""
    found = [case.arrays]
    for seed in range(1, count):
        other = cases_of(case.entry, seed)[case.number]
        pairs = zip(other.arrays, case.arrays, strict=True)
        same = all([(a.shape, a.dtype) == (b.shape, b.dtype) for a, b in pairs])
        same = same and str(other.keywords) == str(case.keywords)
        found.append(other.arrays if same else case.arrays)
    return found


def masks_of(case: Case) -> list[tuple[bool, ...]]:
    """Which arguments are stacks: all of them, and each alone."""
    count = len(case.arrays)
    alone = [tuple(i == j for i in range(count)) for j in range(count)]
    return [(True,) * count, *(alone if count > 1 else [])]


class Stacked:
    """The arguments of a case as stacks, and what is expected for each row."""

    def __init__(self, case: Case, mask: Sequence[bool], sizes: str, count: int) -> None:
        self.case, self.mask = case, mask
        rows = rows_of(case, max(count, 1))
        self.rows = [
            [given if m else first for given, first, m in zip(row, case.arrays, mask, strict=True)]
            for row in rows
        ]
        # along the last axis where an argument has an even number of axes
        self.axes = [(-1 if a.ndim % 2 == 0 else 0) if m else None
                     for a, m in zip(case.arrays, mask, strict=True)]  # fmt: skip
        self.arrays = []
        for j, axis in enumerate(self.axes):
            stack = np.stack([row[j] for row in self.rows])[:count]
            self.arrays.append(case.arrays[j] if axis is None else np.moveaxis(stack, 0, axis))
        self.inputs = inputs_for(case.arrays, "unknown" if sizes == "unknown" else "static")
        entry = {"static": count, "unknown": None, "named": "rows"}[sizes]
        for j, (axis, v) in enumerate(zip(self.axes, self.inputs, strict=True)):
            if axis is not None:
                shape: list[Any] = list(v.type.shape)
                shape.insert(len(shape) if axis else 0, entry)
                self.inputs[j] = ga.tensor(v.name, shape, v.dtype)

    def results(self) -> list[Variable]:
        """The results of the mapped function, their rows along axis 0."""
        found: list[Variable] = ga.vmap(lambda *vs: self.case.build(*vs), self.axes)(*self.inputs)
        return found

    def stack_of(self, arrays: Sequence[Any], count: int) -> np.ndarray:
        return np.stack([np.asarray(a) for a in arrays])[:count]


def has_no_reference(case: Case, sizes: str, count: int) -> bool:
    open_shape = count == 0 and case.entry.name in OPEN_SHAPES
    return open_shape or (sizes == "unknown" and case.entry.name in BY_SIZE)


@each(CASES, "values")
def test_vmap_is_the_stacked_loop(case: Case, ways: Ways) -> None:
    inputs = inputs_for(case.arrays)
    one_row = interpret(inputs, case.build(*inputs))
    for run, sizes, count in ways:
        if has_no_reference(case, sizes, count):
            continue
        for mask in masks_of(case):
            check_values(Stacked(case, mask, sizes, count), one_row, RUNNERS[run], count)


def check_values(stacked: Stacked, one_row: Any, run: Runner, count: int) -> None:
    expected = list(zip(*[one_row(*row) for row in stacked.rows], strict=True))
    call = run(stacked.inputs, stacked.results())
    if any(len({np.shape(a) for a in column}) > 1 for column in expected):
        with pytest.raises(ga.errors.ShapeError, match="of a result has shape"):
            call(*stacked.arrays)
        return
    for value, column in zip(call(*stacked.arrays), expected, strict=True):
        wanted = stacked.stack_of(column, count)
        assert (np.shape(value), np.asarray(value).dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(value, wanted, rtol=1e-10, atol=1e-10)


@each(SMOOTH, "derivatives")
def test_derivatives_of_vmap(case: Case, ways: Ways) -> None:
    """vjp and jvp of the mapped function are those of the rows; what is the same for all rows
    receives the sum."""
    masks = masks_of(case)
    for way, (run, sizes, count) in enumerate(ways):
        if not has_no_reference(case, sizes, count):
            mask = masks[zlib.crc32(f"{case} {way}".encode()) % len(masks)]
            check_derivatives(Stacked(case, mask, sizes, count), RUNNERS[run], count)


def derivatives(
    results: Sequence[Variable], arguments: Sequence[Variable]
) -> tuple[list[Variable], list[Variable]]:
    """Inputs (cotangents, tangents) and outputs: vjp, jvp of the float results."""
    ys = [y for y in results if y.dtype.kind == "f"]
    wrt = [v for v in arguments if v.dtype.kind == "f"]
    cotangents, tangents = ([Variable(v.type) for v in vs] for vs in (ys, wrt))
    outputs = [*ga.vjp(ys, wrt, cotangents), *ga.jvp(ys, wrt, tangents)]
    return [*cotangents, *tangents], outputs


def check_derivatives(stacked: Stacked, run: Runner, count: int) -> None:
    case, rng = stacked.case, np.random.default_rng(0)
    inputs = inputs_for(case.arrays)
    seeds, outputs = derivatives(case.build(*inputs), inputs)
    if not outputs:
        return
    one_row = interpret([*inputs, *seeds], outputs)
    shapes = [np.shape(y) for y in case.reference(*case.arrays) if y.dtype.kind == "f"]
    floats = [i for i, a in enumerate(case.arrays) if a.dtype.kind == "f"]
    cotangents = [[rng.normal(size=s) for s in shapes] for _ in stacked.rows]
    tangents = [[rng.normal(size=case.arrays[i].shape) for i in floats] for _ in stacked.rows]
    for j, i in enumerate(floats):
        if stacked.axes[i] is None:
            for row in tangents:
                row[j] = tangents[0][j]
    expected = [
        one_row(*row, *c, *t) for row, c, t in zip(stacked.rows, cotangents, tangents, strict=True)
    ]
    seeds, outputs = derivatives(stacked.results(), stacked.inputs)
    directions = []
    for j, i in enumerate(floats):
        stack, axis = stacked.stack_of([t[j] for t in tangents], count), stacked.axes[i]
        directions.append(tangents[0][j] if axis is None else np.moveaxis(stack, 0, axis))
    weights = [stacked.stack_of(c, count) for c in zip(*cotangents, strict=True)]
    call = run([*stacked.inputs, *seeds], outputs)
    found = call(*stacked.arrays, *weights, *directions)
    for j, value in enumerate(found):
        wanted = stacked.stack_of([row[j] for row in expected], count)
        if j < len(floats):
            axis = stacked.axes[floats[j]]
            wanted = wanted.sum(axis=0) if axis is None else np.moveaxis(wanted, 0, axis)
        assert np.shape(value) == wanted.shape
        scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
        np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-9 * scale)


def test_most_functions_need_no_loop() -> None:
    """Functions whose graph for stacks computes row after row are few, and known."""
    looping = set()
    for name, entry in OPS.entries.items():
        for case in cases_of(entry)[:2] if entry.samples is not None else []:
            if not case.arrays:
                continue
            found = Stacked(case, (True,) * len(case.arrays), "static", 2).results()
            if any(n.op.name == "map_rows" for n in ga.Graph.of(found).nodes):
                looping.add(name)
    assert looping <= set(LOOPS)


LOOPS = """
    interp isin in1d
    array_equal array_equiv linalg.lstsq polyfit roots
    index_multiply index_divide index_power
    bincount histogram histogram2d histogramdd histogram_bin_edges digitize searchsorted
    intersect1d setdiff1d setxor1d union1d unique unique_all unique_counts unique_inverse
    unique_values compress extract trim_zeros argwhere nonzero flatnonzero ix_ lexsort
    apply_along_axis print_
""".split()
