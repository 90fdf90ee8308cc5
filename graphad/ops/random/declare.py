"""How a distribution is declared: once, with its parameters, its derivatives and its docstring.

A declaration makes the op and a method of `graphad.random.Generator`, with the signature of
NumPy's method of that name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.families.common import refuse_out, size_spec
from graphad.ir.families.random import Draw, Pull, Push, drawn_shape, restored
from graphad.ir.streams import Chain
from graphad.ir.types import Shape, TensorType, check_dtype
from graphad.ir.variable import Constant, Variable, as_variable, located

REQUIRED = inspect.Parameter.empty  # in place of the default of a parameter that has none
METHODS: dict[str, Callable[..., Any]] = {}  # of the Generator, in the order of declaration

_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NUMBERS = "int, float, NumPy array or Variable"


class Distribution:
    """A declared distribution: its op (`family`), and how its method builds nodes."""

    def __init__(self, family: Draw, parameters: Mapping[str, Any]) -> None:
        self.family, self.parameters = family, parameters

    def draw(
        self, chain: Chain, values: Sequence[Any], size: Any, static: Mapping[str, Any]
    ) -> Variable:
        """The numbers that come next in the chain."""
        name = self.family.name
        given = [_real(name, *pair) for pair in zip(self.family.names, values, strict=True)]
        spec, sizes = (None, []) if size is None else size_spec(size, name)
        with chain.turn:
            state, numbers = self.family(
                chain.latest(), *given, *sizes, size=spec, count=len(given), **static
            )
            if given and all([isinstance(v, Constant) and v.ndim == 0 for v in given]):
                self._try(given, static)
            chain.extend(state)
        found: Variable = numbers
        return found

    def _try(self, given: Sequence[Any], static: Mapping[str, Any]) -> None:
        """Parameters that are numbers are checked at once: NumPy refuses them here already."""
        generator = restored([0, 0, 1, 0, 0, 0])
        self.family.run(generator, [v.value for v in given], (0,), dict(static))


def _real(name: str, parameter: str, value: Any) -> Variable:
    """A parameter as a Variable of real numbers."""
    if isinstance(value, np.random.Generator | np.random.SeedSequence):
        raise UseError(f"{name}: {parameter} is a {type(value).__name__}")
    variable = as_variable(value)
    if variable.dtype.kind == "c":
        raise DTypeError(
            f"{name}: {parameter} has dtype {variable.dtype}",
            cause="parameters of distributions are real numbers",
            remedy="take x.real or abs(x) first",
        )
    return variable


# ---- dtypes ----------------------------------------------------------------------------------
def float_result(name: str) -> Callable[..., TensorType]:
    """The type rule of distributions whose numbers are independent."""

    def result(
        given: Sequence[TensorType], size: Shape | None, dtype: str = "float64", **_: Any
    ) -> TensorType:
        return TensorType(dtype, drawn_shape(name, [t.shape for t in given], size))

    return result


def integer_result(name: str) -> Callable[..., TensorType]:
    """The type rule of discrete distributions whose numbers are independent."""

    def result(given: Sequence[TensorType], size: Shape | None, **_: Any) -> TensorType:
        return TensorType("int64", drawn_shape(name, [t.shape for t in given], size))

    return result


def checked_float(name: str, dtype: Any) -> str:
    """float32 or float64, by name: what NumPy draws."""
    found = check_dtype(dtype)
    if found not in (np.float32, np.float64):
        raise DTypeError(
            f"{name}: dtype={found}",
            cause="NumPy draws float32 and float64",
            remedy='draw dtype="float64" and convert with .astype',
        )
    return str(found)


# ---- declarations ----------------------------------------------------------------------------
def distribution(
    name: str,
    parameters: Mapping[str, Any],
    partials: Sequence[Any] | None,
    *,
    doc: str,
    typed: bool = False,
    static: Mapping[str, Any] | None = None,
    discrete: bool = False,
    result: Callable[..., TensorType] | None = None,
    pull: Pull | None = None,
    push: Push | None = None,
    named: Sequence[str] = (),
    example: str = "",
) -> Distribution:
    """Declare ``rng.name(*parameters, size=None)``.

    parameters  name → default, or REQUIRED
    partials    see `Draw`
    typed       NumPy's method has dtype= (float32 or float64) and out=
    static      further keywords that are no arrays, with their defaults
    result      the type rule, where the numbers are not independent
    named       parameters that are given by keyword only
    example     the arguments of the docstring's example
    """
    rule = result or (integer_result if discrete else float_result)(f"random.{name}")
    options = {**({"dtype": np.float64} if typed else {}), **(static or {})}

    def value(generator: Any, *given: Any, **keywords: Any) -> Any:
        *parameters, size = given
        return getattr(generator, name)(*parameters, size=size, **keywords)

    family = Draw(
        f"random.{name}", list(parameters), result=rule, value=value, partials=partials,
        pull=pull, push=push, discrete=discrete, independent=result is None or typed,
    )  # fmt: skip
    made = Distribution(family, parameters)

    def method(self: Any, *arguments: Any, **keywords: Any) -> Variable:
        bound = signature.bind(self, *arguments, **keywords)
        bound.apply_defaults()
        given = bound.arguments
        if typed:
            refuse_out(f"random.{name}", given["out"])
            given["dtype"] = checked_float(f"random.{name}", given["dtype"])
        extra = {key: given[key] for key in options}
        return made.draw(self.chain, [given[key] for key in parameters], given["size"], extra)

    entries = {**parameters, "size": None, **options, **({"out": None} if typed else {})}
    signature = _signature(entries, named)
    method.__name__, method.__module__ = name, "graphad.random"
    method.__doc__ = f"{doc}\n\n{_told(name, parameters, discrete, example)}"
    method.__signature__ = signature  # type: ignore[attr-defined]
    enter(method)
    return made


def _signature(entries: Mapping[str, Any], named: Sequence[str]) -> inspect.Signature:
    """(self, *entries) with defaults; an entry without one is REQUIRED."""
    anyhow, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    kinds = {key: keyword if key in named else anyhow for key in entries}
    listed = [
        inspect.Parameter(key, kinds[key], default=value, annotation=Any)
        for key, value in entries.items()
    ]
    return inspect.Signature([_SELF, *listed], return_annotation=Variable)


def enter(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function the Generator's method of its name."""
    method.__qualname__ = f"Generator.{method.__name__}"
    METHODS[method.__name__] = located(method)
    return METHODS[method.__name__]


def _told(name: str, parameters: Mapping[str, Any], discrete: bool, example: str) -> str:
    """The part of a docstring that follows from the declaration."""
    listed = ", ".join(parameters)
    lines = []
    if parameters:
        lines.append(f"{listed}: {_NUMBERS}; they broadcast.")
    lines.append("size: int, Dim or tuple of them; None: the shape of the parameters.")
    dtype = "integers" if discrete else "floats"
    lines.append(f"The numbers, {dtype}, are those of numpy.random.Generator.{name}.")
    if discrete:
        lines.append("There is no derivative; one that is asked for raises GradientError.")
    elif parameters:
        lines.append("Derivatives in the parameters are by reparameterisation.")
    lines.append("Raises ParameterError, a ValueError, for parameters outside their range: at")
    lines.append("once for numbers, in the call for what is computed.")
    call = ", ".join([f"{key}={_EXAMPLE.get(key, 2.0)}" for key in parameters])
    call = example or (f"{call}, size=3" if call else "size=3")
    lines += [
        "",
        ">>> import graphad as ga",
        ">>> import numpy as np",
        f">>> x = ga.random.default_rng(7).{name}({call})",
        f">>> bool((x.eval() == np.random.default_rng(7).{name}({call})).all())",
        "True",
    ]
    return "\n".join(lines)


_EXAMPLE = {
    "p": 0.5, "n": 5, "ngood": 5, "nbad": 4, "nsample": 3, "mode": 2.5, "right": 3.0,
    "low": 1.0, "high": 2.5,
}  # fmt: skip
