"""Python functions of two numbers with nested branches and loops, written at random.

They call ``sin``, ``tanh`` and ``exp``, which whoever runs them supplies: `benchmarks.agreement`
those of Autograd and graphad, the test suite those of dual numbers.
"""

from __future__ import annotations

import numpy as np


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
