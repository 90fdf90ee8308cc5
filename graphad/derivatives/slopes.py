"""Numeric derivatives of opaque functions by one of their arguments, at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.derivatives import opaque
from graphad.derivatives.numeric import COMPLEX_STEP, central, widened
from graphad.derivatives.rules import check_type
from graphad.errors import GradientError
from graphad.ir.types import TensorType

Array = np.ndarray[Any, Any]


class Slope:
    """How to differentiate a function of arrays numerically.

    mode: "numeric" (five points) or "complex-step"; noise: relative error of its values.
    """

    def __init__(self, name: str, function: Callable[..., Any], mode: str, noise: float) -> None:
        self.name, self.function, self.mode, self.noise = name, function, mode, noise

    def forward(
        self, arrays: Sequence[Array], place: int, tangent: Array, keywords: Mapping[str, Any]
    ) -> list[Array]:
        """The derivative of each result as argument `place` moves along `tangent`."""
        points = [widened(a) if a.dtype.kind in "fc" else a for a in arrays]
        size = float(np.max(np.abs(tangent), initial=0.0))
        direction = widened(np.asarray(tangent)) / (size or 1.0)
        if self.mode == "complex-step":
            found = self._complex_step(points, place, direction, keywords)
        else:
            found = self._central(points, place, direction, keywords)
        return [np.asarray(f * size) for f in found]

    def _central(
        self, points: list[Array], place: int, direction: Array, keywords: Mapping[str, Any]
    ) -> list[Array]:
        moving: list[Array] = [np.zeros_like(p) for p in points]
        moving[place] = direction
        size = max(1.0, float(np.max(np.abs(points[place]), initial=0.0)))
        step = self.noise**0.2 * (size if np.isfinite(size) else 1.0)

        def values(*moved: Array) -> Sequence[Any]:
            return opaque.call(self.function, moved, keywords)

        return central(values, points, moving, step)

    def _complex_step(
        self, points: list[Array], place: int, direction: Array, keywords: Mapping[str, Any]
    ) -> list[Array]:
        if points[place].dtype.kind == "c":
            raise GradientError(
                f'{self.name}: derivative="complex-step" by a complex argument',
                remedy='use derivative="numeric", or declare a rule with defvjp',
            )
        moved = list(points)
        moved[place] = points[place] + 1j * COMPLEX_STEP * direction
        results = [np.asarray(r) for r in opaque.call(self.function, moved, keywords)]
        for result in results:
            if result.dtype.kind == "f":
                raise GradientError(
                    f"{self.name} returned real numbers for complex ones",
                    cause='derivative="complex-step" needs a function that computes with complex '
                    "numbers as its formula says, without abs, real, or casts to float",
                    remedy='use derivative="numeric", or declare a rule with defvjp',
                )
        return [np.imag(result) / COMPLEX_STEP for result in results]

    def backward(
        self,
        arrays: Sequence[Array],
        place: int,
        cotangents: Sequence[Array],
        keywords: Mapping[str, Any],
    ) -> Array:
        """Σ cotangents · ∂results/∂argument `place`: one call of `forward` for each element."""
        point = widened(arrays[place])
        units = (1.0, 1j) if point.dtype.kind == "c" else (1.0,)
        gradient = np.zeros_like(point)
        for index in np.ndindex(point.shape):
            for unit in units:
                direction = np.zeros_like(point)
                direction[index] = unit
                slopes = self.forward(arrays, place, direction, keywords)
                total = sum(np.sum(g * s) for g, s in zip(cotangents, slopes, strict=True))
                gradient[index] += np.real(total) * np.conj(unit)
        return gradient


# ---- derivatives of a function, as functions of arrays themselves ------------------------------
def backward(what: str, rule: Any, place: int, results: int, count: int) -> Callable[..., Any]:
    """``f(*results, *arguments, *cotangents)``: the gradient by argument `place`."""

    def gradient(*values: Any, **keywords: Any) -> Any:
        ans, xs, gs = (
            values[:results],
            values[results : results + count],
            values[results + count :],
        )
        x = np.asarray(xs[place])
        if isinstance(rule, Slope):
            got: Any = rule.backward([np.asarray(v) for v in xs], place, gs, keywords)
        else:
            got = rule(_one(ans), *xs, **keywords)(_one(gs))
        array = np.zeros_like(x) if got is None else opaque.as_result(what, got)
        found, wanted = (TensorType(a.dtype, a.shape) for a in (array, x))
        check_type(found, what, wanted, f"argument {place}")
        return array

    return gradient


def forward(what: str, rule: Any, place: int, results: int, count: int) -> Callable[..., Any]:
    """``f(*results, *arguments, tangent)``: the tangents of the results."""

    def tangents(*values: Any, **keywords: Any) -> Any:
        ans, xs, t = values[:results], values[results : results + count], values[-1]
        if isinstance(rule, Slope):
            got: Any = rule.forward([np.asarray(v) for v in xs], place, np.asarray(t), keywords)
        else:
            found = rule(t, _one(ans), *xs, **keywords)
            got = found if isinstance(found, tuple | list) else [found]
        made = []
        for value, result in zip(got, map(np.asarray, ans), strict=True):
            constant = value is None or result.dtype.kind not in "fc"
            array = np.zeros_like(result) if constant else opaque.as_result(what, value)
            found_type, wanted = (TensorType(a.dtype, a.shape) for a in (array, result))
            check_type(found_type, f"{what} for argument {place}", wanted, "the result")
            made.append(array)
        return tuple(made)

    return tangents


def _one(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)
