"""Checkpoints: parts of a graph that are computed again where a derivative needs them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphad import tree
from graphad.errors import UseError
from graphad.ir.families.inner import enclose, recomputed, stand_in
from graphad.ir.streams import Body
from graphad.ir.variable import Constant, Variable, as_variable


def checkpoint(f: Any, inputs: Any = None) -> Any:
    """A part of a graph of which nothing but its inputs is kept for the derivatives.

    Two ways to say which part:

    - ``checkpoint(f)`` of a Python function from Variables (and containers of them) to Variables
      returns a function like `f`. Variables that `f` uses without getting them as arguments are
      inputs too, and are differentiated. Arguments that are no Variables are handed through.
    - ``checkpoint(outputs, inputs)`` of Variables, or containers of them: the part of the graph
      between the two.

    The part becomes one op with an inner graph. A derivative of it, forward or backward, of any
    order, contains a second copy of the graph: the price is that the part is computed twice. The
    optimiser does not merge the copies; random numbers that a function draws are drawn again, the
    same ones. Raises UseError for what is no function and no Variable.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> block = ga.checkpoint(lambda h: ga.tanh(ga.sin(h) * 2))
    >>> slope = ga.grad(block(x).sum(), x)
    >>> [str(node.op) for node in ga.graph.toposort(slope) if node.op.name == "checkpoint"]
    ['checkpoint(3 nodes)', 'checkpoint(9 nodes)']
    """
    if inputs is not None:
        return _between(f, inputs)
    if not callable(f) or isinstance(f, Variable):
        raise UseError(
            f"checkpoint of {type(f).__name__}",
            remedy="pass a function, or the outputs of a part of a graph and its inputs",
        )

    @functools.wraps(f)
    def checkpointed(*arguments: Any, **keywords: Any) -> Any:
        leaves, structure = tree.flatten([list(arguments), keywords])
        given = {i: v for i, v in enumerate(leaves) if isinstance(v, Variable)}
        inside = {i: stand_in(v) for i, v in given.items()}
        positional, named = structure.unflatten(
            [inside.get(i, leaf) for i, leaf in enumerate(leaves)]
        )
        pairs = {inside[i]: v for i, v in given.items()}
        with Body() as body:
            made = f(*positional, **named)
        if not given and not any(isinstance(v, Variable) for v in tree.flatten(made)[0]):
            return made  # of arrays alone
        return _as_one(made, pairs, f"checkpoint({_name(f)})", body)

    return checkpointed


def _between(outputs: Any, inputs: Any) -> Any:
    wanted = [inputs] if isinstance(inputs, Variable) else tree.flatten(inputs)[0]
    for variable in wanted:
        if not isinstance(variable, Variable) or isinstance(variable, Constant):
            raise UseError(
                f"checkpoint: an input is {type(variable).__name__}",
                remedy="inputs are Variables of the graph",
            )
    return _as_one(outputs, {v: v for v in wanted}, "checkpoint")


def _as_one(
    outputs: Any, inputs: dict[Variable, Variable], name: str, body: Body | None = None
) -> Any:
    leaves, structure = tree.flatten(outputs)
    results = [as_variable(leaf) for leaf in leaves]
    if not results:
        raise UseError(f"{name}: there is no result", remedy="return the Variables computed")
    drawn = body or Body()
    pairs = {**inputs, **dict(zip(drawn.given, drawn.outside(), strict=True))}
    graph, operands = enclose([*results, *drawn.last], pairs, inside=drawn.effects)
    made = recomputed(graph, operands)
    drawn.leave(made[len(results) :])
    return structure.unflatten(made[: len(results)])


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)
