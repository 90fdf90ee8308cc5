"""`ga.function`: from inputs, outputs, updates and givens to a compiled Function.

Checks what the user asks for, closes the graph (shared variables become inputs, updates become
outputs), and hands it to the compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.compiler import Options, compile_graph
from graphad.errors import DTypeError, GraphError, ShapeError, UseError
from graphad.ir import walk
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph, replace
from graphad.ir.hooks import hooks
from graphad.ir.streams import Stream, advance, bypass
from graphad.ir.variable import Constant, Shared, Variable, as_variable, describe
from graphad.rewrite.pattern import Rule
from graphad.runtime.arguments import Parameter, weakly
from graphad.runtime.function import Function
from graphad.runtime.joined import joined_sizes, met_sizes, with_checks
from graphad.runtime.sizes import SizeChecks

Givens = Mapping[Variable, Any]


def function(
    inputs: Any,
    outputs: Any,
    *,
    updates: Mapping[Shared, Any] | Iterable[tuple[Shared, Any]] | None = None,
    givens: Givens | None = None,
    name: str | None = None,
    backend: str = "auto",
    rules: Sequence[Rule] = (),
    unused: str = "raise",
    debug: bool = False,
    threads: int | None = None,
    deterministic: bool = False,
    cache: bool | str = True,
    memory_budget: int | str | None = None,
    sizes: Mapping[str, int] | None = None,
    donate: Sequence[Variable] = (),
    precision: str = "default",
) -> Function:
    """Compile `outputs` as a function of `inputs`.

    Parameters
    ----------
    inputs: a list of arguments, each a Variable or a nested container of them. Any variable of
        the graph may be an input, so that an intermediate can be fed.
    outputs: a Variable, or a nested container of Variables (and constants); results have its
        structure.
    updates: {shared variable: expression of its next value}; all are computed from the values
        before the call and swapped together after the outputs are there, or not at all. Random
        generators that the outputs draw from are advanced by themselves.
    givens: {variable: what stands for it}, applied before compiling; values may use other keys.
    name: for messages and repr.
    backend: "auto", "numpy", "llvm" or "interpreter"; see `ga.Options`.
    rules: own rewrite rules, made by `ga.rewrite.rule`.
    unused: "raise" or "ignore" inputs on which nothing depends.
    debug: check the graph after each stage of the compiler.
    threads: how many threads a native kernel may use (None: all); results are the same.
    deterministic: with backend "auto", equal arguments give equal bits at every call: machine
        code does not take over.
    cache: keep machine code on disk for other processes: True (in the folder that the environment
        variable GRAPHAD_CACHE_DIR names, or the usual one of the system), a folder, or False.
    memory_budget: bytes, or a text such as "200MB", that intermediate results and outputs may
        take together (`f.plan.peak_bytes`); values of the forward pass that derivatives need are
        dropped and computed again until it is kept. Results are the same. UseError where it
        cannot be kept.
    sizes: {name: size} of named dims for which `memory_budget` is meant.
    donate: inputs whose arrays the function may overwrite with its results: what they hold after
        a call is undefined, and a result may be that very array. An array that may not be
        written, or shares memory with another argument, is copied as usual.
    precision: "default", or "exact": formulas are not rewritten where that rounds in another way,
        and NumPy's own functions compute, op by op; see `ga.Options`.

    Raises GraphError for missing, unused or doubled inputs and cyclic givens, UseError for what is
    no Variable, DTypeError and ShapeError for updates and givens of another type.

    >>> import graphad as ga
    >>> x, w = ga.scalar("x"), ga.shared(1.0, name="w")
    >>> step = ga.function([x], w * x, updates={w: w + x})
    >>> float(step(10.0)), float(w.value)
    (10.0, 11.0)
    """
    entries = _arguments(inputs)
    arguments = [(label, tree.flatten(entry)) for label, entry in entries]
    flat = [v for _, (leaves, _) in arguments for v in leaves]
    results, structure = _results(outputs)
    pairs = _checked_updates(updates)
    targets = [*results, *[new for _, new in pairs]]
    if givens:
        targets = substitute(targets, givens)
    leaves = walk.leaves(targets, frozenset(flat))
    pairs, targets, leaves = _advanced(pairs, targets, leaves, frozenset(flat))
    labels = [p for label, (_, s) in arguments for p in s.paths(label)]
    shared = _close(flat, labels, leaves, unused, bool(givens))
    graph = Graph([*flat, *shared], targets)
    met = met_sizes(graph)
    joined = joined_sizes(graph, met)
    graph = with_checks(graph, met)
    planned = tuple(sorted((sizes or {}).items()))
    options = Options(backend, _checked_rules(rules), debug, threads, deterministic, cache,
                      memory_budget, planned, precision)  # fmt: skip
    title = _title(name, results)
    compiled = compile_graph(graph, options, title, _donated(donate, flat))
    shapes = [(label, s) for label, (_, s) in arguments]
    updated = [s for s, _ in pairs]
    return Function(title, shapes, structure, shared, updated, compiled, options, joined)


def _advanced(
    pairs: list[tuple[Shared, Variable]], targets: list[Variable], leaves: list[Variable],
    given: frozenset[Variable],
) -> tuple[list[tuple[Shared, Variable]], list[Variable], list[Variable]]:  # fmt: skip
    """Updates and targets with those of random streams: what draws advances its generator; and
    the leaves of the targets."""
    if not any([isinstance(v, Stream) and v not in given for v in leaves]):
        return pairs, targets, leaves
    targets, last = advance(targets, given)
    own = {*given, *[s for s, _ in pairs]}
    further = [(stream, state) for stream, state in last.items() if stream not in own]
    targets = [*targets, *[state for _, state in further]]
    return [*pairs, *further], targets, walk.leaves(targets, given)


def _donated(donate: Sequence[Variable], flat: Sequence[Variable]) -> frozenset[int]:
    """The positions of the inputs that are given away."""
    wanted = [donate] if isinstance(donate, Variable) else list(donate)
    for variable in wanted:
        if not any(variable is v for v in flat):
            what = describe(variable) if isinstance(variable, Variable) else repr(variable)
            raise UseError(
                f"donate: {what} is no input of this function",
                cause="shared variables change by updates, and keep their memory for other calls"
                if isinstance(variable, Shared) else "",
                remedy="donate inputs: ga.function([w, g], w - g, donate=[w])",
            )  # fmt: skip
    return frozenset(i for i, v in enumerate(flat) if any(v is w for w in wanted))


def _title(name: str | None, results: Sequence[Variable]) -> str:
    if name is not None and not isinstance(name, str):
        raise UseError(f"name={name!r} is no string", remedy='write name="step"')
    wish = name or (results[0].name if len(results) == 1 else None) or "function"
    return "".join(c if c.isalnum() or c in "_ -" else "_" for c in wish)


def _checked_rules(rules: Any) -> tuple[Rule, ...]:
    several = isinstance(rules, list | tuple) and not isinstance(rules, Rule)
    given = tuple(rules) if several else (rules,)
    for rule in given:
        if not isinstance(rule, Rule):
            raise UseError(
                f"rules: {rule!r} is no rule",
                remedy='make them with ga.rewrite.rule("log(1 + x) -> log1p(x)"), and pass a list',
            )
    return given


# ---- inputs ----------------------------------------------------------------------------------
def _arguments(inputs: Any) -> list[tuple[str, Any]]:
    """(label, variable or container) of each argument."""
    if isinstance(inputs, list | tuple):
        entries = [("", value) for value in inputs]
    elif isinstance(inputs, Variable):
        entries = [("", inputs)]
    elif isinstance(inputs, Mapping):
        entries = [(str(key), value) for key, value in inputs.items()]
    else:
        raise UseError(
            f"the inputs are {type(inputs).__name__}", remedy="pass a list: ga.function([x, y], z)"
        )
    labelled = []
    for i, (label, value) in enumerate(entries):
        own = value.name if isinstance(value, Variable) else None
        labelled.append((label or own or f"argument_{i}", value))
        for path, leaf in zip(tree.flatten(value)[1].paths(f"inputs[{i}]"), tree.flatten(value)[0],
                              strict=True):  # fmt: skip
            if not isinstance(leaf, Variable) or isinstance(leaf, Constant):
                what = "a constant" if isinstance(leaf, Constant) else type(leaf).__name__
                raise UseError(
                    f"{path} is {what}, not a Variable that can be fed",
                    remedy="inputs are made with ga.tensor, ga.vector, …; values go into the call",
                )
    return labelled


def _close(
    flat: Sequence[Variable], labels: Sequence[str], leaves: Sequence[Variable], unused: str,
    replaced: bool,
) -> list[Shared]:  # fmt: skip
    """The shared variables among the leaves; errors for missing and unused inputs by name."""
    if unused not in ("raise", "ignore"):
        raise UseError(f"unused={unused!r}", remedy='choose "raise" or "ignore"')
    known = set(flat)
    shared = [v for v in leaves if isinstance(v, Shared) and v not in known]
    missing = [v for v in leaves if v not in known and not isinstance(v, Constant | Shared)]
    if missing:
        names = ", ".join(repr(v.name) if v.name else "an unnamed input" for v in missing)
        remedy = "add it to the inputs, or give it a value with givens={variable: value}"
        if {v.name for v in missing} & {v.name for v in flat if v.name}:
            remedy += (
                "; an input of that name is another variable: what the body of a loop or a branch "
                "is called with exists in it alone, return from it what is needed outside"
            )
        raise GraphError(
            f"the outputs depend on {names}, not among the inputs",
            cause="; ".join(f"{describe(v)}" for v in missing[:3]),
            remedy=remedy,
        )
    used = set(leaves)
    if unused == "raise":
        for variable, label in zip(flat, labels, strict=True):
            if variable not in used:
                raise GraphError(
                    f"the input {label} is not used by any output or update",
                    cause="it was replaced by givens" if replaced else describe(variable),
                    remedy='remove it from the inputs, or pass unused="ignore"',
                )
    return shared


def _results(outputs: Any) -> tuple[list[Variable], tree.Structure]:
    if outputs is None:
        outputs = []
    leaves, structure = tree.flatten(outputs)
    return [as_variable(leaf) for leaf in leaves], structure


# ---- updates and givens ----------------------------------------------------------------------
def _checked_updates(updates: Any) -> list[tuple[Shared, Variable]]:
    """(shared, new value) pairs of one type; errors name the shared variable."""
    if updates is None:
        return []
    items = list(updates.items()) if isinstance(updates, Mapping) else updates
    listed = isinstance(items, Iterable) and not isinstance(items, Variable)
    items = list(items) if listed else [items]
    if not all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
        raise UseError(
            f"updates: {items[0]!r} is no pair",
            remedy="write updates={w: w + 1}, or a list of pairs [(w, w + 1)]",
        )
    pairs: list[tuple[Shared, Variable]] = []
    seen: set[Variable] = set()
    for key, value in items:
        if not isinstance(key, Shared):
            what = describe(key) if isinstance(key, Variable) else repr(key)
            raise UseError(
                f"updates: {what} is no shared variable",
                remedy="keys of updates are made with ga.shared(value)",
            )
        if key in seen:
            raise GraphError(f"updates: shared variable {key.name!r} is updated twice")
        seen.add(key)
        pairs.append(
            (key, _same_type(key, value, f"the update of {key.name or 'a shared variable'}"))
        )
    return pairs


def _same_type(target: Variable, value: Any, what: str) -> Variable:
    """`value` as a variable that can stand for `target`."""
    number = weakly(value, target.dtype) if type(value) in (int, float, bool, complex) else None
    new = as_variable(value if number is None else number)
    if new.dtype != target.dtype:
        if not np.can_cast(new.dtype, target.dtype, "safe"):
            raise DTypeError(
                f"{what} has dtype {new.dtype}, the variable has {target.dtype}",
                cause=describe(new),
                remedy=f"convert it with .astype({str(target.dtype)!r})",
            )
        new = new.astype(target.dtype)
    clash = new.ndim != target.ndim or any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(new.type.shape, target.type.shape, strict=True)
    )
    if clash:
        raise ShapeError(
            f"{what} has type {new.type}, the variable has {target.type}",
            cause=describe(new),
            remedy="reduce, reshape or broadcast it to the shape of the variable",
        )
    return new


def substitute(targets: Sequence[Variable], givens: Givens) -> list[Variable]:
    """`targets` with each key of `givens` replaced by its value, values substituted as well."""
    values: dict[Variable, Variable] = {}
    for key, value in givens.items():
        if not isinstance(key, Variable):
            raise UseError(
                f"givens: {key!r} is no Variable", remedy="keys are variables to replace"
            )
        values[key] = _same_type(key, value, f"givens: the value for {key.name or 'a variable'}")
    order = _order(values)
    final: dict[Variable, Variable] = {}
    for key in order:
        final[key] = replace([values[key]], final)[0]
    return replace(targets, final)


def _order(values: Mapping[Variable, Variable]) -> list[Variable]:
    """Keys so that each comes after the keys its value uses; GraphError for a cycle."""
    uses = {
        key: [v for v in walk.variables([value]) if v in values] for key, value in values.items()
    }
    order: dict[Variable, None] = {}
    while len(order) < len(uses):
        ready = [k for k in uses if k not in order and all(v in order for v in uses[k])]
        if not ready:
            stuck = [k.name or "unnamed" for k in uses if k not in order]
            raise GraphError(
                f"givens form a cycle through {', '.join(stuck)}",
                cause="the value for a variable depends on the variable itself",
                remedy="use a fresh variable in the value",
            )
        order.update(dict.fromkeys(ready))
    return list(order)


# ---- a quick look ----------------------------------------------------------------------------
def evaluate_variable(variable: Variable, values: Mapping[Any, Any] | None = None) -> Any:
    """The value of one variable, by the interpreter: what `Variable.eval` does.

    Random draws are shown as a call of a compiled function would make them next; their generator
    is not advanced.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> float(evaluate_variable(x + 1, {x: 2.0}))
    3.0
    """
    given = dict(values or {})
    for key in given:
        if not isinstance(key, Variable):
            raise UseError(
                f"eval: the key {key!r} is no Variable", remedy="write x.eval({x: value})"
            )
    variable = bypass(variable, set(given))
    leaves = walk.leaves([variable], set(given))
    missing = [v for v in leaves if v not in given and not isinstance(v, Constant | Shared)]
    if missing:
        raise GraphError(
            f"eval needs a value for {describe(missing[0])}",
            remedy=f"write .eval({{{missing[0].name or 'x'}: value}})",
        )
    parameters = [Parameter(v.name or f"argument_{i}", v.type) for i, v in enumerate(given)]
    arrays = [p.accept(value) for p, value in zip(parameters, given.values(), strict=True)]
    shared = [v for v in leaves if isinstance(v, Shared) and v not in given]
    graph = Graph([*given, *shared], [variable])
    SizeChecks(parameters, joined_sizes(graph, met_sizes(graph))).check(arrays)
    arrays += [v.cell.array for v in shared]
    try:
        result = evaluate(graph, arrays)[0]
    except Exception as error:
        labels = [p.label for p in parameters]
        told = hooks.load("runtime.failure").explain(error, "eval", labels, arrays[: len(labels)])
        if told is None:
            raise
        raise told from error
    return np.array(result) if result.ndim else result[()]
