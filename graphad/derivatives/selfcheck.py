"""Is the derivative that a user states right? vjp against jvp against finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.derivatives.numeric import inner
from graphad.derivatives.slopes import Slope
from graphad.errors import GradientError, UseError
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable

Array = np.ndarray[Any, Any]
RELATIVE, ABSOLUTE = 1e-6, 1e-9


def self_check(primitive: Any, samples: Sequence[Any]) -> None:
    """GradientError unless the declared rules of a primitive agree at the sample arguments."""
    arrays = [_double(np.asarray(sample)) for sample in samples]
    if not arrays:
        raise UseError(
            f"{primitive.name}: nothing to check the derivative at",
            remedy="give sample arguments: @ga.primitive(samples=(x, y), check=True)",
        )
    inputs = [Variable(TensorType(a.dtype, a.shape), name=f"x{i}") for i, a in enumerate(arrays)]
    made = primitive(*inputs)
    results = list(made) if isinstance(made, tuple) else [made]
    rng = np.random.default_rng(0)
    seeds = [Variable(v.type) for v in results]
    weights = [_draw(rng, np.zeros([int(s) for s in a.shape], a.dtype))
               for a in evaluate(Graph(inputs, results), arrays)]  # fmt: skip
    for place, (x, array) in enumerate(zip(inputs, arrays, strict=True)):
        if x.dtype.kind in "fc" and not primitive.is_zero(place):
            direction = _draw(rng, array)
            slope = Slope(primitive.name, primitive.function, "numeric", np.finfo(float).eps)
            expected = inner(weights, slope.forward(arrays, place, direction, {}))
            _one(
                primitive, place, (inputs, results, seeds), (arrays, weights, direction), expected
            )


def _one(
    primitive: Any, place: int, symbols: tuple, values: tuple, expected: tuple[float, float]
) -> None:
    inputs, results, seeds = symbols
    arrays, weights, direction = values
    node = results[0].owner
    if primitive.has_pull(place):
        back = primitive.pull(node, place, seeds)
        (found,) = evaluate(Graph([*inputs, *seeds], [back]), [*arrays, *weights])
        _compare(primitive, place, "vjp", inner([found], [direction]), expected)
    if primitive.has_push(place):
        move = Variable(inputs[place].type)
        pushed = primitive.push(node, place, move)
        pairs = [(p, w) for p, w in zip(pushed, weights, strict=True) if p is not None]
        graph = Graph([*inputs, move], [p for p, _ in pairs])
        found = inner([w for _, w in pairs], evaluate(graph, [*arrays, direction]))
        _compare(primitive, place, "jvp", found, expected)


def _compare(
    primitive: Any,
    place: int,
    which: str,
    found: tuple[float, float],
    expected: tuple[float, float],
) -> None:
    allowed = ABSOLUTE + RELATIVE * (found[1] + expected[1])
    if not abs(found[0] - expected[0]) <= allowed:
        raise GradientError(
            f"{primitive.name}: the {which} for argument {place} is wrong at the samples",
            cause=f"along a random direction it gives {found[0]!r}, "
            f"finite differences give {expected[0]!r}",
            remedy="correct the rule, or choose samples away from kinks",
        )


def _draw(rng: np.random.Generator, like: Array) -> Array:
    drawn: Any = rng.normal(size=like.shape)
    if like.dtype.kind == "c":
        drawn = drawn + 1j * rng.normal(size=like.shape)
    return np.asarray(drawn).astype(like.dtype)


def _double(array: Array) -> Array:
    """Floats in double precision, for differences."""
    wide = {"f": np.float64, "c": np.complex128}
    return array.astype(wide.get(array.dtype.kind, array.dtype))
