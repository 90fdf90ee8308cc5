"""How each library makes value and gradient of a workload: five adapters of one form.

``adapter(workload)`` brings the arguments into the library's own kind of array and returns
`build`; ``build()`` is all that has to happen before the first call (graph, gradient, compiling)
and returns `call`; ``call()`` gives (value, gradients) when they are really there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workloads import Workload

Call = Callable[[], tuple[Any, Any]]
Build = Callable[[], Call]


def with_graphad(workload: Workload, backend: str = "auto", wait: bool = False) -> Build:
    """A static graph with named sizes; NumPy arrays in, NumPy arrays out. `wait`: for all machine
    code, after a first call."""
    import graphad as ga

    values = workload.arguments()

    def build() -> Call:
        inputs = [
            ga.tensor(name, shape=_shape(workload, name, v), dtype=np.asarray(v).dtype)
            for name, v in values.items()
        ]
        loss = workload.losses["graphad"](ga, *inputs)
        gradients = ga.grad(loss, inputs[: workload.wrt])
        function = ga.function(inputs, [loss, gradients], backend=backend)
        arguments = list(values.values())
        if wait:
            function(*arguments)
            function.wait_native()
        return lambda: function(*arguments)

    return build


def with_autograd(workload: Workload) -> Build:
    """A tape, recorded anew at each call; NumPy arrays in, NumPy arrays out."""
    import autograd
    import autograd.numpy as anp

    values = list(workload.arguments().values())

    def build() -> Call:
        def loss(*arguments: Any) -> Any:
            return workload.losses["autograd"](anp, *arguments)

        function = autograd.value_and_grad(loss, argnum=tuple(range(workload.wrt)))
        return lambda: function(*values)

    return build


def with_jax(workload: Workload) -> Build:
    """`jit` on the CPU; arguments lie on the device, results are waited for."""
    import jax

    jax.config.update("jax_enable_x64", True)
    values = [jax.device_put(np.asarray(v)) for v in workload.arguments().values()]

    def build() -> Call:
        def loss(*arguments: Any) -> Any:
            return workload.losses["jax"](jax.numpy, *arguments)

        function = jax.jit(jax.value_and_grad(loss, argnums=tuple(range(workload.wrt))))
        return lambda: jax.block_until_ready(function(*values))

    return build


def with_pytensor(workload: Workload) -> Build:
    """A static graph in the default mode (Numba); NumPy arrays in, NumPy arrays out."""
    import pytensor
    import pytensor.tensor as pt

    values = workload.arguments()

    def build() -> Call:
        inputs = [
            pt.tensor(name, shape=_fixed(_shape(workload, name, v)), dtype=np.asarray(v).dtype)
            for name, v in values.items()
        ]
        loss = workload.losses["pytensor"](pt, *inputs)
        gradients = pytensor.grad(loss, inputs[: workload.wrt])
        function = pytensor.function(inputs, [loss, *gradients])
        arguments = list(values.values())

        def call() -> tuple[Any, Any]:
            value, *found = function(*arguments)
            return value, found

        return call

    return build


def with_torch(workload: Workload) -> Build:
    """Eager, recorded at each call; tensors in, tensors out."""
    import torch

    values = [torch.tensor(np.asarray(v)) for v in workload.arguments().values()]

    def build() -> Call:
        wanted = [v.requires_grad_() for v in values[: workload.wrt]]

        def call() -> tuple[Any, Any]:
            loss = workload.losses["torch"](torch, *values)
            return loss, torch.autograd.grad(loss, wanted)

        return call

    return build


LIBRARIES: dict[str, Callable[[Workload], Build]] = {
    "graphad": with_graphad,
    "graphad-numpy": functools.partial(with_graphad, backend="numpy"),
    "graphad-native": functools.partial(with_graphad, wait=True),
    "graphad-llvm": functools.partial(with_graphad, backend="llvm"),
    "autograd": with_autograd,
    "jax": with_jax,
    "pytensor": with_pytensor,
    "torch": with_torch,
}


def _shape(workload: Workload, name: str, value: Any) -> tuple[int | str, ...]:
    return workload.sizes.get(name, np.shape(value))


def _fixed(shape: tuple[int | str, ...]) -> tuple[int | None, ...]:
    return tuple([size if isinstance(size, int) else None for size in shape])


# ---- do they compute the same? ---------------------------------------------------------------
def as_arrays(result: tuple[Any, Any]) -> list[np.ndarray]:
    """Value and gradients as NumPy arrays."""
    value, gradients = result
    found = [value, *gradients]
    return [np.asarray(v.detach() if hasattr(v, "detach") else v) for v in found]


def distance(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """The largest difference of two results, relative to the largest element of each array."""
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape:
            raise ValueError(f"shapes {a.shape} and {b.shape}")
        scale = max(float(np.abs(a).max()), 1e-300)
        worst = max(worst, float(np.abs(a.astype(float) - b.astype(float)).max()) / scale)
    return worst
