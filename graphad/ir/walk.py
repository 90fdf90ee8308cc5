"""Every traversal of a graph, iterative: depth is limited by memory, not by recursion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set

from graphad.ir.variable import Apply, Constant, Variable

_SETS = (set, frozenset, Set)  # asked in this order: the last takes longest


def toposort(outputs: Iterable[Variable], stop: Collection[Variable] = frozenset()) -> list[Apply]:
    """The nodes on which `outputs` depend, each after all nodes whose results it uses.

    Does not go past variables in `stop`. Time is linear in the nodes and edges that are walked,
    however many variables a set `stop` holds.
    """
    barrier = stop if isinstance(stop, _SETS) else frozenset(stop)
    order: list[Apply] = []
    done: set[Apply] = set()
    waiting: set[Apply] = set()  # for what they use, which is above them on the stack
    stack = [v.owner for v in outputs if v.owner is not None and v not in barrier]
    stack.reverse()
    while stack:
        node = stack.pop()
        if node in done:
            continue
        if node not in waiting:
            pending = []
            for variable in node.inputs:
                owner = variable.owner
                if owner is not None and owner not in done and variable not in barrier:
                    pending.append(owner)
            if pending:
                waiting.add(node)
                stack.append(node)
                pending.reverse()
                stack += pending
                continue
        done.add(node)
        order.append(node)
    return order


def variables(
    outputs: Iterable[Variable], stop: Collection[Variable] = frozenset()
) -> list[Variable]:
    """All variables on which `outputs` depend, themselves included, operands first."""
    outputs = list(outputs)
    seen: dict[Variable, None] = {}
    for node in toposort(outputs, stop):
        for variable in node.inputs:
            seen.setdefault(variable)
    for variable in outputs:
        seen.setdefault(variable)
    position = {node: i for i, node in enumerate(toposort(outputs, stop))}
    return sorted(
        seen, key=lambda v: -1 if v.owner is None or v in stop else position.get(v.owner, -1)
    )


def window(
    variables: Iterable[Variable], depth: int, stop: Collection[Variable] = ()
) -> frozenset[Variable]:
    """`variables` and what they are computed from, up to `depth` levels of ops back, and not past
    those in `stop`."""
    found: set[Variable] = set()
    level = list(variables)
    for _ in range(depth):
        fresh = [v for v in dict.fromkeys(level) if v not in found]
        found.update(fresh)
        owners = [
            v.owner for v in fresh if v.owner is not None and not any([v is s for s in stop])
        ]
        level = [v for owner in owners for v in owner.inputs]
    return frozenset(found)


def leaves(
    outputs: Iterable[Variable], stop: Collection[Variable] = frozenset()
) -> list[Variable]:
    """Inputs, constants, shared variables of `outputs` (and those in `stop`), in order of use."""
    outputs = list(outputs)
    barrier = stop if isinstance(stop, _SETS) else frozenset(stop)
    return leaves_of(toposort(outputs, barrier), outputs, barrier)


def leaves_of(
    order: Iterable[Apply], outputs: Iterable[Variable], stop: Set[Variable]
) -> list[Variable]:
    """The `leaves` of outputs whose sorted nodes are `order`."""
    found: dict[Variable, None] = {}
    for node in order:
        for variable in node.inputs:
            if variable.owner is None or variable in stop:
                found[variable] = None
    for variable in outputs:
        if variable.owner is None or variable in stop:
            found[variable] = None
    return list(found)


def inputs(outputs: Iterable[Variable]) -> list[Variable]:
    """The leaves that are no constants: inputs and shared variables."""
    return [v for v in leaves(outputs) if not isinstance(v, Constant)]


def reached_from(sources: Collection[Variable], order: Iterable[Apply]) -> set[Variable]:
    """`sources` and every output, among the sorted nodes `order`, that depends on one of them."""
    reached = set(sources)
    for node in order:
        for variable in node.inputs:
            if variable in reached:
                reached.update(node.outputs)
                break
    return reached


def clients(order: Iterable[Apply]) -> dict[Variable, list[tuple[Apply, int]]]:
    """For each variable, the (node, input position) pairs that use it."""
    found: dict[Variable, list[tuple[Apply, int]]] = {}
    for node in order:
        for position, variable in enumerate(node.inputs):
            found.setdefault(variable, []).append((node, position))
    return found


def path_between(source: Variable, target: Variable) -> list[Variable]:
    """The variables on one way from `source` to `target`, both included; [] if there is none."""
    order = toposort([target], {source})
    parent: dict[Variable, Variable] = {}
    reached = {source}
    for node in order:
        for variable in node.inputs:
            if variable in reached:
                for output in node.outputs:
                    if output not in reached:
                        reached.add(output)
                        parent[output] = variable
                break
    if target not in reached:
        return []
    way = [target]
    while way[-1] is not source:
        way.append(parent[way[-1]])
    return way[::-1]
