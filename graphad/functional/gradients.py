"""`grad`, `value_and_grad`, `elementwise_grad` of Python functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.derivatives import reverse
from graphad.errors import GradientError, UseError
from graphad.functional.calls import LARGE, call
from graphad.functional.choosing import NUMBERS, Choice, check_callable, name_of
from graphad.functional.replay import Replays
from graphad.ir.dimtext import shape_text
from graphad.ir.families.inner import argument
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, as_variable

Rule = Callable[[Any, Any], Any]  # (outputs, the chosen arguments) → result, all as graph


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
    """
    check_callable(fun, kind)
    choice = Choice(fun, kind, argnums, argnames)
    name = name_of(fun)
    tag = (kind, options, has_aux)

    def transform(fun: Callable[..., Any], rest: Any, where: Any, variables: Sequence[Any]) -> Any:
        places, structure = where
        new = structure.unflatten(list(variables))
        args, keywords = choice.put(rest[0], rest[1], places, new)
        made = results_of(fun(*args, **keywords), kind, name, has_aux)
        own = [v if v.trace is None else v.trace.original(v) for v in variables]
        if has_aux:
            return rule(made[0], structure.unflatten(own)), made[1]
        return rule(made, structure.unflatten(own))

    replays = Replays(name, fun, transform)

    @functools.wraps(fun)
    def transformed(*args: Any, **keywords: Any) -> Any:
        chosen, places = choice.of(args, keywords)
        leaves, structure = tree.flatten(chosen)

        def at(i: int) -> str:
            return choice.path(places, structure, i)

        def forward(variables: Sequence[Any]) -> Any:
            filled = choice.put(args, keywords, places, structure.unflatten(list(variables)))
            return results_of(fun(*filled[0], **filled[1]), kind, name, has_aux)

        def finish(variables: Sequence[Variable], made: Any) -> Any:
            wrt = structure.unflatten(list(variables))
            if has_aux:
                return rule(made[0], wrt), made[1]
            return rule(made, wrt)

        others = tree.flatten((args, keywords))[0]
        if any([isinstance(v, Variable) for v in others]):
            given = [_checked(as_variable(v), v, kind, name, at, i) for i, v in enumerate(leaves)]
            own = [argument(v) for v in given]
            made = forward(own)
            return finish([v if v.trace is None else v.trace.original(v) for v in own], made)
        inputs = [(f"argument_{i}", _array(v, kind, name, at, i)) for i, v in enumerate(leaves)]
        arrays = [a for _, a in inputs]
        blank = choice.put(args, keywords, places, structure.unflatten([None] * len(leaves)))
        where = (places, structure)
        replayed = replays.find(blank, where, arrays)
        if replayed is not None:
            return replayed[0]
        taken = {id(a) for _, a in inputs}
        known = {id(v): v for v in others if type(v) is np.ndarray and v.nbytes >= LARGE
                 and id(v) not in taken and v.dtype.kind in "biufc"}  # fmt: skip
        raw = list(known.values())
        return replays.watched(blank, where, arrays, lambda settled: call(
            name, (tag, structure), inputs, forward, finish, raw, settled))  # fmt: skip

    transformed.replays = replays  # type: ignore[attr-defined]
    transformed.__name__ = f"{kind}_of_{name}"
    transformed.__doc__ = f"{kind} of {name}, by {choice.keys}; takes the arguments of {name}."
    return transformed


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


def _array(value: Any, kind: str, name: str, at: Callable[[int], str], i: int) -> Any:
    """A leaf of a chosen argument as an array of floats."""
    if type(value) is np.ndarray and value.dtype.kind in "fc":
        return value
    if type(value) in (float, complex):
        return value
    if isinstance(value, (np.ndarray, *NUMBERS)):
        array = np.asarray(value)
        if array.dtype.kind in "fc":
            return array if array.ndim else array[()]
    raise _no_float(value, kind, name, at(i))


def _checked(
    variable: Variable, value: Any, kind: str, name: str, at: Callable[[int], str], i: int
) -> Variable:
    if variable.dtype.kind not in "fc":
        raise _no_float(value, kind, name, at(i))
    return variable


def _no_float(value: Any, kind: str, name: str, path: str) -> GradientError:
    dtype = getattr(value, "dtype", None)
    what = f"an array of {dtype}" if dtype is not None and value.ndim else repr(value)
    return GradientError(
        f"{kind}({name}): {path} is {what if len(what) < 60 else type(value).__name__}",
        cause="derivatives are by floating-point numbers and arrays",
        remedy="pass 3.0 instead of 3, or array.astype(float)"
        if isinstance(value, NUMBERS) or dtype is not None
        else "choose other arguments with argnums=, or keep such things out of the container",
    )


def scalar_output(out: Any, kind: str, name: str) -> Variable:
    """The one output, if it is a scalar of floats."""
    if not isinstance(out, Variable):
        raise GradientError(
            f"{kind}({name}): {name} returned {type(out).__name__}, not one number",
            remedy="return a scalar; with has_aux=True, a pair (scalar, anything); "
            "for several outputs use jacobian or vjp",
        )
    if out.ndim:
        raise GradientError(
            f"{kind}({name}): {name} returned an array of shape {shape_text(out.type.shape)}",
            cause=f"{kind} is of functions with one number as result",
            remedy="reduce it with np.sum or np.mean; or use jacobian for all derivatives, "
            "elementwise_grad for a function that works element by element",
        )
    if out.dtype.kind not in "fc":
        raise GradientError(
            f"{kind}({name}): {name} returned {out.type}, derivatives need floats",
            remedy="return a float; counts and comparisons have no derivative",
        )
    return out


def _by_reverse(out: Variable, wrt: Any, holomorphic: bool) -> Any:
    return reverse.grad(out, wrt, disconnected="zero", holomorphic=holomorphic)


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The gradient of a function with a scalar result, as a function of the same arguments.

    argnums, argnames   the arguments by which it is taken, the first by default: an int or a name,
        or several. An argument may be any container of float arrays; its gradient has the same
        structure, shapes and dtypes. For several arguments: a tuple, or a dict by name.
    has_aux      the function returns (scalar, anything); so does the gradient
    holomorphic  see `ga.grad` of Variables

    On arrays the result is arrays (np.float64 for a number), on Variables it is graph: so
    derivatives nest. The function may branch and loop on values; it is run again at each call.
    Raises GradientError for a result that is no float scalar, and for arguments that are no
    floats; UseError for arguments that do not exist.

    >>> import graphad as ga
    >>> ga.grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    >>> ga.grad(lambda p: p["w"] * p["b"] ** 2)({"w": 3.0, "b": 2.0})
    {'w': np.float64(4.0), 'b': np.float64(12.0)}
    """
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        return _by_reverse(scalar_output(out, "grad", name), wrt, holomorphic)

    return derivative(fun, "grad", rule, argnums, argnames, has_aux, holomorphic)


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Value and gradient in one pass: a function that returns (value, gradient).

    With `has_aux`, ((value, aux), gradient). The rest is as in `grad`.

    >>> import graphad as ga
    >>> ga.value_and_grad(lambda x: x**3)(2.0)
    (np.float64(8.0), np.float64(12.0))
    """
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        cost = scalar_output(out, "value_and_grad", name)
        return cost, _by_reverse(cost, wrt, holomorphic)

    made = derivative(fun, "value_and_grad", rule, argnums, argnames, has_aux, holomorphic)
    if not has_aux:
        return made

    @functools.wraps(made)
    def paired(*args: Any, **keywords: Any) -> Any:
        (value, slope), aux = made(*args, **keywords)
        return (value, aux), slope

    return paired


def elementwise_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    *,
    has_aux: bool = False,
) -> Callable[..., Any]:
    """∂y_i/∂x_i of a function that works element by element, as a function.

    It is the gradient of the sum of all outputs; where an output depends on several elements,
    their contributions are added up. Arguments as in `grad`; the result may be any container.

    >>> import numpy as np, graphad as ga
    >>> ga.elementwise_grad(np.tanh)(np.array([0.0, 1.0])).round(3)
    array([1.  , 0.42])
    """

    def rule(out: Any, wrt: Any) -> Any:
        leaves = [v for v in tree.flatten(out)[0] if v.dtype.kind in "fc"]
        starts = [OPS["ones_like"](v) for v in leaves]
        return reverse.vjp(leaves, wrt, starts)

    return derivative(fun, "elementwise_grad", rule, argnums, argnames, has_aux)
