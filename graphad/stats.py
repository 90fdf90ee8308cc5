"""Distributions under the names of `scipy.stats`: ``ga.stats.norm.logpdf(x, loc, scale)``, …

Each distribution is a namespace of functions, declared in `graphad/ops/stats/`. Values and
signatures are SciPy's; each function builds graph and has derivatives in all its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
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

    def __init__(self, name: str, functions: Mapping[str, Any]) -> None:
        self._name, self._functions = name, dict(sorted(functions.items()))

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__.get("_functions", {}).get(name)
        if found is None:
            raise AttributeError(
                f"graphad.stats.{self.__dict__.get('_name')} has no {name!r}; it has "
                f"{', '.join(self.__dict__.get('_functions', ()))}"
            )
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._functions]

    def __repr__(self) -> str:
        return f"<graphad.stats.{self._name}: {', '.join(self._functions)}>"


def _distributions() -> dict[str, Distribution]:
    names = {name.split(".")[1] for name in OPS if name.startswith("stats.")}
    return {n: Distribution(n, OPS.namespace(f"stats.{n}")) for n in sorted(names)}


_DISTRIBUTIONS = _distributions()
__all__ = list(_DISTRIBUTIONS)
globals().update(_DISTRIBUTIONS)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'graphad.stats' has no attribute {name!r}")
