"""`cond` and `switch`: of several functions, the one that the data choose runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from graphad import tree
from graphad.errors import DTypeError, GraphError, ShapeError, UseError
from graphad.ir.context import collecting
from graphad.ir.families.branches import switch as choose
from graphad.ir.streams import STATE, Body, Chain
from graphad.ir.variable import Apply, Constant, Variable, as_variable, describe, located
from graphad.ops.control.bodies import Leaves, check_function, place_of, shapes_agree

Branch = Callable[..., Any]


@located
def cond(pred: Any, true_fn: Branch, false_fn: Branch, *operands: Any) -> Any:
    """``true_fn(*operands)`` where `pred` is true, else ``false_fn(*operands)``; one of them runs.

    pred       a scalar Variable or a bool; a number counts as true unless it is 0
    true_fn, false_fn  functions of Variables; both are called once, to build their graphs, and
               return equal containers of Variables with equal dtypes and shapes
    operands   Variables, values, or containers of them, handed to both functions

    Variables that the functions use without getting them are operands too. Derivatives, forward
    and backward, of any order, go through the branch that was taken: what it does not use
    receives zeros, and nothing of the other branch (no NaN, no time) is seen. No derivative flows
    into `pred`. Raises DTypeError and ShapeError for branches of different types, GraphError for
    different containers, UseError for a `pred` that is no scalar.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> y = ga.cond(x > 0, ga.sqrt, lambda v: 0 * v, x)
    >>> [float(z.eval({x: 4.0})) for z in (y, ga.grad(y, x))]
    [2.0, 0.25]
    >>> float(ga.grad(y, x).eval({x: 0.0}))
    0.0
    """
    condition = as_variable(pred)
    if condition.ndim:
        raise UseError(
            f"cond: pred is {condition.type}, not a scalar",
            cause=describe(condition),
            remedy="reduce it with .all() or .any(); ga.where chooses element by element",
        )
    check_function(true_fn, "cond: true_fn")
    check_function(false_fn, "cond: false_fn")
    truth = condition if condition.dtype == bool else condition.astype(bool)
    names = ["false_fn", "true_fn"]
    return _choose("cond", truth, [false_fn, true_fn], names, operands)


@located
def switch(index: Any, fns: Sequence[Branch], *operands: Any) -> Any:
    """``fns[index](*operands)``: of several functions, the one that runs is chosen by number.

    index      an integer scalar Variable, or an int
    fns        one or more functions of Variables, as for `cond`
    operands   Variables, values, or containers of them, handed to each function

    An index outside of 0 … len(fns) - 1 raises IndexingError when the program runs. Otherwise
    everything is as for `cond`.

    >>> import graphad as ga
    >>> i, x = ga.scalar("i", dtype="int64"), ga.scalar("x")
    >>> y = ga.switch(i, [ga.sin, ga.exp, lambda v: v * v], x)
    >>> f = ga.function([i, x], [y, ga.grad(y, x)])
    >>> [float(v) for v in f(2, 3.0)]
    [9.0, 6.0]
    """
    functions = list(fns) if isinstance(fns, list | tuple) else []
    if not functions:
        raise UseError(f"switch: fns is {fns!r}", remedy="pass a list of functions: [f0, f1, …]")
    for k, function in enumerate(functions):
        check_function(function, f"switch: fns[{k}]")
    number = as_variable(index)
    if number.ndim or number.dtype.kind not in "iu":
        raise UseError(
            f"switch: index is {number.type}, not an integer scalar",
            cause=describe(number),
            remedy='convert it with .astype("int64"), or use ga.cond for a condition',
        )
    names = [f"fns[{k}]" for k in range(len(functions))]
    return _choose("switch", number, functions, names, operands)


def _choose(
    what: str, index: Variable, functions: Sequence[Branch], names: Sequence[str], operands: Any
) -> Any:
    """The results of the branch with number `index`."""
    flat, structure = tree.flatten(list(operands))
    given = [leaf if leaf is None else as_variable(leaf) for leaf in flat]
    traced: list[tuple[Leaves, dict[Variable, Variable], Body]] = []
    for function in functions:
        stand_ins = [v if v is None or isinstance(v, Constant) else Variable(v.type, name=v.name)
                     for v in given]  # fmt: skip
        with collecting() as made, Body() as drawn:
            result = Leaves(function(*structure.unflatten(stand_ins)), "result")
        values = {s: v for s, v in zip(stand_ins, given, strict=True)
                  if s is not None and v is not None and not isinstance(s, Constant)}  # fmt: skip
        values |= dict(zip(drawn.given, drawn.outside(), strict=True))
        values |= {v: v for v in _captured([*result.variables, *drawn.last], made, values)}
        traced.append((result, values, drawn))
    where = [f"{name} = {place_of(f)}" for name, f in zip(names, functions, strict=True)]
    for k, (result, *_) in enumerate(traced[1:], start=1):
        _compare(what, traced[0][0], result, where[0], where[k])
    chains = list({chain: None for _, _, drawn in traced for chain in drawn.inputs})
    found = choose(index, [
        ([*result.variables, *_states(chains, drawn, values)], values)
        for result, values, drawn in traced])  # fmt: skip
    for chain, state in zip(chains, found[len(found) - len(chains) :], strict=True):
        chain.extend(state)
    return traced[0][0].filled(found)


def _states(
    chains: Sequence[Chain], drawn: Body, values: dict[Variable, Variable]
) -> list[Variable]:
    """The state of each generator after a branch; one from which it does not draw stays."""
    found = []
    for chain in chains:
        state = drawn.states.get(chain)
        if state is None:
            state = Variable(STATE)
            values[state] = chain.latest()
        found.append(state)
    return found


def _captured(
    outputs: Sequence[Variable], made: Collection[Apply], given: Collection[Variable]
) -> list[Variable]:
    """What a branch reads of the graph around it: variables that were not built inside."""
    found: dict[Variable, None] = {}
    seen: set[Variable] = set()
    stack = list(outputs)
    while stack:
        v = stack.pop()
        if v in seen or v in given or isinstance(v, Constant):
            continue
        seen.add(v)
        if v.owner is not None and v.owner in made:
            stack += v.owner.inputs
        else:
            found[v] = None
    return list(found)


def _compare(what: str, first: Leaves, other: Leaves, where: str, there: str) -> None:
    """Errors for branches whose results differ in structure, dtype or shape."""
    missing = [v is None for v in first.flat] != [v is None for v in other.flat]
    if first.structure != other.structure or missing:
        raise GraphError(
            f"{what}: the branches return different containers",
            cause=f"{where} returns {first.shown()}; {there} returns {other.shown()}",
            remedy="return the same containers with the same keys from each branch",
        )
    for (path, a), (_, b) in zip(first.present, other.present, strict=True):
        same = a.dtype == b.dtype
        if same and shapes_agree(a.type.shape, b.type.shape):
            continue
        kind = ShapeError if same else DTypeError
        raise kind(
            f"{what}: the branches return different types: {path} is {a.type} and {b.type}",
            cause=f"{where} returns {a.type}; {there} returns {b.type}",
            remedy="broadcast one of them with ga.broadcast_to" if same else (
                f'convert one of them, e.g. with .astype("{_wider(a, b)}")'),
        )  # fmt: skip


def _wider(a: Variable, b: Variable) -> Any:
    kinds = "biufc"
    return max((a.dtype, b.dtype), key=lambda d: (kinds.index(d.kind), d.itemsize))
