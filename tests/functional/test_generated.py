"""Generated functions with nested branches and loops, against dual numbers."""

from __future__ import annotations

import math
import warnings
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


class Writer:
    """Writes the source of a function of x and y."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.names = ["x", "y", "a", "b"]
        self.counters = 0

    def name(self) -> str:
        return str(self.rng.choice(self.names))

    def number(self) -> str:
        return repr(round(float(self.rng.uniform(-1.5, 1.5)), 2))

    def expression(self) -> str:
        u, v = self.name(), self.name()
        forms = [f"{u} + {self.number()} * {v}", f"{u} * {v} / (1.0 + {v} * {v})",
                 f"sin({u}) - {v}", f"tanh({u}) * {self.number()} + {v}",
                 f"exp(-{u} * {u}) + {v} * 0.5",
                 f"{self.number()} - {u}"]  # fmt: skip
        return str(self.rng.choice(forms))

    def block(self, indent: str, depth: int, in_loop: bool) -> list[str]:
        lines = []
        for _ in range(int(self.rng.integers(1, 4))):
            kind = self.rng.random() if depth < 3 else 1.0
            if kind < 0.3:
                sign = self.rng.choice(["<", ">"])
                lines.append(f"{indent}if {self.name()} {sign} {self.number()}:")
                lines += self.block(indent + "    ", depth + 1, in_loop)
                if self.rng.random() < 0.3 and not in_loop:
                    lines.append(f"{indent}    return {self.name()} * {self.name()}")
                elif self.rng.random() < 0.7:
                    lines.append(f"{indent}else:")
                    lines += self.block(indent + "    ", depth + 1, in_loop)
            elif kind < 0.42:
                lines.append(f"{indent}for _ in range({int(self.rng.integers(1, 4))}):")
                lines += self.block(indent + "    ", depth + 1, True)
            elif kind < 0.54:
                self.counters += 1
                n = f"n{self.counters}"
                lines += [f"{indent}{n} = 0",
                          f"{indent}while abs({self.name()}) > 0.7 and {n} < 4:"]  # fmt: skip
                lines += self.block(indent + "    ", depth + 1, True)
                lines.append(f"{indent}    {n} += 1")
            else:
                lines.append(f"{indent}{self.rng.choice(['a', 'b', 'x'])} = {self.expression()}")
        return lines

    def source(self) -> str:
        lines = ["def f(x, y):", "    a, b = x * y, x - y", *self.block("    ", 0, False),
                 "    return a * x + b * y + sin(a)"]  # fmt: skip
        return "\n".join(lines)


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
