"""Random numbers that a function draws from NumPy's generators: inputs of its program.

A function that draws noise from a generator which it holds (``rs = np.random.RandomState(0)``)
depends on its arguments, on what it reads, and on what it drew. While it is traced for a program,
a `Dice` stands for the generator: it draws as asked, and hands out Tracers of the numbers. Calls
of the program then draw the same again, in the same order, from the same generator. Draws whose
arguments are traced, and numbers that decide something, have no such program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.functional.numbers import typed
from graphad.ir.variable import Variable

GENERATORS = (np.random.RandomState, np.random.Generator)
# What draws arrays of numbers and changes nothing but the generator.
DRAWS = frozenset(
    "rand randn randint random random_sample tomaxint permutation choice integers normal uniform "
    "standard_normal beta binomial chisquare dirichlet exponential f gamma geometric gumbel "
    "hypergeometric laplace logistic lognormal logseries multinomial multivariate_hypergeometric "
    "multivariate_normal negative_binomial noncentral_chisquare noncentral_f pareto poisson power "
    "rayleigh standard_cauchy standard_exponential standard_gamma standard_t triangular vonmises "
    "wald weibull zipf".split()
)


class Draw(NamedTuple):
    """One call of a method of a generator."""

    generator: Any
    method: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    def again(self) -> Any:
        """The next numbers."""
        return getattr(self.generator, self.method)(*self.args, **self.keywords)


class NotPure(Exception):
    """The function did, while it was traced, what cannot be repeated without running it."""


class Drawn:
    """The draws of one trace, and the Tracers of what was drawn."""

    def __init__(self) -> None:
        self.leaf: Any = None  # makes a Tracer
        self.draws: list[Draw] = []
        self.values: list[Any] = []
        self.tracers: list[Any] = []

    def draw(self, draw: Draw) -> Any:
        """The Tracer of the next numbers."""
        leaves = tree.flatten((draw.args, draw.keywords))[0]
        if any([isinstance(leaf, Variable) for leaf in leaves]):
            raise NotPure(f"the arguments of {draw.method} are traced")
        value = draw.again()
        if not isinstance(value, np.ndarray | np.generic | int | float):
            raise NotPure(f"{draw.method} gives no array")
        tracer = self.leaf(typed(value), value, f"drawn_{len(self.draws)}")
        self.draws.append(draw)
        self.values.append(value)
        self.tracers.append(tracer)
        return tracer


class Dice:
    """Stands for a generator while a function is traced."""

    def __init__(self, generator: Any, drawn: Drawn) -> None:
        self._generator, self._drawn = generator, drawn

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in DRAWS:
            raise NotPure(f"it uses .{name} of a generator")

        def draw(*args: Any, **keywords: Any) -> Any:
            return self._drawn.draw(Draw(self._generator, name, args, keywords))

        return draw


def states(generators: Sequence[Any]) -> list[Any]:
    """Where generators are in their streams."""
    return [
        g.bit_generator.state if isinstance(g, np.random.Generator) else g.get_state(legacy=False)
        for g in generators
    ]


def set_states(generators: Sequence[Any], saved: Sequence[Any]) -> None:
    """Put generators back."""
    for generator, state in zip(generators, saved, strict=True):
        if isinstance(generator, np.random.Generator):
            generator.bit_generator.state = state
        else:
            generator.set_state(state)


def same_states(first: Any, second: Any) -> bool:
    """Are generators where they were? States are nested dictionaries of arrays and numbers."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            [same_states(first[key], second[key]) for key in first]
        )
    if isinstance(first, list):
        return all([same_states(a, b) for a, b in zip(first, second, strict=True)])
    return bool(np.array_equal(first, second))
