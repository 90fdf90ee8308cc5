"""Reverse mode: the gradient as more graph.

Cotangents (the derivative of the cost by each variable) travel from the cost to the variables
asked for, through the nodes that lie on a way between them, once each: a gradient has at most a
small constant times as many nodes as the forward graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from graphad import tree
from graphad.derivatives.carriers import carriers, needed_by
from graphad.errors import DisconnectedError, DTypeError, GradientError, ShapeError, UseError
from graphad.ir import walk
from graphad.ir.context import derived_from
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import fit
from graphad.ir.families.inner import InnerFamily
from graphad.ir.families.movement import zeros_for
from graphad.ir.hooks import also_of_functions, hooks
from graphad.ir.variable import Apply, Constant, Variable, as_variable, describe
from graphad.records import Record

_HANDLING = ("raise", "zero", "none")


@also_of_functions
def grad(
    cost: Variable | None,
    wrt: Any,
    *,
    known_cotangents: Mapping[Variable, Any] | None = None,
    stop: Iterable[Variable] = (),
    disconnected: str = "raise",
    holomorphic: bool = False,
) -> Any:
    """The derivative of the scalar `cost` by each variable in `wrt`, as new graph.

    Parameters
    ----------
    cost: scalar float variable; None if `known_cotangents` says all.
    wrt: a variable or any nested container of them; intermediates and shared variables count.
    known_cotangents: variable → its cotangent (same shape), for starting in the middle of a graph.
    stop: variables that are taken as constants.
    disconnected: what happens for a variable on which the cost does not depend: "raise", "zero"
        (an array of zeros), "none".
    holomorphic: the cost is an analytic function of complex variables; the result is f'(z). Both
        must be complex; that the function is analytic is not checked (ga.testing.check_holomorphic
        does).

    Returns the same container as `wrt`; each derivative has the dtype and shape of its variable.
    For complex variables it is ∂u/∂x - i·∂u/∂y (Autograd's convention), where u is the real part
    of the cost: of an analytic function that is f'(z).
    Raises GradientError for a cost that is no float scalar or a `wrt` that is no float, and
    DisconnectedError with the path and the node that cuts it.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> ga.grad(x**3, x).eval({x: 2.0})
    np.float64(12.0)
    """
    variables, structure = _variables(wrt, "grad", "wrt")
    _check_handling(disconnected)
    if holomorphic:
        _check_complex([*([] if cost is None else [cost]), *variables])
    starts: dict[Variable, Variable] = {}
    if cost is not None:
        checked = _check_cost(cost)
        starts[checked] = Constant(np.ones((), checked.dtype))
    for variable, cotangent in (known_cotangents or {}).items():
        given = _as_cotangent(variable, cotangent)
        starts[variable] = starts[variable] + given if variable in starts else given
    if not starts:
        raise GradientError(
            "grad without a cost", remedy="give cost=, or known_cotangents={variable: cotangent}"
        )
    found = pull_back(starts, variables, stop)
    results = [
        _connected(found[v], v, list(starts), stop, disconnected, "grad") for v in variables
    ]
    return structure.unflatten(results)


@also_of_functions
def vjp(outputs: Any, wrt: Any, cotangents: Any, *, disconnected: str = "zero") -> Any:
    """Vector-Jacobian product: Σ cotangents · ∂outputs/∂wrt, in the structure of `wrt`.

    outputs and cotangents: one variable each, or containers of equal structure; a cotangent has
    the shape of its output. Raises ShapeError where it has not.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.vjp(x * x, x, ga.constant([1.0, 10.0])).eval({x: [3.0, 4.0]})
    array([ 6., 80.])
    """
    variables, structure = _variables(wrt, "vjp", "wrt")
    _check_handling(disconnected)
    targets, shape = _variables(outputs, "vjp", "outputs", floats=False)
    given, given_shape = tree.flatten(cotangents)
    if len(given) != len(targets):
        raise GradientError(
            f"vjp: {len(targets)} outputs and {len(given)} cotangents",
            cause=f"outputs are {shape!r}, cotangents {given_shape!r}",
            remedy="give one cotangent for each output",
        )
    starts: dict[Variable, Variable] = {}
    for target, cotangent in zip(targets, given, strict=True):
        seed = _as_cotangent(target, cotangent)
        starts[target] = starts[target] + seed if target in starts else seed
    found = pull_back(starts, variables, ())
    return structure.unflatten(
        [_connected(found[v], v, targets, (), disconnected, "vjp") for v in variables]
    )


# ---- the algorithm ---------------------------------------------------------------------------
def pull_back(
    starts: Mapping[Variable, Variable],
    wrt: Sequence[Variable],
    stop: Iterable[Variable],
) -> dict[Variable, Variable | None]:
    """Cotangents of `wrt`, given those of `starts`; None where nothing arrives.

    A variable that is connected but receives only zeros (a rounding, say) gets an array of zeros.
    """
    barrier = frozenset(stop)
    fixed = {*starts, *wrt, *barrier}
    order = walk.toposort(starts, barrier)
    live = carriers(order, wrt, barrier)
    received: dict[Variable, list[Variable]] = {v: [c] for v, c in starts.items()}
    connected = {v for v in starts if v in live}
    wanted = set(wrt)
    arrived: dict[Variable, Variable | None] = {}
    for node in reversed(order):
        outputs = node.outputs
        cotangents = [_collect(received, v, wanted, arrived) for v in outputs]
        if connected.isdisjoint(outputs):
            continue
        needed = needed_by(node, live)
        if True not in needed:
            continue
        connected.update([v for v, need in zip(node.inputs, needed, strict=True) if need])
        if any([c is not None for c in cotangents]):
            for variable, part in _contributions(node, cotangents, needed, live, fixed, node):
                received.setdefault(variable, []).append(part)
    for variable in wanted:
        if variable not in arrived:
            _collect(received, variable, wanted, arrived)
        if arrived[variable] is None and variable in connected:
            arrived[variable] = zeros_for(variable)
    return arrived


def _collect(
    received: dict[Variable, list[Variable]],
    variable: Variable,
    wanted: set[Variable],
    arrived: dict[Variable, Variable | None],
) -> Variable | None:
    """The sum of what has arrived at a variable; kept if it was asked for."""
    parts = received.pop(variable, None)
    if parts is None:
        if variable in wanted:
            arrived.setdefault(variable, None)
        return None
    total = _sum(variable, parts) if len(parts) > 1 else parts[0]
    if variable in wanted:
        arrived[variable] = total
    return total


def _sum(variable: Variable, parts: Sequence[Variable]) -> Variable:
    """Contributions added up; the additions belong to the derivative of what made the variable."""
    origins = [variable.owner, *[p.owner.origin for p in parts if p.owner is not None]]
    origin = next((node for node in origins if node is not None), None)
    with derived_from(origin) if origin is not None else nullcontext():
        total = parts[0]
        for part in parts[1:]:
            total = total + part
    return total


def _push_forward(
    starts: Mapping[Variable, Variable], targets: Sequence[Variable]
) -> Sequence[Any]:
    """Forward mode, which stands on this module."""
    found: Sequence[Any] = hooks.load("derivatives.forward").push_forward(starts, targets)
    return found


def _pull(
    node: Apply,
    cotangents: Sequence[Variable | None],
    needed: Sequence[bool],
    origin: Apply,
) -> Sequence[Variable | None]:
    """What the inputs of one node receive, each checked against the type of its input."""
    with derived_from(origin):
        family = node.op.family
        if family.is_inner:
            assert isinstance(family, InnerFamily)
            parts = family.vjp_with(node, cotangents, needed, pull_back, _push_forward)
        else:
            parts = family.vjp(node, cotangents, needed)
        return [
            fit(part, operand) if need else None
            for part, operand, need in zip(parts, node.inputs, needed, strict=True)
        ]


# ---- forms that are exact where the user's formula is not -------------------------------------
WINDOW = 8  # how many levels of operands a stable form may replace


class Stable(Record):
    """What is differentiated in the place of a node: `result`, a function of variables of the
    graph, among them all `leaves`; `around` are variables of the graph at which it ends."""

    result: Variable
    leaves: tuple[Variable, ...]
    around: frozenset[Variable]


def stable_form(node: Apply, fixed: Collection[Variable]) -> Stable | None:
    """The form of a node that `hooks.stabilise` knows, unless that leaves out a `fixed` variable,
    whose derivative was asked for or given."""
    made = hooks.stabilise(node)
    if made is None:
        return None
    around = walk.window(node.inputs, WINDOW)
    leaves = tuple([v for v in walk.leaves([made], around) if v in around])
    between = walk.window(node.inputs, WINDOW, stop=leaves) - {*leaves}
    return None if any([v in fixed for v in between]) else Stable(made, leaves, around)


def _contributions(
    node: Apply,
    cotangents: Sequence[Variable | None],
    needed: Sequence[bool],
    live: Collection[Variable],
    fixed: Collection[Variable],
    origin: Apply,
) -> list[tuple[Variable, Variable]]:
    """(variable, what it receives) for operands of a node, or for leaves of its stable form."""
    stable = stable_form(node, fixed)
    if stable is None:
        given = _pull(node, cotangents, needed, origin)
        return [(v, p) for v, p in zip(node.inputs, given, strict=True) if p is not None]
    order = walk.toposort([stable.result], stable.around)
    carried = carriers(order, [v for v in stable.around if v in live])
    received: dict[Variable, list[Variable]] = {
        stable.result: [c for c in cotangents if c is not None]
    }
    for inner in reversed(order):
        arrived = [_sum(v, received.pop(v)) if v in received else None for v in inner.outputs]
        if any([c is not None for c in arrived]):
            wanted = needed_by(inner, carried)
            for variable, part in _contributions(inner, arrived, wanted, carried, fixed, origin):
                received.setdefault(variable, []).append(part)
    return [(v, part) for v, parts in received.items() for part in parts]


# ---- checks ----------------------------------------------------------------------------------
def _variables(
    container: Any, function: str, argument: str, floats: bool = True
) -> tuple[list[Variable], tree.Structure]:
    """The leaves of a container, all of them variables (of floats)."""
    leaves, structure = tree.flatten(container)
    if isinstance(container, Variable):
        leaves, structure = [container], tree.LEAF
    if all([isinstance(v, Variable) and (v.type.is_float or not floats) for v in leaves]):
        return leaves, structure
    paths = structure.paths(argument)
    for path, leaf in zip(paths, leaves, strict=True):
        if not isinstance(leaf, Variable):
            raise UseError(
                f"{function}: {path} is {type(leaf).__name__}, not a Variable",
                remedy="pass the variables of the graph themselves",
            )
        if floats and leaf.dtype.kind not in "fc":
            raise GradientError(
                f"{function}: {path} has dtype {leaf.dtype}; derivatives need floats",
                cause=describe(leaf),
                remedy='declare the variable with dtype="float64"',
            )
    return leaves, structure


def _check_handling(disconnected: str) -> None:
    if disconnected not in _HANDLING:
        raise UseError(
            f"disconnected={disconnected!r}", remedy=f"choose one of {', '.join(_HANDLING)}"
        )


def _check_cost(cost: Any) -> Variable:
    if not isinstance(cost, Variable):
        raise UseError(
            f"grad: the cost is {type(cost).__name__}, not a Variable",
            remedy="build it from symbolic variables; for Python functions differentiate the "
            "variable that the function returns",
        )
    if cost.ndim:
        raise GradientError(
            f"grad: the cost must be a scalar, it has shape {shape_text(cost.type.shape)}",
            cause=describe(cost),
            remedy="reduce it with .sum() or .mean(), or use ga.jacobian",
        )
    if cost.dtype.kind not in "fc":
        raise GradientError(
            f"grad: the cost has dtype {cost.dtype}, derivatives need floats",
            cause=describe(cost),
            remedy='convert it with .astype("float64") before the last smooth operation',
        )
    return cost


def _check_complex(variables: Sequence[Any]) -> None:
    for variable in variables:
        if isinstance(variable, Variable) and variable.dtype.kind != "c":
            raise GradientError(
                f"grad: holomorphic=True, but {describe(variable)} is real",
                cause="a holomorphic function maps complex numbers to complex numbers",
                remedy="leave holomorphic out, or declare the variable as complex128",
            )


def _fixed(size: Any) -> bool:
    """Is this size known to differ from all others, while the graph is built?"""
    return isinstance(size, int) or size.name is not None


def _as_cotangent(variable: Variable, cotangent: Any) -> Variable:
    seed = as_variable(cotangent)
    pairs = zip(seed.type.shape, variable.type.shape, strict=False)
    if seed.ndim != variable.ndim or any(a != b and _fixed(a) and _fixed(b) for a, b in pairs):
        raise ShapeError(
            f"a cotangent or tangent of shape {shape_text(seed.type.shape)} for "
            f"{describe(variable)}",
            cause="it has the shape of its variable; a named size equals only itself",
            remedy='declare it with the same shape: ga.tensor("c", shape=…)',
        )
    if seed.dtype.kind == "c" and variable.dtype.kind != "c":
        raise DTypeError("a complex cotangent for a real variable", cause=describe(variable))
    return seed if seed.dtype == variable.dtype else seed.astype(variable.dtype)


def _connected(
    found: Variable | None,
    variable: Variable,
    targets: Sequence[Variable],
    stop: Iterable[Variable],
    disconnected: str,
    function: str,
) -> Variable | None:
    if found is not None:
        return found
    if disconnected == "zero":
        return zeros_for(variable)
    if disconnected == "none":
        return None
    raise DisconnectedError(
        f"{function}: the result does not depend on {describe(variable)}",
        cause=_explain(variable, targets, frozenset(stop)),
        remedy='use disconnected="zero" (or "none") if that is intended',
    )


def _explain(variable: Variable, targets: Sequence[Variable], stop: frozenset[Variable]) -> str:
    """Why nothing arrives: there is no path, or a node on it cuts it."""
    for target in targets:
        path = walk.path_between(variable, target)
        for before, after in itertools.pairwise(path):
            node = after.owner
            if node is None:
                continue
            position = next(i for i, v in enumerate(node.inputs) if v is before)
            cut = node.op.cuts(position) or not after.type.is_float or after in stop
            if cut:
                steps = " → ".join(
                    v.name or (v.owner.op.name if v.owner is not None else "input") for v in path
                )
                why = "it is listed in stop" if after in stop else (
                    f"{node.op.name} has no derivative with respect to this operand"
                )  # fmt: skip
                return f"the path {steps} is cut at {node.op.name} ({node.site}): {why}"
    return "there is no path from it to the result"
