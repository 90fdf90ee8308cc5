"""What `graphad.ops` does not load at once: the op table asks for it when a name is missing.

`index` has the modules and the names that they declare, so that a program loads the modules
that it needs; where a name is not listed there, all of them are loaded.
"""

from __future__ import annotations

import functools

from graphad.ir.hooks import hooks
from graphad.ops.index import FURTHER


@functools.cache
def functions() -> frozenset[str]:
    """The names of the functions that are not loaded at once."""
    names = [names.partition("|")[0] for names in FURTHER.values()]
    return frozenset(" ".join(names).split())


def declares(name: str) -> bool:
    """Is there a function of this name among them?"""
    return any(
        [name in names.partition("|")[0].split() for names in FURTHER.values() if name in names]
    )


def load(name: str) -> None:
    """Load the modules that declare something of this name: a function, a primitive, or what
    answers a function of NumPy."""
    for module, names in FURTHER.items():
        if name in names and name in names.split():
            hooks.load(module)


def load_all() -> None:
    """Load all modules."""
    for module in FURTHER:
        hooks.load(module)
