"""`check_grads`: are the derivatives of a function right? Random inner products decide.

For f with Jacobian J, a random cotangent c and a random direction v,

    ⟨c, J v⟩ by finite differences  =  ⟨Jᵀc, v⟩ by the vjp  =  ⟨c, J v⟩ by the jvp

and again for the vjp and the jvp, as functions of the arguments and of c and v, up to the order
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad import tree
from graphad.assemble import function
from graphad.derivatives.forward import jvp
from graphad.derivatives.reverse import vjp
from graphad.errors import UseError
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph
from graphad.ir.variable import Variable
from graphad.testing.numeric import central, inner
from graphad.testing.samples import inputs_for

Array = np.ndarray[Any, Any]
Runner = Callable[[Sequence[Variable], Sequence[Variable]], Callable[..., Sequence[Any]]]


def interpret(
    inputs: Sequence[Variable], outputs: Sequence[Variable]
) -> Callable[..., Sequence[Any]]:
    """The interpreter as a runner: a callable on arrays, in the manner of ``ga.function``.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> interpret([x], [x + 1.0])(2.0)
    [array(3.)]
    """
    graph = Graph(inputs, outputs)
    return lambda *arrays: evaluate(graph, arrays)


def compiled(
    inputs: Sequence[Variable], outputs: Sequence[Variable]
) -> Callable[..., Sequence[Any]]:
    """``ga.function`` as a runner; inputs need not be used.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> compiled([x], [x + 1.0])(2.0)
    [np.float64(3.0)]
    """
    return function(list(inputs), list(outputs), unused="ignore")


def check_grads(
    f: Callable[..., Any],
    args: Any,
    *,
    modes: Sequence[str] = ("fwd", "rev"),
    order: int = 2,
    rtol: float = 1e-7,
    atol: float = 1e-9,
    seed: int = 0,
    sizes: str = "static",
    runner: Runner = interpret,
) -> None:
    """Check the derivatives of `f` at `args` against finite differences and each other.

    f        maps Variables (one for each argument) to a Variable or a container of them
    args     an array, or a list of arrays or of containers of arrays; float64 and complex128
             arrays are differentiated, integers and booleans are handed through
    modes    "fwd": jvp, "rev": vjp
    order    how many times to differentiate; f must be smooth at `args` to that order
    rtol     allowed difference, relative to the sum of the absolute values of the products
    sizes    "static", "unknown" or "named": what the graph knows about the arrays' sizes
    runner   what computes: ``runner(inputs, outputs)`` returns a callable on arrays

    Raises AssertionError that tells the function, mode, order and both numbers, and UseError where
    there is nothing to differentiate.

    >>> import graphad as ga
    >>> check_grads(lambda x, y: ga.sin(x) * y, [np.arange(3.0), 2.0])
    """
    leaves, structure = tree.flatten(list(args) if isinstance(args, list | tuple) else [args])
    arrays = [np.asarray(leaf) for leaf in leaves]
    inputs = inputs_for(arrays, sizes)
    outputs = tree.flatten(f(*structure.unflatten(inputs)))[0]
    name = getattr(f, "__name__", type(f).__name__)
    if not _floats(inputs) or not _floats(outputs):
        raise UseError(
            f"check_grads({name}): no derivative to check",
            cause=f"arguments are {inputs}, results are {outputs}",
            remedy="give float64 or complex128 arrays and a function whose result is a float",
        )
    check = _Check(name, tuple(modes), order, rtol, atol, np.random.default_rng(seed), runner)
    check.derivatives(inputs, outputs, arrays, ())


@dataclass(frozen=True)
class _Check:
    """What stays the same over all orders of one check."""

    name: str
    modes: tuple[str, ...]
    order: int
    rtol: float
    atol: float
    rng: np.random.Generator
    runner: Runner

    def derivatives(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        arrays: Sequence[Array],
        via: tuple[str, ...],
    ) -> None:
        """Check the first derivatives of `outputs`, then the derivatives of these."""
        results = _floats(outputs)
        run = self.runner(inputs, results)
        slots = [i for i, v in enumerate(inputs) if v.dtype.kind in "fc"]
        wrt = [inputs[i] for i in slots]
        seeds = [Variable(v.type, name="cotangent") for v in results]
        moves = [Variable(v.type, name="tangent") for v in wrt]
        cotangents = [self.draw(value) for value in run(*arrays)]
        tangents = [self.draw(arrays[i]) for i in slots]
        directions = dict(zip(slots, tangents, strict=True))
        zeros = [directions.get(i, np.zeros_like(a)) for i, a in enumerate(arrays)]
        expected = inner(cotangents, central(run, arrays, zeros))
        made = {
            "rev": (vjp(results, wrt, seeds), seeds, cotangents, tangents),
            "fwd": (jvp(results, wrt, moves), moves, tangents, cotangents),
        }
        reference = "finite differences"
        for mode in self.modes:
            derivative, extra, values, weights = made[mode]
            computed = self.runner([*inputs, *extra], derivative)(*arrays, *values)
            self.same_types((*via, mode), weights, computed)
            found = inner(weights, computed)
            self.compare((*via, mode), arrays, reference, expected, found)
            expected, reference = found, f"{mode} mode"
            if len(via) + 1 < self.order:
                more = ([*inputs, *extra], derivative, [*arrays, *values])
                self.derivatives(*more, (*via, mode))

    def draw(self, like: Any) -> Array:
        """Random normal numbers in the shape and dtype of an array."""
        array = np.asarray(like)
        drawn = self.rng.normal(size=array.shape)
        if array.dtype.kind == "c":
            drawn = drawn + 1j * self.rng.normal(size=array.shape)
        return np.asarray(drawn).astype(array.dtype)

    def same_types(
        self, via: tuple[str, ...], wanted: Sequence[Array], got: Sequence[Any]
    ) -> None:
        """AssertionError unless derivatives have the dtypes and shapes that they must have."""
        for position, (a, b) in enumerate(zip(wanted, got, strict=True)):
            array = np.asarray(b)
            if (a.dtype, a.shape) != (array.dtype, array.shape):
                raise AssertionError(
                    f"check_grads({self.name}): derivative {position} of order {len(via)} "
                    f"({' of '.join(via[::-1])} mode) is {array.dtype}{list(array.shape)}, "
                    f"it should be {a.dtype}{list(a.shape)}"
                )

    def compare(
        self,
        via: tuple[str, ...],
        arrays: Sequence[Array],
        reference: str,
        expected: tuple[float, float],
        found: tuple[float, float],
    ) -> None:
        """AssertionError unless two inner products (value, sum of absolute values) agree."""
        difference = abs(found[0] - expected[0])
        allowed = self.atol + self.rtol * (found[1] + expected[1])
        if difference <= allowed:
            return
        shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in arrays)
        raise AssertionError(
            f"check_grads({self.name}): derivative of order {len(via)} ({' of '.join(via[::-1])} "
            f"mode) on {shapes} disagrees with {reference}:\n"
            f"  {via[-1]} mode gives {found[0]!r}\n"
            f"  {reference} gives {expected[0]!r}\n"
            f"  difference {difference:.3g}, allowed {allowed:.3g}"
        )


def _floats(variables: Sequence[Variable]) -> list[Variable]:
    return [v for v in variables if v.dtype.kind in "fc"]
