"""Distributions under the names of `scipy.stats`: ``ga.stats.norm.logpdf(x, loc, scale)``, …

Each distribution is a namespace of functions, declared in `graphad/ops/stats/`. Values and
signatures are SciPy's; each function builds graph and has derivatives in all its arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.ir.op import OPS


class Distribution:
    """The functions of one distribution.

    >>> import graphad as ga
    >>> ga.stats.norm
    <graphad.stats.norm: cdf, entropy, logcdf, logpdf, logsf, mean, pdf, ppf, sf, var>
    >>> x, mu = ga.vector("x"), ga.scalar("mu")
    >>> loss = -ga.stats.norm.logpdf(x, loc=mu).sum()
    >>> float(ga.grad(loss, mu).eval({x: [1.0, 3.0], mu: 0.0}))
    -4.0
    """

    def __init__(self, name: str, functions: Sequence[str]) -> None:
        self._name, self._functions = name, functions

    def __getattr__(self, name: str) -> Any:
        own, functions = self.__dict__.get("_name"), self.__dict__.get("_functions", ())
        if name not in functions:
            raise AttributeError(
                f"graphad.stats.{own} has no {name!r}; it has {', '.join(functions)}"
            )
        found = self.__dict__[name] = OPS[f"stats.{own}.{name}"]
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._functions]

    def __repr__(self) -> str:
        return f"<graphad.stats.{self._name}: {', '.join(self._functions)}>"


__all__ = OPS.namespaces("stats")
globals().update({name: Distribution(name, OPS.names(f"stats.{name}")) for name in __all__})


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.stats' has no attribute {name!r}")
