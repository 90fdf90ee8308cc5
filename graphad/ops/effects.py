"""Effects with order: assertions, printing, callbacks, and `after` where data sets no order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import FROM_CALLBACK, FailedAssertionError, UseError
from graphad.ir.families.effects import After, Effect
from graphad.ir.op import OPS, Entry, Sample
from graphad.ir.variable import Constant, Variable, as_variable, located


def _enter(
    reference: Callable[..., Any] | None = None, samples: Any = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the op table under its name, which may end in an underscore."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        checked = located(function)
        OPS.add(Entry(function.__name__, checked, "effects", reference, samples))
        return checked

    return enter


# ---- order -------------------------------------------------------------------------------------
_after = After("after")


@_enter(lambda x, *effects: x, lambda rng: [
    Sample((rng.normal(size=(2, 3)), rng.normal(size=2))), Sample((rng.normal(),))])  # fmt: skip
def after(x: Any, *effects: Any) -> Variable:
    """`x`, which is there only once all `effects` have been computed.

    x (…): any dtype; effects: results of `print_`, `assert_`, `callback`, or any Variables.
    Derivatives flow to `x` only.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> first = ga.print_(x, "x")
    >>> second = ga.print_(ga.after(2 * x, first), "twice x")
    >>> ga.function([x], second)(1.5)
    x = 1.5
    twice x = 3.0
    np.float64(3.0)
    """
    variable = as_variable(x)
    if not effects:
        return variable
    made: Variable = _after(variable, *effects)
    return made


# ---- printing ----------------------------------------------------------------------------------
def _print(arrays: Sequence[Any], params: Mapping[str, Any]) -> None:
    array, label = arrays[0], params["label"]
    text = str(array)
    head = f"{label} = " if label else ""
    print(head + (f"\n{text}" if "\n" in text and head else text), flush=True)


_printed = Effect("print_", _print, "label")


@_enter(lambda x, name: x, lambda rng: [Sample((rng.normal(size=(2, 3)),), {"name": "x"})])
def print_(x: Any, name: str = "") -> Variable:
    """`x`, printed as ``name = value`` each time it is computed.

    x (…): any dtype. It is printed where its result is used: use what is returned. Derivatives
    flow through, and print nothing.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> y = ga.print_(x * 2, "doubled").sum()
    >>> ga.function([x], ga.grad(y * y, x))([1.0, 2.0])
    doubled = [2. 4.]
    array([24., 24.])
    """
    variable = as_variable(x)
    if not isinstance(name, str):
        raise UseError(f"print_: the name is {name!r}", remedy='write ga.print_(x, "x")')
    return _printed.place([variable], label=name or variable.name or "")


# ---- assertions --------------------------------------------------------------------------------
def _check(arrays: Sequence[Any], params: Mapping[str, Any]) -> None:
    condition = np.asarray(arrays[1], dtype=bool)
    if condition.all():
        return
    labels = dict(zip(params["labels"], arrays[2:], strict=True))
    false = int(condition.size - np.count_nonzero(condition))
    place = tuple([int(i) for i in np.argwhere(~condition)[0]])
    shape = condition.shape
    what = f"{false} of {condition.size} elements are false, the first at {list(place)}"
    values = [f"{label} is {_element(value, place, shape)}" for label, value in labels.items()]
    told = what if condition.ndim else "the condition is false"
    raise FailedAssertionError(
        params["message"] or "an assertion does not hold",
        cause=told + (f", where {', '.join(values)}" if values else ""),
    )


def _element(value: Any, place: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The element that belongs to one of the condition; the whole where shapes do not fit."""
    try:
        return np.broadcast_to(value, shape)[place]
    except ValueError:
        return np.asarray(value)


_asserted = Effect("assert_", _check, "message", whole=True)
_asserted.is_check = True


@_enter(lambda condition, message: condition, lambda rng: [
    Sample((rng.uniform(1.0, 2.0, size=(2, 3)),), {"message": "not zero"})])  # fmt: skip
def assert_(condition: Any, message: str = "", value: Any = None) -> Variable:
    """`value` (without one, the condition itself), if the condition holds when it is computed.

    condition (…): booleans, all of which must be true. Else the call raises FailedAssertionError,
    an AssertionError, with the message, the line that built it, and the numbers that were
    compared. It is checked where the result is used: use what is returned. Derivatives flow
    through to `value`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> safe = ga.assert_(x > 0, "x must be positive", value=x)
    >>> f = ga.function([x], ga.log(safe))
    >>> f([1.0])
    array([0.])
    >>> try:
    ...     f([1.0, -2.0])
    ... except AssertionError as error:
    ...     print(error.what, error.cause, sep="; ")
    x must be positive; 1 of 2 elements are false, the first at [1], where x is -2.0
    """
    tested = as_variable(condition)
    if not isinstance(message, str):
        raise UseError(
            f"assert_: the message is {message!r}",
            remedy='write ga.assert_(condition, "message", value=x)',
        )
    result = tested if value is None else as_variable(value)
    shown = _operands(tested)
    return _asserted.place([result, tested, *shown.values()], message=message, labels=tuple(shown))


def _operands(condition: Variable) -> dict[str, Variable]:
    """What a condition compares, with a name for each: told when it does not hold."""
    owner = condition.owner
    if owner is None or not owner.op.family.is_elementwise:
        return {}
    found: dict[str, Variable] = {}
    for i, operand in enumerate(owner.inputs):
        if not isinstance(operand, Constant):
            made = operand.owner.op.name if operand.owner is not None else "an input"
            label = operand.name or f"operand {i} ({made})"
            found.setdefault(label, operand)
    return found


# ---- callbacks ---------------------------------------------------------------------------------
def _call(arrays: Sequence[Any], params: Mapping[str, Any]) -> None:
    function = params["function"]
    try:
        function(*arrays)
    except Exception as error:
        error.add_note(f"{FROM_CALLBACK} {_name(function)}")
        raise


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


_called = Effect("callback", _call, "function")


@_enter()
def callback(function: Callable[..., Any], x: Any, *more: Any) -> Variable:
    """`x`, with which `function` is called each time it is computed.

    function: gets the values of x and of `more` as NumPy arrays (NumPy scalars for rank 0), copies
    that cannot be written to; what it returns is ignored, what it raises reaches the caller, with
    the line that built this node. x (…): any dtype. It is called where the result is used: use
    what is returned. Derivatives flow through, and call nothing. Raises UseError for what cannot
    be called.

    >>> import graphad as ga
    >>> seen = []
    >>> x = ga.vector("x")
    >>> f = ga.function([x], ga.callback(seen.append, x * 2).sum())
    >>> float(f([1.0, 2.0])), seen
    (6.0, [array([2., 4.])])
    """
    if not callable(function) or isinstance(function, Variable):
        raise UseError(
            f"callback of {type(function).__name__}",
            remedy="write ga.callback(function, x): the function comes first",
        )
    try:
        hash(function)
    except TypeError:
        raise UseError(
            f"callback: {type(function).__name__} objects have no hash",
            remedy="wrap it: ga.callback(lambda x: function(x), x)",
        ) from None
    return _called.place([as_variable(v) for v in (x, *more)], function=function)
