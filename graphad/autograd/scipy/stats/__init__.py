"""The names of `scipy.stats`. Each distribution of the op table is a module, as in Autograd:
``import graphad.autograd.scipy.stats.norm as norm``."""

from __future__ import annotations

import sys
from types import ModuleType

from graphad.autograd.scipy.lookup import module_lookup
from graphad.ir.op import OPS


def _distribution(name: str) -> ModuleType:
    """The module of one distribution, where `import` finds it."""
    module = ModuleType(f"{__name__}.{name}", f"The functions of `scipy.stats.{name}`.")
    get, listed = module_lookup(f"stats.{name}", module.__dict__)
    module.__dict__.update(__getattr__=get, __dir__=listed)
    sys.modules[module.__name__] = module
    return module


__getattr__, __dir__ = module_lookup("stats", globals())
globals().update({name: _distribution(name) for name in OPS.namespaces("stats")})
