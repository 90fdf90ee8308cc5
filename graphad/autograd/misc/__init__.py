"""Autograd's `misc`: flatten, optimizers, fixed points, graphs of functions."""

from graphad.autograd.misc import fixed_points, optimizers, tracers
from graphad.autograd.misc.flatten import flatten, flatten_func
from graphad.autograd.misc.tracers import const_graph

__all__ = ["const_graph", "fixed_points", "flatten", "flatten_func", "optimizers", "tracers"]
