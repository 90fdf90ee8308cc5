"""``x[index] = value`` on a Tracer: the name stands for a changed copy from then on.

The graph never changes: what was computed from x before stays as it is. NumPy's views are
followed: an assignment to a view changes what it is a view of, and all other views of that.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable, apply

if TYPE_CHECKING:
    from graphad.functional.tracer import Trace

VIEWS = frozenset({"getitem", "reshape", "transpose", "expand_dims", "squeeze", "flip"})


def assign(trace: Trace, x: Variable, index: Any, value: Any) -> None:
    """Make `x` stand for a copy with `value` at `index`."""
    changed = OPS["index_set"](x, index, value)
    base = _viewed(x)
    while base is not None:  # x = V(base): base has the elements of x where V takes them from
        changed = _written_through(x, base, changed)
        x, base = base, _viewed(base)
    _rebind(trace, x, changed)


def _viewed(x: Variable) -> Variable | None:
    """The variable of which `x` is a view, if it may be assigned to as well."""
    node = x.owner
    if node is None or not _is_view(node):
        return None
    base = node.inputs[0]
    return base if base.tracing is not None else None


def _is_view(node: Apply) -> bool:
    """Does NumPy give a writeable view here? (An element of rank 0 is a number.)"""
    named = node.op.name in VIEWS and node.types[0].ndim > 0
    return named and node.op.family.views(node.op.params)


def _written_through(view: Variable, base: Variable, changed: Variable) -> Any:
    """`base` with the elements of `changed` where `view` takes its elements from."""
    node = view.owner
    assert node is not None
    places = OPS["reshape"](OPS["arange"](base.size), base.shape)
    taken = apply(node.op, (places, *node.inputs[1:]))
    flat = OPS["index_set"](OPS["ravel"](base), OPS["ravel"](taken), OPS["ravel"](changed))
    return OPS["reshape"](flat, base.shape)


def _rebind(trace: Trace, x: Variable, new: Variable) -> None:
    """Let the object `x`, which the function holds, stand for `new`."""
    old = _take_place(trace, x)
    trace.originals.setdefault(x, old)
    owner = new.owner
    assert owner is not None
    x.owner, x.index, x.type = owner, new.index, new.type
    _set_output(owner, new.index, x)
    for node in _users(trace, old):
        held = node._outputs() if _is_view(node) and node.inputs[0] is old else None
        if held is not None:
            _rebind(trace, held, apply(node.op, (x, *node.inputs[1:])))


def _take_place(trace: Trace, x: Variable) -> Variable:
    """A new object in the place of `x` everywhere in the graph."""
    old = type(x)(x.type, x.owner, x.index, x.name)
    old.tracing = trace
    if x.owner is None:
        trace.values[old] = trace.values.pop(x)
    else:
        _set_output(x.owner, x.index, old)
    for node in _users(trace, x):
        node.inputs = tuple([old if v is x else v for v in node.inputs])
    if trace.guards is not None:
        trace.guards[:] = [
            g._replace(variable=old) if g.variable is x else g for g in trace.guards
        ]
    return old


def _users(trace: Trace, x: Variable) -> list[Apply]:
    found: dict[Apply, None] = {}
    for node in reversed(trace.nodes):
        if node is x.owner:
            break
        if any([v is x for v in node.inputs]):
            found[node] = None
    return list(found)


def _set_output(node: Apply, index: int, variable: Variable) -> None:
    made = weakref.ref(variable)
    node._outputs = made if len(node.types) == 1 else {**(node._outputs or {}), index: made}
