"""Names in generated source: the user's where they are fit for it, never code."""

from __future__ import annotations

import builtins
import keyword

import numpy as np

from graphad.codegen.vocabulary import MATH_NAMES
from graphad.plan.plan import Value

RESERVED = frozenset(dir(np)) | frozenset(dir(builtins)) | MATH_NAMES | frozenset(keyword.kwlist)
MODULE_NAMES = frozenset({"r", "program", "values"})


class Names:
    """A distinct identifier for each value of a plan, and for temporaries and bound objects."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.of_value: dict[int, str] = {}
        self._temporaries = 0

    def value(self, value: Value) -> str:
        """The name of a value; its variable's own name where that is an identifier."""
        found = self.of_value.get(value.number)
        if found is None:
            wish = value.name if is_plain(value.name) else f"v{value.number}"
            found = self.of_value[value.number] = self.unique(str(wish))
        return found

    def share(self, number: int, other: int) -> str:
        """Let value `number` take over the name of `other`, whose memory it overwrites."""
        self.of_value[number] = self.of_value[other]
        return self.of_value[number]

    def temporary(self) -> str:
        self._temporaries += 1
        return self.unique(f"t{self._temporaries}")

    def unique(self, wish: str) -> str:
        """`wish`, with underscores added until nothing else is called so."""
        while wish in self.taken or wish in RESERVED or wish in MODULE_NAMES:
            wish += "_"
        self.taken.add(wish)
        return wish


def is_plain(name: str | None) -> bool:
    """An ASCII identifier that does not look like one of ours (v1, t1, k1)."""
    if not name:
        return False
    ours = name[0] in "vtk" and name[1:].isdigit()
    ours = ours or name.startswith(("_", "np_"))
    return name.isascii() and name.isidentifier() and not ours
