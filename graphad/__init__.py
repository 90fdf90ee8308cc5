"""graphad: explicit static computation graphs for people who write NumPy formulas.

Build a graph of symbolic variables, derive its gradient as more graph, compile both into one
readable callable on NumPy arrays, and look at every step.

>>> import graphad as ga
>>> x = ga.vector("x", shape=("n",))
>>> loss = ((x - 1) ** 2).sum()
>>> f = ga.function([x], [loss, ga.grad(loss, x)])
>>> f([0.0, 3.0])
[np.float64(5.0), array([-2.,  4.])]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as _numpy  # noqa: F401  # first of all: it loads slower from deep inside a chain of imports

from graphad import errors, graph, ops, rewrite, tree
from graphad._version import __version__
from graphad.assemble import evaluate_variable, function
from graphad.compiler import Options
from graphad.derivatives.reverse import grad, vjp
from graphad.errors import GraphadError
from graphad.ir.context import scope
from graphad.ir.dims import Dim
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.make import constant, matrix, scalar, shared, tensor, vector
from graphad.ir.op import OPS
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Shared, Variable
from graphad.ops.activation import (
    cross_entropy,
    log_softmax,
    logsumexp,
    one_hot,
    relu,
    sigmoid,
    softmax,
    softplus,
)
from graphad.rewrite.stable import stabilise
from graphad.runtime.function import Function

if TYPE_CHECKING:
    from graphad import (
        autograd,
        fft,
        functional,
        linalg,
        nn,
        numpy,
        optim,
        random,
        signal,
        special,
        stats,
        testing,
        viz,
    )  # fmt: skip
    from graphad.batching.vmap import vectorize_graph, vmap
    from graphad.derivatives.checkpoint import checkpoint
    from graphad.derivatives.custom import custom_jvp, custom_vjp
    from graphad.derivatives.forward import jvp
    from graphad.derivatives.gates import grad_clip, grad_reverse, grad_scale
    from graphad.derivatives.higher import elementwise_grad, ggnvp, hessian, hvp, jacobian
    from graphad.derivatives.implicit import fixed_point, minimize, root
    from graphad.derivatives.primitive import primitive
    from graphad.functional import flatten, jit, linearize, value_and_grad
    from graphad.ir.text import debugprint, listing
    from graphad.ops.control.branches import cond, switch
    from graphad.ops.control.counting import fori_loop, while_loop
    from graphad.ops.control.mapping import associative_scan
    from graphad.ops.control.scanning import scan

_LAZY = (
    "autograd",
    "fft",
    "functional",
    "linalg",
    "nn",
    "numpy",
    "optim",
    "random",
    "signal",
    "special",
    "stats",
    "testing",
    "viz",
)  # at first use
_LATER = {  # what `import graphad` need not load, by the module that is loaded at first use
    "checkpoint": "derivatives.checkpoint", "primitive": "derivatives.primitive",
    "custom_jvp": "derivatives.custom", "custom_vjp": "derivatives.custom",
    "jvp": "derivatives.forward", "elementwise_grad": "derivatives.higher",
    "ggnvp": "derivatives.higher", "hessian": "derivatives.higher", "hvp": "derivatives.higher",
    "jacobian": "derivatives.higher", "debugprint": "ir.text", "listing": "ir.text",
    "grad_clip": "derivatives.gates", "grad_reverse": "derivatives.gates",
    "grad_scale": "derivatives.gates", "fixed_point": "derivatives.implicit",
    "minimize": "derivatives.implicit", "root": "derivatives.implicit",
    "vectorize_graph": "batching.vmap", "vmap": "batching.vmap",
    "cond": "ops.control.branches", "switch": "ops.control.branches",
    "scan": "ops.control.scanning", "fori_loop": "ops.control.counting",
    "while_loop": "ops.control.counting", "map": "ops.control.mapping",
    "reduce": "ops.control.mapping", "associative_scan": "ops.control.mapping",
}  # fmt: skip
_OF_FUNCTIONS = ("flatten", "jit", "linearize", "value_and_grad")  # of graphad.functional
_PRIVATE = ("getitem_by", "scatter_add", "getitem")  # entries for rules, not for users
_CORE = {name: e.function for name, e in OPS.loaded.items() if name not in _PRIVATE}
globals().update(_CORE)

# What `from graphad import *` gives; functions that load at first use stand in dir().
__all__ = [
    "OPS", "Apply", "Constant", "Dim", "Function", "Graph", "GraphadError", "Options", "Shared",
    "TensorType", "Variable", "__version__", "checkpoint", "constant", "cross_entropy",
    "custom_jvp", "custom_vjp", "debugprint", "elementwise_grad", "errors", "fft", "fixed_point",
    "function", "ggnvp", "grad", "grad_clip", "grad_reverse", "grad_scale", "graph", "hessian",
    "hvp", "jacobian", "jvp", "linalg", "listing", "log_softmax", "logsumexp", "matrix",
    "minimize", "nn", "numpy", "one_hot", "ops", "primitive", "random", "relu", "rewrite", "root",
    "scalar", "scope", "shared", "sigmoid", "signal", "softmax", "softplus", "special", "stats",
    "tensor", "testing", "tree", "vector", "viz", "vjp",
]  # fmt: skip
__all__ += ["autograd", "flatten", "functional", "jit", "linearize", "optim", "value_and_grad"]
__all__ += ["associative_scan", "cond", "fori_loop", "scan", "switch", "while_loop"]
__all__ += ["vectorize_graph", "vmap"]
__all__ += [name for name in _CORE if name not in __all__]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"graphad.{name}")
    if name in _LATER:
        globals()[name] = getattr(hooks.load(_LATER[name]), name)
        return globals()[name]
    if name in _OF_FUNCTIONS:
        globals()[name] = _of_functions(name)
        return globals()[name]
    if not name.startswith("_") and name not in _PRIVATE and name in OPS:
        globals()[name] = OPS[name]
        return OPS[name]
    raise AttributeError(f"module 'graphad' has no attribute {name!r}")


def _of_functions(name: str) -> Any:
    return getattr(importlib.import_module("graphad.functional"), name)


def __dir__() -> list[str]:
    further = [name for name in OPS.names() if name not in _PRIVATE]
    return sorted({*globals(), *_LAZY, *_LATER, *_OF_FUNCTIONS, *further})


def _reset_streams(*given: Any) -> None:
    importlib.import_module("graphad.random.generator").reset(*given)


OPS.further = lambda: importlib.import_module("graphad.ops.further")
hooks.eval = evaluate_variable
hooks.stabilise = stabilise
hooks.load = lambda name: importlib.import_module(f"graphad.{name}")
hooks.of_functions = _of_functions
hooks.stack_rows = lambda graph, mapped: hooks.load("batching.stacking").stack_rows(graph, mapped)
hooks.array_namespace = lambda: importlib.import_module("graphad")
hooks.reset_streams = _reset_streams
hooks.mimebundle = lambda target: importlib.import_module("graphad.viz").mimebundle(target)
