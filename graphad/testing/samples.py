"""The sample arguments that each entry of the op table declares, as symbolic calls.

A `Case` is one sample of one entry: its arrays become inputs of a graph, its keywords stay.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphad import tree
from graphad.ir.op import OPS, Entry, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One sample of one entry of the op table."""

    entry: Entry
    number: int
    arrays: tuple[Array, ...]
    structure: tree.Structure = field(repr=False)
    keywords: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.entry.name}-{self.number}"

    def call(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """`function` of the sample's arguments, with other arrays."""
        positional, named = self.structure.unflatten(arrays)
        return function(*positional, **named, **self.keywords)

    def build(self, *variables: Variable) -> list[Variable]:
        """The entry's function, applied to Variables that stand for the arrays: its results."""
        return self._observed(self.call(self.entry.function, variables))

    def reference(self, *arrays: Any) -> list[Array]:
        """The values by NumPy."""
        if self.entry.reference is None:
            raise ValueError(f"{self.entry.name} declares no reference")
        with np.errstate(all="ignore"):
            found = self.call(self.entry.reference, arrays)
            return [np.asarray(value) for value in self._observed(found)]

    def _observed(self, result: Any) -> list[Any]:
        observe = self.entry.observe
        return tree.flatten(result if observe is None else observe(result))[0]

    def converted(self, convert: Callable[[Array], Array]) -> Case:
        """The same call on other arrays (another dtype, other strides)."""
        return replace(self, arrays=tuple([convert(array) for array in self.arrays]))


def cases_of(entry: Entry, seed: int = 0) -> list[Case]:
    """The samples of an entry; the arrays depend on the seed and the entry's name only.

    >>> import graphad as ga
    >>> cases_of(OPS.entries["exp"])[0].arrays[0].shape
    (5,)
    """
    if entry.samples is None:
        return []
    rng = np.random.default_rng([seed, zlib.crc32(entry.name.encode())])
    return [case_of(entry, number, sample) for number, sample in enumerate(entry.samples(rng))]


def case_of(entry: Entry, number: int, sample: Sample) -> Case:
    """One sample of an entry as a Case."""
    leaves, structure = tree.flatten((list(sample.arrays), dict(sample.named)))
    arrays = tuple([np.asarray(leaf) for leaf in leaves])
    return Case(entry, number, arrays, structure, dict(sample.keywords))


def all_cases(seed: int = 0) -> Iterator[Case]:
    """The samples of all entries of the op table."""
    for entry in OPS.entries.values():
        yield from cases_of(entry, seed)


def everyday(seed: int = 0) -> frozenset[str]:
    """The names of the cases that are tested at every run, a few of each function, drawn by seed:
    two of functions at the top level, one of those in namespaces.

    >>> sum(name.startswith("exp-") for name in everyday())
    2
    """
    rng = np.random.default_rng(seed)
    names: list[str] = []
    for name, entry in OPS.entries.items():
        mine = [str(case) for case in cases_of(entry)]
        names += rng.permutation(mine)[: 1 if "." in name else 2].tolist()
    return frozenset(names)


def inputs_for(arrays: Sequence[Array], sizes: str = "static") -> list[Variable]:
    """One input for each array, with its dtype and rank.

    sizes: "static" gives the array's sizes, "unknown" anonymous ones, "named" the name n3 to each
    size of 3, and so on. A size of 1 stays a 1 in "named": names do not stretch.

    >>> [v.type for v in inputs_for([np.zeros((2, 1))], "named")]
    [float64[n2, 1]]
    """
    entry: dict[str, Callable[[int], Any]] = {
        "static": lambda size: size,
        "unknown": lambda size: None,
        "named": lambda size: 1 if size == 1 else f"n{size}",
    }
    return [
        Variable(TensorType(a.dtype, [entry[sizes](s) for s in a.shape]), name=f"x{i}")
        for i, a in enumerate(arrays)
    ]
