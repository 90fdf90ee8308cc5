"""What `graphad.ops` does not load at once: the op table asks for it when a name is missing.

`index` has the modules and the names that they declare, so that a program loads the modules
that it needs; where a name is not listed there, all of them are loaded.
"""

from __future__ import annotations

from graphad.ir.hooks import hooks
from graphad.ops.index import FURTHER

# The name of each function that is not loaded at once -> its module.
FUNCTIONS: dict[str, str] = {}
_MODULES: dict[str, list[str]] = {}  # by any name that is declared there
for _module, _names in FURTHER.items():
    _functions, _, _others = _names.partition("|")
    FUNCTIONS.update(dict.fromkeys(_functions.split(), _module))
    for _name in (*_functions.split(), *_others.split()):
        _MODULES.setdefault(_name, []).append(_module)


def load(name: str) -> None:
    """Load the modules that declare something of this name: a function, a primitive, or what
    answers a function of NumPy."""
    for module in _MODULES.get(name, ()):
        hooks.load(module)


def load_all() -> None:
    """Load all modules."""
    for module in FURTHER:
        hooks.load(module)
