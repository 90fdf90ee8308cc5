"""The module where Autograd has its operators; here they are in `operators`."""

from graphad.autograd.operators import *  # noqa: F403
from graphad.autograd.operators import __all__ as _operators
from graphad.autograd.several import grad_named, multigrad, multigrad_dict, value_and_multigrad

__all__ = [*_operators, "grad_named", "multigrad", "multigrad_dict", "value_and_multigrad"]
