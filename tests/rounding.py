"""How far two ways of computing a group may lie apart: a bound for each of its values.

The formula of each op is run instruction by instruction, with NumPy, on pairs (value, how far
another computation may be from it). An instruction carries the distances of its operands on, and
adds its own: nothing where it moves, compares, or is one of + − × ÷ √; `ULP` units in the last
place for the other functions; for sums and products the error bound of any order of adding up
(N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1 and 4.2).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.codegen.recording import Instruction, Traced, recorded
from graphad.codegen.scalars import CALLS
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.reduction import Reduction, Scan
from graphad.ir.variable import Apply, Variable
from graphad.plan.group import Group

Array = np.ndarray[Any, Any]
ULP = 4.0  # of each function that is not rounded correctly
PERIODIC = {"sin", "cos", "tan"}
EXTREMES = {"max", "min", "any", "all"}


class Near(NamedTuple):
    """A value, and how far from it another computation may be: 0 where not at all."""

    value: Array
    error: Array


def bounds(
    group: Group, values: Mapping[Variable, Array], ulp: float = ULP
) -> dict[Variable, Any]:
    """For each result of a group how far it may be from `values`, those of the interpreter, which
    are also what the group reads. `ulp`: of functions that are not rounded correctly."""
    near: dict[Variable, Near] = {}
    with np.errstate(all="ignore"):
        for node in group.nodes:
            operands = [near.get(v, _exact(values[v])) for v in node.inputs]
            result = node.output(0)
            error = _of_node(node, operands, ulp)
            near[result] = Near(values[result], np.broadcast_to(error, values[result].shape))
    return {v: near[v].error for v in group.outputs}


def _exact(value: Any) -> Near:
    array = np.asarray(value)
    return Near(array, np.zeros(array.shape))


def _of_node(node: Apply, operands: Sequence[Near], ulp: float) -> Any:
    if not isinstance(node.op.family, Elementwise | Reduction | Scan):  # a move
        if not any(np.any(o.error) for o in operands):
            return 0.0
        moved = [o.error if o.value.dtype.kind in "fb" else o.value for o in operands]
        return np.asarray(node.op.evaluate(np, moved), float)
    calls, result = recorded(node.op, tuple([v.type for v in node.inputs]))
    known = {f"a{i}": o for i, o in enumerate(operands)}
    for call in calls:
        known[call.target] = _instruction(call, known, ulp)
    found = known[result]
    final = found.value.astype(node.types[0].dtype)
    return _cast(found, final).error


def _instruction(call: Instruction, known: Mapping[str, Near], ulp: float) -> Near:
    arguments = [known[a.text] if isinstance(a, Traced) else a for a in call.arguments]
    keywords = dict(call.keywords)
    compute = _function(call.function, keywords)
    value = np.asarray(compute(*[a.value if isinstance(a, Near) else a for a in arguments]))
    if call.function in ("sum", "prod") or call.function in EXTREMES:
        return Near(value, _of_reduction(call.function, arguments[0], value, keywords))
    error = np.maximum(_carried(compute, call.function, arguments, value), 0.0)
    if _is_rounded(call.function, arguments) and value.dtype.kind == "f":
        error = error + ulp * units(value)
    return Near(value, error)


def _function(name: str, keywords: Mapping[str, Any]) -> Callable[..., Any]:
    if name == "astype":
        return lambda x, dtype: x.astype(dtype)
    return lambda *arguments: getattr(np, name)(*arguments, **keywords)


def _is_rounded(name: str, arguments: Sequence[Any]) -> bool:
    """Is it a function whose result is not rounded correctly?"""
    if name == "power":
        exponent = arguments[1].value if isinstance(arguments[1], Near) else arguments[1]
        return not np.all(np.isin(exponent, (2.0, 0.5)))
    return name in CALLS


def units(value: Array) -> Any:
    """One unit in the last place of each element."""
    limits = np.finfo(value.dtype)
    size = np.clip(np.abs(value), limits.tiny, limits.max)
    return np.where(np.isfinite(value), np.spacing(size), 0.0).astype(float)


# ---- what operands carry on ------------------------------------------------------------------
def _carried(
    compute: Callable[..., Any], name: str, arguments: Sequence[Any], value: Array
) -> Any:
    """How far the result moves when operands are moved to the ends of their intervals."""
    moving = [i for i, a in enumerate(arguments) if isinstance(a, Near) and np.any(a.error)]
    if not moving:
        return np.zeros(value.shape)
    plain = [a.value if isinstance(a, Near) else a for a in arguments]
    if name in PERIODIC:
        far = np.inf if name == "tan" else 2.0
        wide = np.where(arguments[0].error > 0.1, far, 0.0)
    else:
        wide = np.zeros(())
    worst = np.zeros(value.shape)
    for signs in itertools.product((-1, 1), repeat=len(moving)):
        moved = list(plain)
        for i, sign in zip(moving, signs, strict=True):
            moved[i] = _moved(arguments[i], sign)
        worst = np.maximum(worst, gap(np.asarray(compute(*moved)), value))
    return np.maximum(1.01 * worst, wide)


def _moved(near: Near, sign: int) -> Array:
    value, error = near
    if value.dtype.kind == "b":
        return np.where(error > 0, sign > 0, value)
    if value.dtype.kind in "iu":
        return (value + np.asarray(sign * np.minimum(error, 1e6)).astype(value.dtype)).astype(
            value.dtype
        )
    return np.asarray(np.where(error > 0, value + sign * error, value)).astype(value.dtype)


def gap(found: Array, expected: Array) -> Any:
    """|found − expected|; 0 where both are the same infinity or NaN, inf where only one is."""
    with np.errstate(all="ignore"):
        same = (found == expected) | (_is_nan(found) & _is_nan(expected))
        apart = np.abs(np.subtract(found, expected, dtype=float))
        apart = np.where(np.isnan(apart), np.inf, apart)
    return np.where(same, 0.0, apart)


def _is_nan(array: Array) -> Any:
    return array != array


def _cast(near: Near, value: Array) -> Near:
    if value.dtype == near.value.dtype:
        return near
    return Near(value, _carried(lambda x: x.astype(value.dtype), "astype", [near], value))


# ---- reductions ------------------------------------------------------------------------------
def _of_reduction(name: str, x: Near, value: Array, keywords: Mapping[str, Any]) -> Any:
    """The error of adding up in any order, and what elements bring along."""
    over = {k: keywords[k] for k in ("axis", "keepdims") if k in keywords}
    if name in EXTREMES:
        return np.max(x.error, **over, initial=0.0)
    if value.dtype.kind != "f":
        return np.sum(x.error, **over) if name == "sum" else np.zeros(value.shape)
    count = x.value.size // max(value.size, 1)
    eps = float(np.finfo(value.dtype).eps)
    size = np.where(np.isfinite(x.value), np.abs(x.value), 0.0).astype(float)
    limit = float(np.finfo(value.dtype).max)
    if name == "sum":
        total = np.sum(size, **over)
        found = count * eps * total + np.sum(x.error, **over)
        return np.where(total > limit, np.inf, found)
    unlike_zero = np.prod(np.maximum(size, 1.0), **over)
    whole, wider = np.prod(size, **over), np.prod(size + x.error, **over)
    least = count * float(np.finfo(value.dtype).smallest_subnormal) * unlike_zero
    found = 2 * count * eps * wider + np.maximum(wider - whole, 0.0) + least
    small = np.prod(np.minimum(np.where(size == 0, 1.0, size), 1.0), **over)
    lost = small < float(np.finfo(value.dtype).tiny)  # may be 0, times an infinity NaN
    return np.where((unlike_zero > limit) | lost, np.inf, found)
