"""Choosing by conditions or by number: select, piecewise, choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.families.common import Arrays, public
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable

_WEAK = (int, float, complex)
_X = np.array([-1.5, -0.4, 0.6, 1.2, 2.5])
_NUMBERS = np.array([2, 0, 1, 2])


def _rows(name: str, items: Any) -> list[Any]:
    """The elements of a list, or the rows of an array."""
    if not isinstance(items, Variable):
        return list(items)
    if items.ndim and isinstance(items.type.shape[0], int):
        return list(items)
    raise UseError(
        f"{name}: a list of unknown length, {items.type}",
        remedy="pass a list of Variables, or declare the first size",
    )


def _condition(name: str, value: Any) -> Variable:
    condition = as_variable(value)
    if condition.dtype != np.bool_:
        raise DTypeError(f"{name}: a condition of dtype {condition.dtype}",
                         remedy="conditions are boolean, such as x > 0")  # fmt: skip
    return condition


# ---- by conditions ---------------------------------------------------------------------------
@public(np.select, topic="elementwise", samples=lambda rng: [
    Sample(([_X > 1, _X < 0], [rng.normal(size=5), rng.normal(size=5)])),
    Sample(([_X > 1], [rng.normal(size=5)]), {"default": 3}),
    Sample(([_X > 1, _X[:, None] > 0], [rng.normal(size=()), rng.normal(size=5)],
            rng.normal(size=(5, 1)))),
])  # fmt: skip
def select(condlist: Arrays, choicelist: Arrays, default: Any = 0) -> Variable:
    """Elementwise the choice of the first true condition, else `default`, as ``np.select``.

    Conditions, choices and default broadcast; choices that are not taken leave no trace in
    derivatives. Raises UseError for lists that are empty or differ in length, DTypeError for
    conditions that are not boolean.

    >>> import graphad as ga
    >>> x = ga.constant([-1.0, 0.5, 2.0])
    >>> ga.select([x < 0, x < 1], [-x, 10 * x], default=7.0).eval()
    array([1., 5., 7.])
    """
    conditions, choices = _rows("select", condlist), _rows("select", choicelist)
    if len(conditions) != len(choices) or not conditions:
        raise UseError(
            f"select: {len(conditions)} conditions, {len(choices)} choices",
            remedy="give as many choices as conditions, at least one",
        )
    given = [c if type(c) in _WEAK else as_variable(c) for c in (*choices, default)]
    dtype = np.result_type(*[c.dtype if isinstance(c, Variable) else c for c in given])
    *values, result = [OPS["astype"](c, dtype) for c in given]
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        result = OPS["where"](_condition("select", condition), value, result)
    found: Variable = result
    return found


def _conditions(condlist: Any, x: Variable) -> list[Any]:
    """NumPy's reading: a flat list, or an array with one axis, is one condition for an array."""
    if isinstance(condlist, list | tuple):
        nested = any(isinstance(c, list | tuple) or getattr(c, "ndim", 0) for c in condlist[:1])
        return list(condlist) if nested or x.ndim == 0 else [condlist]
    given = as_variable(condlist)
    single = given.ndim == 0 or (given.ndim == 1 and x.ndim != 0)
    return [given] if single else _rows("piecewise", given)


def _aligned(condition: Any, x: Variable) -> Variable:
    """As a boolean index: the axes of a condition are the first ones of x."""
    mask: Variable = OPS["astype"](condition, "bool")
    missing = x.ndim - mask.ndim
    return OPS["expand_dims"](mask, tuple(range(mask.ndim, x.ndim))) if missing > 0 else mask


def _piecewise_reference(x: Any, condlist: Any, funclist: Any) -> Any:
    if np.ndim(x) and any(np.shape(c) and np.shape(c)[0] != np.shape(x)[0] for c in condlist):
        raise ValueError("a condition of another size")  # let pass before NumPy 2.3, if it is 0
    return np.piecewise(x, condlist, funclist)


@public(np.piecewise, topic="elementwise", reference=_piecewise_reference, samples=lambda rng: [
    Sample((_X, [_X < 0, _X > 1]), {"funclist": [np.square, np.sin, np.negative]}),
    Sample((_X, [_X < 0, _X > -1]), {"funclist": [np.square, 3]}),
    Sample((_X, [_X < 0]), {"funclist": [np.square]}),
    Sample((np.array(0.5), [np.array(True)]), {"funclist": [np.sin, 2.0]}),
    Sample((np.stack([_X, _X + 3], axis=1), [_X < 0]), {"funclist": [np.square, np.sin]}),
])  # fmt: skip
def piecewise(
    x: Any, condlist: Arrays, funclist: Sequence[Any], *args: Any, **kw: Any
) -> Variable:
    """Functions of `x` by conditions, the last true one counts, as ``np.piecewise``.

    funclist: one function or number for each condition, and perhaps one more for where none holds
    (else 0). The result has the shape and dtype of x. Unlike NumPy's, a function gets all of `x`,
    not only the elements where its condition holds: it must work elementwise. What was not chosen
    leaves no trace in derivatives. Raises UseError if the lengths do not fit.

    >>> import graphad as ga
    >>> x = ga.constant([-1.0, 0.0, 4.0])
    >>> ga.piecewise(x, [x < 0, x > 0], [lambda x: -x, ga.sqrt]).eval()
    array([1., 0., 2.])
    """
    variable = as_variable(x)
    conditions = [_aligned(c, variable) for c in _conditions(condlist, variable)]
    extra = len(funclist) - len(conditions)
    if extra not in (0, 1):
        raise UseError(
            f"piecewise: {len(conditions)} conditions, {len(funclist)} functions",
            remedy="give one function for each condition, and perhaps one for where none holds",
        )

    def piece(function: Any) -> Variable:
        value = function(variable, *args, **kw) if callable(function) else function
        found: Variable = OPS["astype"](value, variable.dtype)
        return found

    result = OPS["zeros_like"](variable) if extra == 0 else piece(funclist[-1])
    result = OPS["broadcast_to"](result, variable.shape)
    for condition, function in zip(conditions, funclist, strict=False):
        result = OPS["where"](condition, piece(function), result)
    found: Variable = result
    return found


# ---- by number -------------------------------------------------------------------------------
def _place(a: Any, count: Any, mode: str) -> Any:
    numbers, n = np.asarray(a), int(count)
    if mode == "raise":
        if np.any((numbers < 0) | (numbers >= n)):
            raise ValueError(f"choose: a number outside of 0 … {n - 1}, with mode='raise'")
        return numbers.astype(np.int64)
    return (numbers % n if mode == "wrap" else np.clip(numbers, 0, n - 1)).astype(np.int64)


_MODES = ("raise", "wrap", "clip")
_places = {
    mode: Elementwise(
        f"choose_{mode}", lambda xp, a, count, mode=mode: _place(a, count, mode), None,
        dtype=lambda dtypes, params: np.dtype("int64"))
    for mode in _MODES
}  # fmt: skip


@public(np.choose, topic="elementwise", samples=lambda rng: [
    Sample((_NUMBERS, [rng.normal(size=4) for _ in range(3)])),
    Sample((_NUMBERS, rng.normal(size=(3, 4)))),
    Sample((np.array([[2], [-1]]), [rng.normal(size=3), rng.normal(size=())]), {"mode": "wrap"}),
    Sample((np.array([-7, 1, 5]), [rng.normal(size=3), rng.normal(size=3)]), {"mode": "clip"}),
])  # fmt: skip
def choose(a: Any, choices: Arrays, out: Any = None, mode: str = "raise") -> Variable:
    """Elementwise ``choices[a]``, as ``np.choose``: a and the choices broadcast.

    choices: a list, or an array whose first axis counts. Numbers out of range are an error at run
    time with mode="raise", taken modulo the count with "wrap", and cut with "clip".
    Raises DTypeError if `a` is not of integers, UseError for other modes and `out`.

    >>> import graphad as ga
    >>> ga.choose(ga.constant([1, 0]), [[1.0, 2.0], [10.0, 20.0]]).eval()
    array([10.,  2.])
    """
    numbers = as_variable(a)
    if out is not None:
        raise UseError("choose(..., out=...)", remedy="leave out= away")
    if mode not in _MODES:
        raise UseError(f"choose: mode={mode!r}", remedy="use 'raise', 'wrap' or 'clip'")
    if numbers.dtype.kind not in "iub":
        raise DTypeError(f"choose: a has dtype {numbers.dtype}",
                         remedy="a holds integers: x.astype('int64')")  # fmt: skip
    if not isinstance(choices, Variable | np.ndarray):
        return _chosen_from(numbers, [as_variable(choice) for choice in choices], mode)
    stacked = as_variable(choices)
    if not stacked.ndim:
        raise UseError("choose: choices without axes", remedy="pass a list, or an array of them")
    place = _places[mode].build((numbers, as_variable(stacked.shape[0])))
    lead = numbers.ndim - (stacked.ndim - 1)
    if lead > 0:
        stacked = OPS["expand_dims"](stacked, tuple(range(1, 1 + lead)))
    place = OPS["expand_dims"](place, tuple(range(max(-lead, 0) + 1)))
    found: Variable = OPS["take_along_axis"](stacked, place, 0)[0]
    return found


def _chosen_from(numbers: Variable, choices: Sequence[Variable], mode: str) -> Variable:
    """One after the other; the shapes of all count, also of those that are never chosen."""
    if not choices:
        raise UseError("choose: no choices", remedy="give at least one")
    place = _places[mode].build((numbers, as_variable(len(choices))))
    dtype = np.result_type(*[choice.dtype for choice in choices])
    *rest, result = [OPS["astype"](choice, dtype) for choice in choices]
    for number, choice in reversed(list(enumerate(rest))):
        result = OPS["where"](place == number, choice, result)
    if not rest:
        result = OPS["where"](place == 0, result, 0)
    return result
