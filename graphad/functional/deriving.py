"""What all derivatives of Python functions share: binding arguments, building graph, computing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.errors import GradientError, UseError
from graphad.functional import proved
from graphad.functional.calls import LARGE, call
from graphad.functional.choosing import NUMBERS, Choice, check_callable, name_of
from graphad.functional.replay import Replays
from graphad.ir.families.inner import argument
from graphad.ir.variable import Variable, as_variable

Rule = Callable[[Any, Any], Any]  # (outputs, the chosen arguments) → result, all as graph
Where = tuple[list[Any], tree.Structure]  # places of the chosen arguments, their structure


def derivative(
    fun: Callable[..., Any],
    kind: str,
    rule: Rule,
    argnums: Any,
    argnames: Any = None,
    has_aux: bool = False,
    options: Hashable = (),
) -> Callable[..., Any]:
    """The function that gives ``rule(fun(...), chosen arguments)``.

    On arrays it computes, on Variables it builds graph. `rule` gets the outputs of `fun` as
    Variables in their container; with `has_aux`, its result is paired with the second output.
    `kind` and `options` say what `rule` does: equal ones share programs.
    """
    check_callable(fun, kind)
    form = Form(name_of(fun), kind, rule, Choice(fun, kind, argnums, argnames), has_aux)
    tag = (kind, options, has_aux)
    replays = Replays(form.name, fun, form.whole)

    def run(*args: Any, **keywords: Any) -> Any:
        chosen, places = form.choice.of(args, keywords)
        single = type(chosen) is np.ndarray or type(chosen) is float
        leaves, structure = ([chosen], tree.LEAF) if single else tree.flatten(chosen)
        where, rest = (places, structure), (args, keywords)
        others = leaves
        if keywords or len(args) > 1:
            others = tree.flatten((args[1:], keywords) if places == [0] else rest)[0]
            others += leaves
        if any([isinstance(v, Variable) for v in others]):
            own = [argument(form.variable(v, where, i)) for i, v in enumerate(leaves)]
            return form.whole(fun, rest, where, own)
        arrays = [form.array(v, where, i) for i, v in enumerate(leaves)]
        rest = form.choice.put(args, keywords, places, form.choice.blank)
        replayed = replays.find(rest, where, arrays)
        if replayed is not None:
            return replayed[0]
        inputs = [(f"argument_{i}", a) for i, a in enumerate(arrays)]
        raw = _large(others, arrays)

        def trace(settled: bool) -> Any:
            forward = functools.partial(form.forward, fun, rest, where)
            finish = functools.partial(form.finish, where)
            return call(form.name, (tag, structure), inputs, forward, finish, raw, settled)

        return replays.watched(rest, where, arrays, trace)

    root = getattr(fun, "user_function", fun)  # a derivative of a derivative of it
    mark = (tag, form.choice.keys, getattr(fun, "transformation", None))

    @functools.wraps(fun)
    def transformed(*args: Any, **keywords: Any) -> Any:
        return proved.call(root, mark, run, args, keywords)

    run.__name__ = form.name
    transformed.user_function, transformed.transformation = root, mark  # type: ignore[attr-defined]
    run.replays, transformed.unproved = replays, run  # type: ignore[attr-defined]
    transformed.__name__ = f"{kind}_of_{form.name}"
    transformed.__doc__ = (
        f"{kind} of {form.name}, by {form.choice.keys}; takes the arguments of {form.name}."
    )
    return transformed


def _large(others: Sequence[Any], chosen: Sequence[Any]) -> list[Any]:
    """Arrays that the function gets as they are, and that would take long to copy."""
    taken = {id(a) for a in chosen}
    found = {id(v): v for v in others if type(v) is np.ndarray and v.nbytes >= LARGE
             and id(v) not in taken and v.dtype.kind in "biufc"}  # fmt: skip
    return list(found.values())


class Form(NamedTuple):
    """One derivative of one function: how a call becomes graph."""

    name: str
    kind: str
    rule: Rule
    choice: Choice
    has_aux: bool

    def forward(
        self, fun: Callable[..., Any], rest: Any, where: Where, variables: Sequence[Any]
    ) -> Any:
        """What the function returns for Variables in the place of the chosen arguments."""
        new = where[1].unflatten(list(variables))
        args, keywords = self.choice.put(rest[0], rest[1], where[0], new)
        return results_of(fun(*args, **keywords), self.kind, self.name, self.has_aux)

    def finish(self, where: Where, variables: Sequence[Variable], made: Any) -> Any:
        """What is asked for, from what the function returned."""
        wrt = where[1].unflatten(list(variables))
        return (self.rule(made[0], wrt), made[1]) if self.has_aux else self.rule(made, wrt)

    def whole(
        self, fun: Callable[..., Any], rest: Any, where: Where, variables: Sequence[Any]
    ) -> Any:
        """Both, one after the other."""
        made = self.forward(fun, rest, where, variables)
        own = [v if v.tracing is None else v.tracing.original(v) for v in variables]
        return self.finish(where, own, made)

    # -- leaves of the chosen arguments --------------------------------------------------------
    def variable(self, value: Any, where: Where, i: int) -> Variable:
        """A leaf as a Variable of floats."""
        found = as_variable(value)
        if found.dtype.kind not in "fc":
            raise self._no_float(value, where, i)
        return found

    def array(self, value: Any, where: Where, i: int) -> Any:
        """A leaf as an array or number of floats."""
        if type(value) is np.ndarray and value.dtype.kind in "fc":
            return value
        if type(value) in (float, complex):
            return value
        if isinstance(value, (np.ndarray, *NUMBERS)):
            array = np.asarray(value)
            if array.dtype.kind in "fc":
                return array if array.ndim else array[()]
        raise self._no_float(value, where, i)

    def _no_float(self, value: Any, where: Where, i: int) -> GradientError:
        dtype = getattr(value, "dtype", None)
        what = f"an array of {dtype}" if dtype is not None and value.ndim else repr(value)
        return GradientError(
            f"{self.kind}({self.name}): {self.choice.path(*where, i)} is "
            f"{what if len(what) < 60 else type(value).__name__}",
            cause="derivatives are by floating-point numbers and arrays",
            remedy="pass 3.0 instead of 3, or array.astype(float)"
            if isinstance(value, NUMBERS) or dtype is not None
            else "choose other arguments with argnums=, or keep such things out of the container",
        )


def results_of(made: Any, kind: str, name: str, has_aux: bool) -> Any:
    """What the function returned, its outputs as Variables."""
    if has_aux:
        if not isinstance(made, tuple) or len(made) != 2:
            raise UseError(
                f"{kind}({name}, has_aux=True): {name} returned {type(made).__name__}",
                remedy="return a pair (result, aux)",
            )
        return as_outputs(made[0], kind, name), made[1]
    return as_outputs(made, kind, name)


def as_outputs(made: Any, kind: str, name: str) -> Any:
    """A container of Variables."""
    if isinstance(made, Variable):
        return made
    leaves, structure = tree.flatten(made)
    paths = structure.paths("result") if leaves else []
    for path, leaf in zip(paths, leaves, strict=True):
        if not isinstance(leaf, (Variable, np.ndarray, *NUMBERS)):
            raise UseError(
                f"{kind}({name}): the {path} of {name} is {type(leaf).__name__}",
                cause="nothing was returned" if leaf is None else "derivatives are of arrays",
                remedy=f"return numbers and arrays from {name}; has_aux=True hands on others",
            )
    return structure.unflatten([as_variable(leaf) for leaf in leaves])
