"""`jvp`, `vjp`, `linearize`: the derivative of a Python function at one point as a linear map.

The function is traced once. What does not depend on the direction (the whole forward pass) is
computed once and kept; the linear map is a graph of its own, which is applied to directions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.assemble import function
from graphad.derivatives import reverse
from graphad.derivatives.forward import push_forward
from graphad.errors import GradientError, InputError, ShapeError, UseError
from graphad.functional.calls import own_values
from graphad.functional.choosing import NUMBERS, check_callable, name_of, positions
from graphad.functional.deriving import derivative, results_of
from graphad.functional.tracer import Trace
from graphad.ir import walk
from graphad.ir.dimtext import shape_text
from graphad.ir.evaluate import evaluate
from graphad.ir.families.inner import argument
from graphad.ir.families.movement import zeros_for
from graphad.ir.graph import Graph
from graphad.ir.types import type_of
from graphad.ir.variable import Constant, Variable, as_variable
from graphad.runtime.function import Function


class LinearMap:
    """A derivative at one point: from directions (one container) to their images.

    Calls with arrays compute, calls with Variables build graph.
    """

    def __init__(
        self, name: str, kind: str, given: tuple[Sequence[Variable], tree.Structure],
        images: Sequence[Variable], structure: tree.Structure, kept: dict[Variable, Any],
    ) -> None:  # fmt: skip
        self.__name__ = f"{kind}_of_{name}"
        self.name, self.kind = name, kind
        self.inputs, self.given = given
        self.images, self.structure, self.kept = list(images), structure, kept
        self._calls = 0
        self._function: Function | None = None

    def apply(self, directions: Any) -> Any:
        """The images of a container of directions."""
        leaves, structure = tree.flatten(directions)
        if structure != self.given:
            raise InputError(
                f"{self.kind}({self.name}): the directions are {structure!r}",
                cause=f"{self.given!r} is expected",
                remedy="give one direction for each array, in the same containers",
            )
        values = [self._fit(v, like) for v, like in zip(leaves, self.inputs, strict=True)]
        inputs, values = [*self.inputs, *self.kept], [*values, *self.kept.values()]
        self._calls += 1
        if self._calls == 1:  # often the only one
            found = evaluate(Graph(inputs, self.images), values)
            return self.structure.unflatten([np.array(v)[()] for v in found])
        if self._function is None:
            self._function = function(inputs, self.images, name=self.__name__, unused="ignore")
        return self.structure.unflatten(self._function(*values))

    def _fit(self, value: Any, like: Variable) -> Any:
        array = np.asarray(value)
        if array.shape != like.type.shape:
            raise ShapeError(
                f"{self.kind}({self.name}): a direction has shape {shape_text(array.shape)}",
                cause=f"what it belongs to has shape {shape_text(like.type.shape)}",
                remedy="directions have the shapes of what they belong to",
            )
        if array.dtype.kind not in "biufc" or (array.dtype.kind == "c" and like.dtype.kind != "c"):
            raise GradientError(f"{self.kind}({self.name}): a direction of dtype {array.dtype}",
                                cause=f"what it belongs to is {like.type}")  # fmt: skip
        return array.astype(like.dtype)

    def __repr__(self) -> str:
        return f"<{self.__name__}>"


def _point(kind: str, name: str, primals: Sequence[Any], fun: Any) -> tuple[list, tree.Structure]:
    """The arrays among the arguments; all must be floats."""
    leaves, structure = tree.flatten(list(primals))
    names = positions(fun)
    for i, leaf in enumerate(leaves):
        kind_of = leaf.dtype.kind if isinstance(leaf, Variable) else np.asarray(
            leaf).dtype.kind if isinstance(leaf, (np.ndarray, *NUMBERS)) else "O"  # fmt: skip
        if kind_of not in "fc":
            paths: list[str] = []
            for j, child in enumerate(structure.children):
                paths += child.paths(names[j] if j < len(names) else f"argument_{j}")
            raise GradientError(
                f"{kind}({name}): {paths[i]} is {leaf!r}",
                cause="derivatives are by floating-point numbers and arrays",
                remedy="pass 3.0 instead of 3; bind other arguments with functools.partial",
            )
    return leaves, structure


def _frontier(images: Sequence[Variable], moving: Sequence[Variable]) -> list[Variable]:
    """What is computed without the directions, and used with them."""
    order = walk.toposort(images)
    reached = walk.reached_from(set(moving), order)
    found: dict[Variable, None] = {}
    for node in order:
        if any([v in reached for v in node.outputs]):
            for v in node.inputs:
                if v not in reached and not isinstance(v, Constant):
                    found.setdefault(v)
    for v in images:
        if v not in reached and not isinstance(v, Constant):
            found.setdefault(v)
    return list(found)


def _linear(
    kind: str, fun: Callable[..., Any], primals: Sequence[Any], has_aux: bool, forward: bool
) -> tuple[Any, Any, Any]:
    """(outputs, the linear map, aux) of `fun` at a point."""
    check_callable(fun, kind)
    name = name_of(fun)
    leaves, structure = _point(kind, name, primals, fun)
    symbolic = any(isinstance(v, Variable) for v in leaves)
    if symbolic:
        variables = [argument(as_variable(v)) for v in leaves]
        made = results_of(fun(*structure.unflatten(list(variables))), kind, name, has_aux)
        variables = [v if v.tracing is None else v.tracing.original(v) for v in variables]
        out, aux = made if has_aux else (made, None)
        return out, _symbolic_map(kind, name, variables, structure, out, forward), aux
    trace = Trace(name)
    try:
        arrays = [np.array(v)[()] for v in leaves]
        tracers: list[Any] = [trace.leaf(type_of(a), a) for a in arrays]
        made = results_of(fun(*structure.unflatten(list(tracers))), kind, name, has_aux)
        tracers = [trace.original(v) for v in tracers]
        out, aux = made if has_aux else (made, None)
        outputs, out_structure = tree.flatten(out)
        moving = [Variable(v.type) for v in (tracers if forward else outputs)]
        images = _images(forward, tracers, outputs, moving)
        edge = _frontier(images, moving)
        extra, extra_structure = tree.flatten(aux)
        values = own_values(trace, [*outputs, *extra, *edge])
        shapes = (structure, out_structure) if forward else (out_structure, structure)
        count = len(outputs) + len(extra)
        kept = dict(zip(edge, values[count:], strict=True))
        found = LinearMap(name, kind, (moving, shapes[0]), images, shapes[1], kept)
        return (out_structure.unflatten(values[: len(outputs)]), found,
                extra_structure.unflatten(values[len(outputs) : count]))  # fmt: skip
    finally:
        trace.close()


def _images(
    forward: bool, inputs: Sequence[Variable], outputs: Sequence[Variable],
    moving: Sequence[Variable],
) -> list[Variable]:  # fmt: skip
    if forward:
        starts = dict(zip(inputs, moving, strict=True))
        found: Sequence[Variable | None] = push_forward(starts, outputs)
        targets = outputs
    else:
        found = reverse.vjp(list(outputs), list(inputs), list(moving))
        targets = inputs
    return [zeros_for(v) if t is None else t for t, v in zip(found, targets, strict=True)]


def _symbolic_map(
    kind: str, name: str, inputs: Sequence[Variable], structure: tree.Structure, out: Any,
    forward: bool,
) -> Callable[..., Any]:  # fmt: skip
    outputs, out_structure = tree.flatten(out)

    def apply(directions: Any) -> Any:
        given = [as_variable(v) for v in tree.flatten(directions)[0]]
        like = inputs if forward else outputs
        if len(given) != len(like):
            raise InputError(
                f"{kind}({name}): {len(given)} directions for {len(like)} arrays",
                remedy="give one direction for each array, in the same containers",
            )
        seeds = [reverse._as_cotangent(v, d) for v, d in zip(like, given, strict=True)]
        images = _images(forward, inputs, outputs, seeds)
        return (out_structure if forward else structure).unflatten(images)

    return apply


def _applied(found: Any, directions: Any) -> Any:
    return found.apply(directions) if isinstance(found, LinearMap) else found(directions)


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(outputs of ``fun(*primals)``, the function from cotangents of the outputs to a tuple with
    the cotangents of the arguments).

    All arguments are floats, in any containers. With `has_aux`, a third result. ``vjp(f)`` without
    a point is the function of the point. The forward pass is computed once.

    >>> import numpy as np, graphad as ga
    >>> y, pull = ga.vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> y, pull(np.array([1.0, 10.0]))
    (array([1., 4.]), (array([ 2., 40.]),))
    """
    if not primals:
        return functools.partial(vjp, fun, has_aux=has_aux)
    out, found, aux = _linear("vjp", fun, primals, has_aux, forward=False)

    def pull(cotangents: Any) -> Any:
        return tuple(_applied(found, cotangents))

    return (out, pull, aux) if has_aux else (out, pull)


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(outputs of ``fun(*primals)``, the function from tangents of the arguments to tangents of
    the outputs). What is not linear is computed once.

    >>> import graphad as ga
    >>> y, push = ga.linearize(lambda x, w: x * w**2, 2.0, 3.0)
    >>> y, push(1.0, 0.0), push(0.0, 1.0)
    (np.float64(18.0), np.float64(9.0), np.float64(12.0))
    """
    if not primals:
        return functools.partial(linearize, fun, has_aux=has_aux)
    out, found, aux = _linear("linearize", fun, primals, has_aux, forward=True)

    def push(*tangents: Any) -> Any:
        return _applied(found, list(tangents))

    return (out, push, aux) if has_aux else (out, push)


def jvp(fun: Callable[..., Any], primals: Any = None, tangents: Any = None, *,
        has_aux: bool = False) -> Any:  # fmt: skip
    """(outputs of ``fun(*primals)``, their derivative along `tangents`); both are tuples with one
    entry for each argument. ``jvp(f)`` without a point is the function of both.

    >>> import graphad as ga
    >>> ga.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    (np.float64(6.0), np.float64(23.0))
    """
    if primals is None:
        return functools.partial(jvp, fun, has_aux=has_aux)
    for what, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple | list):
            raise UseError(
                f"jvp({name_of(fun)}): {what} is {type(value).__name__}",
                remedy="write jvp(f, (x, y), (dx, dy)), tuples with one entry for each argument",
            )
    check_callable(fun, "jvp")

    def paired(primals: Any, tangents: Any) -> Any:
        made = fun(*primals)
        if not has_aux:
            return made, tangents
        made, aux = results_of(made, "jvp", name_of(fun), True)
        return (made, tangents), aux

    paired.__name__ = name_of(fun)
    pushed = derivative(paired, "jvp", _pushed, (0, 1), None, has_aux)
    found = pushed(tuple(primals), tuple(tangents))
    return (*found[0], found[1]) if has_aux else found


def _pushed(out: Any, wrt: Any) -> Any:
    """(outputs, their tangents) from the pairs (outputs, tangents) and (primals, tangents)."""
    primals, tangents = [tree.flatten(part) for part in wrt]
    if primals[1] != tangents[1]:
        raise InputError(
            f"jvp: the tangents are {tangents[1]!r}, the primals {primals[1]!r}",
            remedy="give one tangent for each argument, in the same containers",
        )
    starts = {v: reverse._as_cotangent(v, t) for v, t in zip(primals[0], tangents[0], strict=True)}
    outputs, structure = tree.flatten(out[0])
    moved = push_forward(starts, outputs)
    zeros = [zeros_for(v) if t is None else t for t, v in zip(moved, outputs, strict=True)]
    return out[0], structure.unflatten(zeros)
