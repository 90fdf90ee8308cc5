"""How a recorded call is written: for NumPy arrays, for NumPy scalars, for Python floats.

`ARRAY` overrides the plain form ``name(arguments)`` where NumPy has a faster spelling of the same
thing; `OPERATORS` is used for scalar results; `FLOAT` is the vocabulary of programs on plain
floats, whose functions come from `math` and raise where NumPy would give inf or NaN (the caller
then runs the NumPy program instead).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphad.codegen.recording import Traced

Writer = Callable[..., str]
SMALL = 1 << 14  # multiplications up to which a product takes less time than its dispatch


def literal(value: Any) -> str:
    """An argument as source text."""
    if type(value) is Traced:
        return value.text
    if isinstance(value, np.dtype):
        return dtype_name(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, slice):
        return f"slice({literal(value.start)}, {literal(value.stop)}, {literal(value.step)})"
    if isinstance(value, np.generic):
        return literal(value.item())
    return repr(value)


def dtype_name(dtype: np.dtype) -> str:
    """The name under which NumPy exports the scalar type: ``float64``, ``bool_``.

    >>> dtype_name(np.dtype("int64")), dtype_name(np.dtype(bool))
    ('int64', 'bool_')
    """
    name = np.dtype(dtype.str).type.__name__
    return "bool_" if name == "bool" else name


def call(name: str, arguments: tuple, keywords: Mapping[str, Any]) -> str:
    """``name(a, b, key=c)``."""
    parts = [literal(a) for a in arguments]
    parts += [f"{key}={literal(value)}" for key, value in keywords.items()]
    return f"{name}({', '.join(parts)})"


def index_text(index: Any) -> str:
    """What stands between the brackets: ``1:, None, ::2``."""
    entries = index if isinstance(index, tuple) else (index,)
    shown = [_entry(entry) for entry in entries]
    return ", ".join(shown) if shown else "()"


def _entry(entry: Any) -> str:
    if isinstance(entry, slice):
        bounds = ["" if b is None else literal(b) for b in (entry.start, entry.stop)]
        return ":".join(bounds if entry.step is None else [*bounds, literal(entry.step)])
    return "..." if entry is Ellipsis else literal(entry)


# ---- arrays ----------------------------------------------------------------------------------
def _reduce(ufunc: str) -> Writer:
    def write(
        x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None,
        where: Any = None,
    ) -> str:  # fmt: skip
        axes = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        extra = ", keepdims=True" if keepdims else ""
        extra += f", dtype={literal(dtype)}" if dtype is not None else ""
        extra += f", initial={literal(initial)}" if initial is not None else ""
        extra += f", where={literal(where)}" if where is not None else ""
        return f"{ufunc}.reduce({literal(x)}, axis={literal(axes)}{extra})"

    return write


def _expand(x: Any, axis: tuple[int, ...]) -> str:
    last = max(axis) + 1
    return f"{literal(x)}[{', '.join('None' if i in axis else ':' for i in range(last))}]"


def _flip(x: Any, axis: tuple[int, ...]) -> str:
    last = max(axis) + 1 if axis else 0
    inner = ", ".join("::-1" if i in axis else ":" for i in range(last))
    return f"{literal(x)}[{inner or '...'}]"


def _matmul(a: Any, b: Any) -> str:
    """A method does the same product as the function, and finds it sooner."""
    short = _is_small(a, b)
    return f"{a.text}.dot({b.text})" if short else f"matmul({literal(a)}, {literal(b)})"


def _is_small(a: Any, b: Any) -> bool:
    """Are these a small vector or matrix and another, of one kind of floats?"""
    first, second = [v.type if type(v) is Traced else None for v in (a, b)]
    if first is None or second is None:
        return False
    if not (first.is_static and second.is_static and first.dtype == second.dtype):
        return False
    if first.dtype.char not in "fdFD" or not (first.ndim in (1, 2) and second.ndim in (1, 2)):
        return False
    columns = second.shape[1] if second.ndim == 2 else 1
    return bool(first.size * columns <= SMALL)


ARRAY: dict[str, Writer] = {
    "sum": _reduce("add"),
    "prod": _reduce("multiply"),
    "max": _reduce("maximum"),
    "min": _reduce("minimum"),
    "any": _reduce("logical_or"),
    "all": _reduce("logical_and"),
    "abs": lambda x: f"absolute({literal(x)})",
    "matmul": _matmul,
    "astype": lambda x, dtype: f"{literal(x)}.astype({literal(dtype)})",
    "getitem": lambda x, index: f"{literal(x)}[{index_text(index)}]",
    "reshape": lambda x, shape: f"{literal(x)}.reshape({literal(shape)})",
    "transpose": lambda x, axes: f"{literal(x)}.transpose({literal(axes)})",
    "squeeze": lambda x, axis: f"{literal(x)}.squeeze({literal(axis)})",
    "expand_dims": _expand,
    "flip": _flip,
}


def _at(name: str) -> Writer:
    """``add.at(x, index, value)``."""
    return lambda x, index, value: f"{name}.at({literal(x)}, {literal(index)}, {literal(value)})"


# calls that are statements and give no new value
STATEMENTS: dict[str, Writer] = {
    "setitem": lambda x, index, value: f"{literal(x)}[{index_text(index)}] = {literal(value)}",
    **{f"{name}.at": _at(name) for name in ("add", "maximum", "minimum")},
}

# ---- scalars ---------------------------------------------------------------------------------
_BINARY = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
    "equal": "==", "not_equal": "!=",
}  # fmt: skip


def _infix(sign: str) -> Writer:
    return lambda a, b: f"{literal(a)} {sign} {literal(b)}"


def _is_bool(value: Any) -> bool:
    known = value.type if isinstance(value, Traced) else None
    return known is not None and known.dtype == np.bool_


OPERATORS: dict[str, Writer] = {name: _infix(sign) for name, sign in _BINARY.items()}
OPERATORS["negative"] = lambda a: f"-{literal(a)}"
OPERATORS["astype"] = lambda x, dtype: (
    f"{dtype_name(dtype)}({literal(x)})"
    if dtype.kind in "fc"
    else f"{literal(x)}.astype({dtype_name(dtype)})"  # int64(nan) raises
)
OPERATORS["square"] = lambda a: (
    f"square({literal(a)})" if _is_bool(a) else f"{literal(a)} * {literal(a)}"
)


# ---- plain floats ----------------------------------------------------------------------------
def _choose(c: Any, a: Any, b: Any) -> str:
    return f"{literal(a)} if {literal(c)} else {literal(b)}"


def _sign(x: Any) -> str:
    t = literal(x)
    return f"1.0 if {t} > 0.0 else -1.0 if {t} < 0.0 else 0.0 if {t} == 0.0 else {t}"


def _extremum(sign: str) -> Writer:
    def write(a: Any, b: Any) -> str:
        x, y = literal(a), literal(b)
        return f"{x} if {x} {sign} {y} or {x} != {x} else {y}"

    return write


def _power(x: Any, y: Any) -> str:
    """C's pow; for 0, -inf and NaN NumPy is asked, whose answer depends on its version."""
    a, b = literal(x), literal(y)
    return f"pow({a}, {b}) if {a} and {a} > -inf else float(np_power({a}, {b}))"


def _cast(x: Any, dtype: np.dtype) -> str:
    return f"{'float' if dtype.kind == 'f' else 'bool'}({literal(x)})"


def _math(name: str) -> Writer:
    return lambda *arguments: f"{name}({', '.join(map(literal, arguments))})"


_SAME = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "log", "log2", "log10",
         "log1p", "sqrt", "cbrt", "exp2", "hypot", "isnan", "isinf", "isfinite")  # fmt: skip
_RENAMED = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh",
}  # fmt: skip

FLOAT: dict[str, Writer] = {
    **OPERATORS,
    **{name: _math(name) for name in _SAME},
    **{name: _math(other) for name, other in _RENAMED.items()},
    "power": _power,
    "positive": lambda x: literal(x),
    "abs": lambda x: f"abs({literal(x)})",
    "reciprocal": lambda x: f"1.0 / {literal(x)}",
    "floor_divide": _infix("//"),
    "remainder": _infix("%"),
    "where": _choose,
    "maximum": _extremum(">"),  # of two zeros the second, as NumPy's vector loops
    "minimum": _extremum("<"),
    "sign": _sign,
    "logical_not": lambda x: f"not {literal(x)}",
    "logical_and": _infix("and"),
    "logical_or": _infix("or"),
    "bitwise_and": _infix("and"),
    "bitwise_or": _infix("or"),
    "invert": lambda x: f"not {literal(x)}",
    "astype": _cast,
}
# functions that give a bool whatever their operands are, and those that give one of their operands
BOOLEAN = frozenset(
    "less less_equal greater greater_equal equal not_equal logical_not invert "
    "isnan isinf isfinite".split()
)
CHOOSING = frozenset({"where", "maximum", "minimum"})
MATH_NAMES = frozenset({*_SAME, *_RENAMED.values(), "pow"})
