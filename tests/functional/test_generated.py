"""Generated functions with nested branches and loops, against dual numbers.

``python -m benchmarks.agreement`` compares the same functions with Autograd.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import GraphadWarning


class Dual:
    """A number with its derivative: the reference, which shares nothing with graphad."""

    def __init__(self, value: float, slope: float = 0.0) -> None:
        self.value, self.slope = value, slope

    def __add__(self, other: Any) -> Dual:
        o = dual(other)
        return Dual(self.value + o.value, self.slope + o.slope)

    def __mul__(self, other: Any) -> Dual:
        o = dual(other)
        return Dual(self.value * o.value, self.slope * o.value + self.value * o.slope)

    def __truediv__(self, other: Any) -> Dual:
        o = dual(other)
        q = self.value / o.value
        return Dual(q, (self.slope - q * o.slope) / o.value)

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __sub__(self, other: Any) -> Dual:
        return self + -dual(other)

    def __radd__(self, other: Any) -> Dual:
        return self + other

    def __rsub__(self, other: Any) -> Dual:
        return -self + other

    def __rmul__(self, other: Any) -> Dual:
        return self * other

    def __rtruediv__(self, other: Any) -> Dual:
        return dual(other) / self

    def __abs__(self) -> Dual:
        return self if self.value >= 0 else -self

    def __lt__(self, other: Any) -> bool:
        return self.value < dual(other).value

    def __gt__(self, other: Any) -> bool:
        return self.value > dual(other).value


def dual(value: Any) -> Dual:
    return value if isinstance(value, Dual) else Dual(float(value))


DUAL = {
    "sin": lambda v: Dual(math.sin(v.value), v.slope * math.cos(v.value)),
    "tanh": lambda v: Dual(math.tanh(v.value), v.slope * (1 - math.tanh(v.value) ** 2)),
    "exp": lambda v: Dual(math.exp(v.value), v.slope * math.exp(v.value)),
}
NUMPY = {"sin": np.sin, "tanh": np.tanh, "exp": np.exp}


def _benchmark(name: str) -> Any:
    """A module of `benchmarks`, which is not installed."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Writer = _benchmark("generated_functions").Writer


def functions(seed: int) -> tuple[Any, Any, str]:
    source = Writer(seed).source()
    made = []
    for table in (NUMPY, DUAL):
        space: dict[str, Any] = dict(table)
        exec(compile(source, f"<generated {seed}>", "exec"), space)
        made.append(space["f"])
    return made[0], made[1], source


def reference(f: Any, x: float, y: float) -> tuple[float, float, float]:
    by_x, by_y = dual(f(Dual(x, 1.0), Dual(y))), dual(f(Dual(x), Dual(y, 1.0)))
    return by_x.value, by_x.slope, by_y.slope


def check(found: Any, wanted: tuple[float, float, float], source: str) -> None:
    value, (by_x, by_y) = found
    np.testing.assert_allclose([value, by_x, by_y], wanted, rtol=1e-9, atol=1e-9, err_msg=source)


@pytest.mark.parametrize("part", range(8))
def test_they_agree_with_dual_numbers(part: int) -> None:
    """200 functions at three points each, traced at each call."""
    for seed in range(25 * part, 25 * part + 25):
        f, exact, source = functions(seed)
        slopes = ga.value_and_grad(f, (0, 1))
        for x, y in np.random.default_rng(seed).normal(size=(3, 2)):
            check(slopes(x, y), reference(exact, x, y), source)


def compiled_agrees(seed: int) -> None:
    f, exact, source = functions(seed)
    slopes = ga.jit(ga.value_and_grad(f, (0, 1)), max_paths=6)
    points = np.random.default_rng(seed).normal(size=(6, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphadWarning)
        for i in np.random.default_rng(seed).integers(6, size=14):
            check(slopes(*points[i]), reference(exact, *points[i]), source)


@pytest.mark.parametrize("seed", range(0, 200, 25))
def test_their_paths_agree(seed: int) -> None:
    compiled_agrees(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(200))
def test_the_paths_of_all_agree(seed: int) -> None:
    compiled_agrees(seed)
