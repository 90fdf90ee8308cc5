"""``x.at[index].set(v)`` and the like: what ``x[index] = v`` would make of a copy of x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphad.ir.op import OPS


class At:
    """``x.at``: takes an index and gives a `Place`."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def __getitem__(self, index: Any) -> Place:
        return Place(self.variable, index)

    def __repr__(self) -> str:
        return f"{self.variable!r}.at[...]"


class Place:
    """``x.at[index]``; each method gives a copy of x, changed at the index.

    An index is what NumPy takes: integers, slices, None, ``...``, integer or boolean arrays.
    Values broadcast to ``x[index]`` and are converted to the dtype of x. Where an index names a
    place several times, its values count in order, as with ``ufunc.at``; of `set` the last.
    """

    __slots__ = ("index", "variable")

    def __init__(self, variable: Any, index: Any) -> None:
        self.variable, self.index = variable, index

    def get(self) -> Any:
        """``x[index]``."""
        return OPS["getitem"](self.variable, self.index)

    def set(self, values: Any) -> Any:
        """The result of ``x[index] = values``; see `ga.index_set`."""
        return OPS["index_set"](self.variable, self.index, values)

    def add(self, values: Any) -> Any:
        """The result of ``x[index] += values``; see `ga.index_add`."""
        return OPS["index_add"](self.variable, self.index, values)

    def subtract(self, values: Any) -> Any:
        """The result of ``x[index] -= values``; see `ga.index_subtract`."""
        return OPS["index_subtract"](self.variable, self.index, values)

    def multiply(self, values: Any) -> Any:
        """The result of ``x[index] *= values``; see `ga.index_multiply`."""
        return OPS["index_multiply"](self.variable, self.index, values)

    def divide(self, values: Any) -> Any:
        """The result of ``x[index] /= values``; see `ga.index_divide`."""
        return OPS["index_divide"](self.variable, self.index, values)

    def power(self, values: Any) -> Any:
        """The result of ``x[index] **= values``; see `ga.index_power`."""
        return OPS["index_power"](self.variable, self.index, values)

    def min(self, values: Any) -> Any:
        """The smaller of old and new at the index; see `ga.index_min`."""
        return OPS["index_min"](self.variable, self.index, values)

    def max(self, values: Any) -> Any:
        """The larger of old and new at the index; see `ga.index_max`."""
        return OPS["index_max"](self.variable, self.index, values)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """The result of ``x[index] = function(x[index])``; see `ga.index_apply`."""
        return OPS["index_apply"](self.variable, self.index, function)

    def __repr__(self) -> str:
        return f"{self.variable!r}.at[{self.index!r}]"
