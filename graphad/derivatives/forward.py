"""Forward mode: tangents travel with the values, from the inputs to the outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from graphad import tree
from graphad.derivatives.carriers import carriers
from graphad.derivatives.reverse import (
    _as_cotangent,
    _variables,
    pull_back,
    stable_form,
)
from graphad.errors import GradientError
from graphad.ir import walk
from graphad.ir.context import derived_from
from graphad.ir.families.common import spread_to
from graphad.ir.families.inner import InnerFamily
from graphad.ir.families.movement import zeros_for
from graphad.ir.hooks import also_of_functions
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable


@also_of_functions
def jvp(outputs: Any, wrt: Any, tangents: Any) -> Any:
    """Jacobian-vector product: ∂outputs/∂wrt · tangents, in the structure of `outputs`.

    wrt and tangents: one variable each, or containers of equal structure; a tangent has the shape
    of its variable. Outputs that do not depend on `wrt` get zeros.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.jvp(x * x, x, ga.constant([1.0, 10.0])).eval({x: [3.0, 4.0]})
    array([ 6., 80.])
    """
    targets, structure = _variables(outputs, "jvp", "outputs", floats=False)
    variables, _ = _variables(wrt, "jvp", "wrt")
    given = (
        [tangents] if len(variables) == 1 and wrt is variables[0] else tree.flatten(tangents)[0]
    )
    if len(given) != len(variables):
        raise GradientError(
            f"jvp: {len(variables)} variables in wrt and {len(given)} tangents",
            remedy="give one tangent for each variable",
        )
    starts = {v: _as_cotangent(v, t) for v, t in zip(variables, given, strict=True)}
    found = push_forward(starts, targets)
    return structure.unflatten(
        [zeros_for(v) if t is None else t for v, t in zip(targets, found, strict=True)]
    )


def push_forward(
    starts: Mapping[Variable, Variable], targets: Sequence[Variable]
) -> list[Variable | None]:
    """Tangents of `targets`, given those of `starts`; None where nothing arrives."""
    order = walk.toposort(targets)
    live = carriers(order, starts)
    known: dict[Variable, Variable] = dict(starts)
    for node in order:
        _advance(node, known, live, starts, node)
    return [known.get(v) for v in targets]


def _advance(
    node: Apply,
    known: dict[Variable, Variable],
    live: Collection[Variable],
    fixed: Collection[Variable],
    origin: Apply,
) -> None:
    """Enter the tangents of a node's outputs into `known`."""
    if not any([v in live for v in node.outputs]):
        return
    given = [None if node.op.cuts(i) else known.get(v) for i, v in enumerate(node.inputs)]
    if all([t is None for t in given]):
        return
    stable = stable_form(node, fixed)
    if stable is None:
        made = _push(node, given, origin)
    else:
        order = walk.toposort([stable.result], stable.around)
        carried = carriers(order, [v for v in stable.around if v in known])
        for inner in order:
            _advance(inner, known, carried, fixed, origin)
        made = [known.get(stable.result)]
    for output, tangent in zip(node.outputs, made, strict=True):
        if tangent is not None and output not in fixed:
            known[output] = tangent


def _push(
    node: Apply, tangents: Sequence[Variable | None], origin: Apply
) -> Sequence[Variable | None]:
    with derived_from(origin):
        family = node.op.family
        if isinstance(family, InnerFamily):
            made = family.jvp_with(node, tangents, push_forward, pull_back)
        else:
            made = family.jvp(node, tangents)
        if made is None:
            made = from_vjp(node, tangents)
        return [
            None if t is None or not v.type.is_float else spread_to(t, v)
            for t, v in zip(made, node.outputs, strict=True)
        ]


def from_vjp(node: Apply, tangents: Sequence[Variable | None]) -> Sequence[Variable | None]:
    """The outputs' tangents from the vjp alone: x̄ = Jᵀȳ is linear in ȳ, its vjp is J.

    ȳ is a stand-in, y itself cut off; as x̄ is linear in it, only its shape matters.
    """
    cut = OPS["stop_gradient"]
    stand_ins = [cut(v) if v.type.is_float else None for v in node.outputs]
    needed = [t is not None for t in tangents]
    family = node.op.family
    if isinstance(family, InnerFamily):
        parts = family.vjp_with(node, stand_ins, needed, pull_back, push_forward)
    else:
        parts = family.vjp(node, stand_ins, needed)
    starts: dict[Variable, Variable] = {}
    for part, tangent in zip(parts, tangents, strict=True):
        if part is not None and tangent is not None:
            given = spread_to(tangent, part)
            starts[part] = starts[part] + given if part in starts else given
    found = pull_back(starts, [v for v in stand_ins if v is not None], ())
    return [None if v is None else found[v] for v in stand_ins]
