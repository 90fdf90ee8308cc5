"""The module where old versions of Autograd have their operators."""

from graphad.autograd.differential_operators import *  # noqa: F403
from graphad.autograd.differential_operators import __all__ as _operators

__all__ = [*_operators]
