"""Scalar instructions: what a loop computes for one element, typed, each written once.

An op's formula is run with the recording namespace; the calls it makes are translated into
instructions on numbers, with NumPy's rules for dtypes (Python numbers are weak). What has no
translation raises `Unrecordable`: such an op stays a NumPy call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.codegen.recording import Traced, Unrecordable, recorded
from graphad.ir.families.reduction import sum_dtype
from graphad.ir.op import Op
from graphad.ir.types import TensorType

FLOATS = (np.dtype("float64"), np.dtype("float32"))
BOOL = np.dtype(bool)
DTYPES = frozenset((*FLOATS, BOOL, *map(np.dtype, ("int64", "int32", "int16", "int8", "uint8",
                                                   "uint16", "uint32", "uint64"))))  # fmt: skip


class Scalar:
    """One instruction: `op` on `args`; `extra` is a constant's value or an operand's number.

    ops: load, const, cast, select, compare signs, arithmetic, tests, "call:exp", "reduce:sum".
    Of integers quot and rem, whose second operand must not be 0.
    """

    __slots__ = ("args", "dtype", "extra", "op")

    def __init__(self, op: str, args: tuple[Scalar, ...], dtype: np.dtype, extra: Any) -> None:
        self.op, self.args, self.dtype, self.extra = op, args, dtype, extra


class Builder:
    """Makes instructions; the same one is made once."""

    def __init__(self) -> None:
        self.made: dict[Any, Scalar] = {}

    def make(
        self, op: str, args: tuple[Scalar, ...], dtype: np.dtype, extra: Any = None
    ) -> Scalar:
        if dtype not in DTYPES:
            raise Unrecordable(f"dtype {dtype}")
        key = (op, tuple([id(a) for a in args]), dtype, extra)
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = Scalar(op, args, dtype, extra)
        return found

    def load(self, operand: int, dtype: np.dtype) -> Scalar:
        return self.make("load", (), dtype, operand)

    def const(self, value: Any, dtype: np.dtype) -> Scalar:
        """A number; stored by its bits, so that 0.0 is not -0.0."""
        with np.errstate(all="ignore"):
            return self.make("const", (), dtype, np.asarray(value).astype(dtype).tobytes())

    def cast(self, value: Any, dtype: np.dtype) -> Scalar:
        if not isinstance(value, Scalar):
            return self.const(value, dtype)
        if value.dtype == dtype:
            return value
        narrow = dtype.kind == "u" or (dtype.kind == "i" and dtype.itemsize < 4)
        if value.dtype.kind == "f" and narrow:
            raise Unrecordable("casts of floats to small integers go by the platform")
        if value.op == "const":
            return self.const(number(value), dtype)
        return self.make("cast", (value,), dtype)


def number(constant: Scalar) -> np.generic:
    """The value of a constant instruction."""
    found: np.generic = np.frombuffer(constant.extra, constant.dtype)[0]
    return found


# ---- the vocabulary --------------------------------------------------------------------------
Make = Callable[..., Scalar]


def _typed(b: Builder, ufunc: np.ufunc, args: Sequence[Any]) -> tuple[list[Scalar], np.dtype]:
    """The operands in the dtypes of the ufunc's loop, and the dtype of its result."""
    given = [a.dtype if isinstance(a, Scalar) else type(a) for a in args]
    try:
        *wanted, result = ufunc.resolve_dtypes((*given, None))
    except TypeError as error:
        raise Unrecordable(str(error)) from None
    return [b.cast(a, d) for a, d in zip(args, wanted, strict=True)], result


def _plain(name: str, op: str, kinds: str = "fiub") -> Make:
    def make(b: Builder, *args: Any) -> Scalar:
        typed, result = _typed(b, getattr(np, name), args)
        if typed[0].dtype.kind not in kinds:
            raise Unrecordable(f"{name} of {typed[0].dtype}")
        return b.make(op, tuple(typed), result)

    return make


def _where(b: Builder, c: Any, x: Any, y: Any) -> Scalar:
    if not isinstance(c, Scalar):
        raise Unrecordable("a constant condition")
    weak = [a.dtype if isinstance(a, Scalar) else a for a in (x, y)]
    if not any(isinstance(a, np.dtype) for a in weak):
        raise Unrecordable("a choice between Python numbers")
    dtype = np.result_type(*weak)
    return b.make("select", (b.cast(c, BOOL), b.cast(x, dtype), b.cast(y, dtype)), dtype)


def _square(b: Builder, x: Any) -> Scalar:
    (x,), _ = _typed(b, np.square, (x,))
    return b.make("mul", (x, x), x.dtype)


def _reciprocal(b: Builder, x: Any) -> Scalar:
    (x,), _ = _typed(b, np.reciprocal, (x,))
    if x.dtype.kind != "f":
        raise Unrecordable("reciprocal of integers")
    return b.make("div", (b.const(1, x.dtype), x), x.dtype)


# Versions of NumPy differ in whether x ** 0.5 is √x, -0.0 at -0.0, or the C library's pow, 0.0.
HALF_IS_ROOT = bool(np.signbit(np.power(np.float64(-0.0), np.float64(0.5))))


def _power(b: Builder, x: Any, y: Any) -> Scalar:
    (x, y), dtype = _typed(b, np.power, (x, y))
    if dtype.kind != "f":
        raise Unrecordable("powers of integers")
    if y.op == "const" and number(y) == 2:
        return b.make("mul", (x, x), dtype)
    if y.op == "const" and number(y) == 0.5 and HALF_IS_ROOT:
        return b.make("sqrt", (x,), dtype)
    return b.make("call:pow", (x, y), dtype)


def _sign(b: Builder, x: Any) -> Scalar:
    """1 where x > 0, -1 where x < 0, 0 at both zeros, else (NaN) x."""
    (x,), dtype = _typed(b, np.sign, (x,))
    if dtype.kind not in "fi":
        raise Unrecordable("sign of unsigned integers")
    zero = b.const(0, dtype)
    rest = b.make("select", (b.make("eq", (x, zero), BOOL), zero, x), dtype)
    below = b.make("select", (b.make("lt", (x, zero), BOOL), b.const(-1, dtype), rest), dtype)
    return b.make("select", (b.make("gt", (x, zero), BOOL), b.const(1, dtype), below), dtype)


def _divided(b: Builder, name: str, x: Any, y: Any) -> tuple[Scalar, Scalar, Scalar, Scalar]:
    """x, y and the quotient and remainder of integers, cut off towards zero; the hardware has none
    by 0, nor by -1 of the least number: there they are x and 0."""
    (x, y), dtype = _typed(b, getattr(np, name), (x, y))
    if dtype.kind not in "iu":
        raise Unrecordable(f"{name} of {dtype}")
    one = b.const(1, dtype)
    bad = b.make("eq", (y, b.const(0, dtype)), BOOL)
    if dtype.kind == "i":
        bad = b.make("or", (bad, b.make("eq", (y, b.const(-1, dtype)), BOOL)), BOOL)
    by = b.make("select", (bad, one, y), dtype)
    return x, y, b.make("quot", (x, by), dtype), b.make("rem", (x, by), dtype)


def _rounds_up(b: Builder, y: Scalar, rest: Scalar) -> Scalar:
    """Was a quotient cut off towards zero from below? There the remainder has not y's sign."""
    zero = b.const(0, y.dtype)
    signs = [b.make("lt", (v, zero), BOOL) for v in (y, rest)]
    other = b.make("xor", tuple(signs), BOOL)
    return b.make("and", (b.make("ne", (rest, zero), BOOL), other), BOOL)


def _remainder(b: Builder, x: Any, y: Any) -> Scalar:
    """x - ⌊x / y⌋ y, which has the sign of y; 0 where y is 0."""
    x, y, _, rest = _divided(b, "remainder", x, y)
    if y.dtype.kind == "u":
        return rest
    turned = b.make("add", (rest, y), y.dtype)
    return b.make("select", (_rounds_up(b, y, rest), turned, rest), y.dtype)


def _floor_divide(b: Builder, x: Any, y: Any) -> Scalar:
    """⌊x / y⌋; 0 where y is 0."""
    x, y, whole, rest = _divided(b, "floor_divide", x, y)
    dtype, zero = y.dtype, b.const(0, y.dtype)
    if dtype.kind == "i":
        less = b.make("sub", (whole, b.const(1, dtype)), dtype)
        whole = b.make("select", (_rounds_up(b, y, rest), less, whole), dtype)
        turned = b.make("eq", (y, b.const(-1, dtype)), BOOL)
        whole = b.make("select", (turned, b.make("neg", (x,), dtype), whole), dtype)
    return b.make("select", (b.make("eq", (y, zero), BOOL), zero, whole), dtype)


def _is_infinity(value: float) -> Make:
    def make(b: Builder, x: Any) -> Scalar:
        if x.dtype.kind != "f":
            raise Unrecordable("infinities of integers")
        return b.make("eq", (x, b.const(value, x.dtype)), BOOL)

    return make


def _logic(name: str, op: str) -> Make:
    def make(b: Builder, *args: Any) -> Scalar:
        return b.make(op, tuple([b.cast(a, BOOL) for a in args]), BOOL)

    return make


def _like(value: float) -> Make:
    return lambda b, x: b.const(value, x.dtype)


def _reduce(kind: str) -> Make:
    def make(b: Builder, x: Scalar, axis: Any = None, dtype: Any = None, keepdims: bool = False,
             initial: Any = None) -> Scalar:  # fmt: skip
        wanted = x.dtype if dtype is None else np.dtype(dtype)
        if kind in ("sum", "prod") and dtype is None:
            wanted = sum_dtype(x.dtype)
        if kind in ("any", "all"):
            wanted = BOOL
        if initial is not None and (kind != "max" or initial != -np.inf or wanted.kind != "f"):
            raise Unrecordable("an initial value")
        return b.make(f"reduce:{kind}", (b.cast(x, wanted),), wanted, initial is not None)

    return make


def _unchanged(b: Builder, x: Scalar, *_: Any, **__: Any) -> Scalar:
    return x


CALLS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "exp": "exp", "exp2": "exp2", "expm1": "expm1",
    "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p", "cbrt": "cbrt",
    "arctan2": "atan2", "hypot": "hypot",
}  # fmt: skip
VOCABULARY: dict[str, Make] = {
    **{name: _plain(name, f"call:{symbol}", "f") for name, symbol in CALLS.items()},
    "add": _plain("add", "add"), "subtract": _plain("subtract", "sub"),
    "multiply": _plain("multiply", "mul"), "divide": _plain("divide", "div", "f"),
    "negative": _plain("negative", "neg", "fi"), "positive": _unchanged,
    "real": _unchanged, "conjugate": _unchanged, "imag": _like(0.0),  # of real numbers
    "abs": _plain("absolute", "abs", "fi"), "fabs": _plain("fabs", "abs", "f"),
    "sqrt": _plain("sqrt", "sqrt", "f"), "square": _square, "reciprocal": _reciprocal,
    "power": _power, "sign": _sign, "where": _where,
    "remainder": _remainder, "floor_divide": _floor_divide,
    "maximum": _plain("maximum", "max"), "minimum": _plain("minimum", "min"),
    "less": _plain("less", "lt"), "less_equal": _plain("less_equal", "le"),
    "greater": _plain("greater", "gt"), "greater_equal": _plain("greater_equal", "ge"),
    "equal": _plain("equal", "eq"), "not_equal": _plain("not_equal", "ne"),
    "logical_and": _logic("logical_and", "and"), "logical_or": _logic("logical_or", "or"),
    "logical_xor": _logic("logical_xor", "xor"), "logical_not": _logic("logical_not", "not"),
    "bitwise_and": _plain("bitwise_and", "and", "iub"),
    "bitwise_or": _plain("bitwise_or", "or", "iub"),
    "bitwise_xor": _plain("bitwise_xor", "xor", "iub"), "invert": _plain("invert", "not", "iub"),
    "isnan": _plain("isnan", "isnan", "f"), "isinf": _plain("isinf", "isinf", "f"),
    "isposinf": _is_infinity(np.inf), "isneginf": _is_infinity(-np.inf),
    "isfinite": _plain("isfinite", "isfinite", "f"), "signbit": _plain("signbit", "signbit", "f"),
    "floor": _plain("floor", "floor", "f"), "ceil": _plain("ceil", "ceil", "f"),
    "trunc": _plain("trunc", "trunc", "f"), "rint": _plain("rint", "rint", "f"),
    "astype": lambda b, x, dtype: b.cast(x, np.dtype(dtype)),
    "zeros_like": _like(0.0), "ones_like": _like(1.0),
    "squeeze": _unchanged, "expand_dims": _unchanged,
    **{kind: _reduce(kind) for kind in ("sum", "prod", "max", "min", "any", "all")},
}  # fmt: skip


# ---- from formulas to instructions -----------------------------------------------------------
def translate(
    b: Builder, op: Op, types: tuple[TensorType, ...], operands: Sequence[Scalar], dtype: np.dtype
) -> Scalar:
    """The instructions of one op on the given operands; the result, in `dtype`."""
    calls, result = recorded(op, types)
    names: dict[str, Scalar] = {f"a{i}": operand for i, operand in enumerate(operands)}
    for call in calls:
        make = VOCABULARY.get(call.function)
        if make is None:
            raise Unrecordable(call.function)
        arguments = [_argument(a, names) for a in call.arguments]
        names[call.target] = make(b, *arguments, **_keywords(call.keywords))
    return b.cast(names[result], dtype)


def _argument(value: Any, names: Mapping[str, Scalar]) -> Any:
    if isinstance(value, Traced):
        if value.text not in names:
            raise Unrecordable("a size")
        return names[value.text]
    if isinstance(value, np.generic):
        raise Unrecordable("a NumPy scalar")
    return value


def _keywords(keywords: Mapping[str, Any]) -> dict[str, Any]:
    if any(isinstance(value, Traced) for value in keywords.values()):
        raise Unrecordable("a keyword known at run time")
    return dict(keywords)
