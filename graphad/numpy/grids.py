"""``np.r_[...]`` and ``np.c_[...]``, which join what stands in brackets, with Variables in it."""

from __future__ import annotations

from typing import Any

import numpy

from graphad.errors import UseError
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, as_variable
from graphad.numpy.dispatch import is_symbolic, stacked


class Joiner:
    """What `r_` and `c_` are: rows end to end, or columns side by side."""

    def __init__(self, name: str, plain: Any, columns: bool) -> None:
        self.name, self.plain, self.columns = name, plain, columns

    def __getitem__(self, items: Any) -> Any:
        """The items joined.

        >>> import graphad as ga, graphad.numpy as np
        >>> x = ga.vector("x", shape=(2,))
        >>> np.r_[0.0, x, 1:3].type, np.c_[x, x].type
        (float64[5], float64[2, 2])
        """
        given = items if isinstance(items, tuple) else (items,)
        if not any([is_symbolic(item) for item in given]):
            return self.plain[items]
        if any([isinstance(item, str) for item in given]):
            raise UseError(
                f"np.{self.name} with a directive and Variables",
                remedy="join them with np.concatenate, np.stack or np.column_stack",
            )
        return OPS["concatenate"]([self.part(item) for item in given], -1 if self.columns else 0)

    def part(self, item: Any) -> Variable:
        """One item with the axes it needs."""
        plain = numpy.r_[item] if isinstance(item, slice) else stacked(item)
        part: Variable = OPS["atleast_1d"](as_variable(plain))
        return OPS["expand_dims"](part, 1) if self.columns and part.ndim == 1 else part

    def __repr__(self) -> str:
        return f"<np.{self.name} of arrays and Variables>"


r_ = Joiner("r_", numpy.r_, columns=False)
c_ = Joiner("c_", numpy.c_, columns=True)
