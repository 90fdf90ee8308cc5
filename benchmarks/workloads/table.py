"""The type of an entry in the table of workloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Loss = Callable[..., Any]


@dataclass(frozen=True)
class Workload:
    """A scalar loss of named arguments; the derivative is taken by the first `wrt` of them.

    arguments  makes {name: NumPy array or Python float}, the same values at each call
    wrt        how many leading arguments the loss is differentiated by
    losses     library → ``loss(xp, *arguments)``; libraries that are not there are left out
    sizes      argument → shape declared to libraries with symbolic shapes; a name is a size that
               may change from call to call. Arguments not listed have the shape of their value.
    tolerance  how far values and gradients of two libraries may lie apart, relative to the
               largest element
    """

    name: str
    title: str
    arguments: Callable[[], dict[str, Any]]
    wrt: int
    losses: Mapping[str, Loss]
    sizes: Mapping[str, tuple[int | str, ...]]
    tolerance: float
