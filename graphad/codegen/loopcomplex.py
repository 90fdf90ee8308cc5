"""Complex numbers in loops of machine code: pairs of real formulas.

In memory the two parts lie side by side, as in NumPy; a part is a real array with twice the
strides. Formulas follow NumPy's: products and quotients (Smith's, 1962) to the last bit, functions
as usual from real ones. What is missing here (powers, logarithms, roots) raises `Unrecordable`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.movements import Movements, Value, shape_of
from graphad.codegen.places import COMPLEX, Formula, Pair, Place
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import BOOL, CALLS, Builder, Scalar

Parts = tuple[Scalar, Scalar]
FAR = 22.0  # from where on tanh is ±1 to the last bit


class Arithmetic:
    """Builds formulas of one float dtype."""

    def __init__(self, builder: Builder, dtype: np.dtype) -> None:
        self.builder, self.dtype = builder, dtype

    def __call__(self, op: str, *args: Scalar) -> Scalar:
        """One instruction; comparisons give truth values, functions go by NumPy's names."""
        op = f"call:{CALLS[op]}" if op in CALLS else op
        tests = ("lt", "gt", "ge", "eq", "ne", "and", "or")
        return self.builder.make(op, args, BOOL if op in tests else self.dtype)

    def const(self, value: float) -> Scalar:
        return self.builder.const(value, self.dtype)

    def choose(self, c: Scalar, x: Scalar, y: Scalar) -> Scalar:
        return self.builder.make("select", (c, x, y), x.dtype)


# ---- formulas: (real part, imaginary part) -----------------------------------------------------
def _multiply(f: Arithmetic, x: Parts, y: Parts) -> Parts:
    (a, b), (c, d) = x, y
    return f("sub", f("mul", a, c), f("mul", b, d)), f("add", f("mul", a, d), f("mul", b, c))


def _divide(f: Arithmetic, x: Parts, y: Parts) -> Parts:
    """By the larger part of y first, so that nothing overflows."""
    (a, b), (c, d) = x, y
    sizes = f("abs", c), f("abs", d)
    wide = f("ge", *sizes)
    large, small = f.choose(wide, c, d), f.choose(wide, d, c)
    ratio = f("div", small, large)
    scale = f("div", f.const(1), f("add", large, f("mul", small, ratio)))
    first = f.choose(wide, f("add", a, f("mul", b, ratio)), f("add", f("mul", a, ratio), b))
    second = f.choose(wide, f("sub", b, f("mul", a, ratio)), f("sub", f("mul", b, ratio), a))
    zero = f("and", *[f("eq", s, f.const(0)) for s in sizes])
    made = f("mul", first, scale), f("mul", second, scale)
    return (f.choose(zero, f("div", a, sizes[0]), made[0]),
            f.choose(zero, f("div", b, sizes[0]), made[1]))  # fmt: skip


def _exp(f: Arithmetic, x: Parts) -> Parts:
    """eᵃ (cos b + i sin b), real for real x."""
    a, b = x
    size = f("exp", a)
    real = f("eq", b, f.const(0))
    return (f.choose(real, size, f("mul", size, f("cos", b))),
            f.choose(real, b, f("mul", size, f("sin", b))))  # fmt: skip


def _sinh(f: Arithmetic, x: Parts) -> Parts:
    a, b = x
    return f("mul", f("sinh", a), f("cos", b)), f("mul", f("cosh", a), f("sin", b))


def _cosh(f: Arithmetic, x: Parts) -> Parts:
    a, b = x
    return f("mul", f("cosh", a), f("cos", b)), f("mul", f("sinh", a), f("sin", b))


def _sin(f: Arithmetic, x: Parts) -> Parts:
    a, b = x
    return f("mul", f("sin", a), f("cosh", b)), f("mul", f("cos", a), f("sinh", b))


def _cos(f: Arithmetic, x: Parts) -> Parts:
    a, b = x
    return f("mul", f("cos", a), f("cosh", b)), f("neg", f("mul", f("sin", a), f("sinh", b)))


def _tanh(f: Arithmetic, x: Parts) -> Parts:
    """W. Kahan, "Branch cuts for complex elementary functions" (1987). With t = tan b, s = sinh a,
    β = 1 + t²: (β s √(1 + s²) + i t) / (1 + β s²); for large a: ±1 + 4i sin b cos b e^(-2|a|)."""
    a, b = x
    one, t, s = f.const(1), f("tan", b), f("sinh", a)
    beta = f("add", one, f("mul", t, t))
    square = f("mul", s, s)
    below = f("add", one, f("mul", beta, square))
    root = f("sqrt", f("add", one, square))
    size = f("abs", a)
    far = f("gt", size, f.const(FAR))
    sign = f.choose(f("lt", a, f.const(0)), f.const(-1), one)
    rest = f("exp", f("mul", f.const(-2), size))
    turned = f("mul", f.const(4), f("mul", f("sin", b), f("cos", b)))
    return (f.choose(far, sign, f("div", f("mul", beta, f("mul", s, root)), below)),
            f.choose(far, f("mul", turned, rest), f("div", t, below)))  # fmt: skip


FORMULAS: dict[str, Callable[..., Parts]] = {
    "add": lambda f, x, y: (f("add", x[0], y[0]), f("add", x[1], y[1])),
    "subtract": lambda f, x, y: (f("sub", x[0], y[0]), f("sub", x[1], y[1])),
    "multiply": _multiply, "divide": _divide,
    "square": lambda f, x: _multiply(f, x, x),
    "reciprocal": lambda f, x: _divide(f, (f.const(1), f.const(0)), x),
    "negative": lambda f, x: (f("neg", x[0]), f("neg", x[1])),
    "conjugate": lambda f, x: (x[0], f("neg", x[1])), "conj": lambda f, x: (x[0], f("neg", x[1])),
    "positive": lambda f, x: x, "zeros_like": lambda f, x: (f.const(0), f.const(0)),
    "ones_like": lambda f, x: (f.const(1), f.const(0)),
    "exp": _exp, "sinh": _sinh, "cosh": _cosh, "sin": _sin, "cos": _cos, "tanh": _tanh,
}  # fmt: skip
TO_REAL: dict[str, Callable[..., Scalar]] = {
    "real": lambda f, x: x[0], "imag": lambda f, x: x[1], "abs": lambda f, x: f("hypot", *x),
    "equal": lambda f, x, y: f("and", f("eq", x[0], y[0]), f("eq", x[1], y[1])),
    "not_equal": lambda f, x, y: f("or", f("ne", x[0], y[0]), f("ne", x[1], y[1])),
    "isnan": lambda f, x: f("or", f("ne", x[0], x[0]), f("ne", x[1], x[1])),
}  # fmt: skip


# ---- values ------------------------------------------------------------------------------------
def is_complex(value: Any) -> bool:
    """Is a value, or a Python number, complex?"""
    if isinstance(value, Value):
        return isinstance(value, Pair) or (isinstance(value, Place) and value.dtype.kind == "c")
    return isinstance(value, complex)


class Complexes(Movements):
    """Values and movements, of which some are complex."""

    def parts(self, value: Any) -> tuple[Any, Any]:
        """(real part, imaginary part) of a value: real values, or Python numbers."""
        if isinstance(value, Pair):
            return value.real, value.imag
        if isinstance(value, Place) and value.dtype.kind == "c":
            dtype = COMPLEX[value.dtype]
            strides = [2 * s for s in value.strides]
            real, imag = [Place(value.base, dtype, value.shape, value.kind, strides,
                                2 * value.offset + k) for k in (0, 1)]  # fmt: skip
            return real, imag
        if isinstance(value, complex):
            return value.real, value.imag
        return value, 0.0

    def pair(self, value: Any, dtype: np.dtype) -> Pair:
        """A value as one of a complex dtype."""
        real, imag = [Formula(self.builder.cast(self.scalar(p), COMPLEX[dtype]), shape_of(p))
                      for p in self.parts(value)]  # fmt: skip
        return Pair(real, imag, dtype, shape_of(value))

    def constant_pair(self, value: Any, shape: Sequence[int] = ()) -> Pair:
        """A complex number everywhere."""
        dtype = value.dtype
        real, imag = [Formula(self.builder.const(p, COMPLEX[dtype]), shape)
                      for p in (value.real, value.imag)]  # fmt: skip
        return Pair(real, imag, dtype, shape)

    def fill(self, value: Any, target: Place) -> None:
        """Write a value, of the dtype of `target` or one that can be cast, to memory."""
        if target.dtype.kind != "c":
            value = self.parts(value)[0]
            root = self.builder.cast(self.scalar(value), target.dtype)
            self.loops.elementwise(self.formula(root, target.shape), target)
            return
        made = self.pair(value, target.dtype)
        roots = [self.scalar(p) for p in (made.real, made.imag)]
        self.loops.together(roots, target.shape, self.parts(target))

    # -- what Movements does with real values ----------------------------------------------------
    def place(self, value: Any) -> Place:
        if isinstance(value, Pair):
            made = self.temporary(value.dtype, value.shape)
            self.fill(value, made)
            return made
        return super().place(value)

    def computed(self, value: Any) -> Any:
        if not isinstance(value, Pair):
            return super().computed(value)
        return self.place(value) if value.shape else self.numbers(value)

    def numbers(self, value: Any) -> Pair:
        """A single complex number in registers."""
        real, imag = [self.number(p) for p in self.parts(value)]
        return Pair(real, imag, value.dtype, ())

    def broadcast(self, value: Any, shape: Sequence[int]) -> Any:
        if not isinstance(value, Pair):
            return super().broadcast(value, shape)
        if all(not self.loops.used(self.scalar(p)) for p in (value.real, value.imag)):
            real, imag = [Formula(self.scalar(p), shape) for p in (value.real, value.imag)]
            return Pair(real, imag, value.dtype, shape)
        return super().broadcast(self.place(value), shape)

    def _filled(self, shape: Any, dtype: Any, value: float) -> Any:
        kind = np.dtype(dtype or float)
        if kind.kind != "c":
            return super()._filled(shape, dtype, value)
        return self.constant_pair(
            kind.type(value), (shape,) if isinstance(shape, int) else tuple(shape)
        )

    def _dtype(self, parts: Sequence[Any]) -> np.dtype:
        return np.result_type(*[p.dtype if is_complex(p) else self.scalar(p).dtype for p in parts])

    # -- calls -----------------------------------------------------------------------------------
    def complex_call(self, name: str, given: Sequence[Any], keywords: Any) -> Any:
        """A call of NumPy's, some of whose arguments are complex."""
        if keywords:
            raise Unrecordable(f"{name} of complex numbers")
        shape = np.broadcast_shapes(*[shape_of(g) for g in given if isinstance(g, Value)])
        if name == "astype":
            return self.pair(given[0], given[1]) if given[1] in COMPLEX else self.real_cast(*given)
        if name == "where":
            return self.chosen(given[0], given[1:], shape)
        make = FORMULAS.get(name) or TO_REAL.get(name)
        if make is None:
            raise Unrecordable(f"{name} of complex numbers")
        dtype = self.common_dtype(given)
        f = Arithmetic(self.builder, COMPLEX[dtype])
        found: Any = make(f, *[self.roots_of(g, dtype) for g in given])
        if name in TO_REAL:
            return Formula(found, shape)
        return Pair(Formula(found[0], shape), Formula(found[1], shape), dtype, shape)

    def complex_product(self, a: Any, b: Any, product: Callable[[Any, Any], Any]) -> Pair:
        """A matrix product by real ones of the parts, which are copied next to each other."""
        dtype = np.result_type(*[self._dtype([v]) for v in (a, b)])
        if dtype not in COMPLEX:
            raise Unrecordable(f"dtype {dtype}")
        (p, q), (r, s) = (self.side_by_side(v, COMPLEX[dtype]) for v in (a, b))
        made = [[self.scalar(product(x, y)) for x, y in pairs if x is not None and y is not None]
                for pairs in (((p, r), (q, s)), ((p, s), (q, r)))]  # fmt: skip
        shape = (*shape_of(a)[:-1], *shape_of(b)[1:]) if len(shape_of(b)) > 1 else shape_of(a)[:-1]
        f = Arithmetic(self.builder, COMPLEX[dtype])
        real, imag = [Formula(found[0] if len(found) == 1 else f(op, *found), shape)
                      for op, found in zip(("sub", "add"), made, strict=True)]  # fmt: skip
        return Pair(real, imag, dtype, shape)

    def side_by_side(self, value: Any, dtype: np.dtype) -> list[Place | None]:
        """Both parts of a matrix in memory; real matrices have only the first."""
        copies: list[Place | None] = []
        for part in self.parts(value)[: 2 if is_complex(value) else 1]:
            copies.append(made := self.temporary(dtype, shape_of(value)))
            self.fill(part, made)
        return copies if len(copies) == 2 else [*copies, None]

    def common_dtype(self, given: Sequence[Any]) -> np.dtype:
        """The dtype in which numbers are combined; Python's are weak."""
        kinds = [g.dtype if is_complex(g) else self.scalar(g).dtype if isinstance(g, Value) else g
                 for g in given]  # fmt: skip
        found = np.result_type(*kinds)
        if found not in COMPLEX:
            raise Unrecordable(f"dtype {found}")
        return found

    def roots_of(self, value: Any, dtype: np.dtype) -> Parts:
        made = self.pair(value, dtype)
        return made.real.root, made.imag.root  # type: ignore[union-attr]

    def real_cast(self, value: Any, dtype: np.dtype) -> Formula:
        return Formula(
            self.builder.cast(self.scalar(self.parts(value)[0]), dtype), shape_of(value)
        )

    def chosen(self, c: Any, values: Sequence[Any], shape: Sequence[int]) -> Pair:
        if not isinstance(c, Value) or is_complex(c):
            raise Unrecordable("a constant condition")
        dtype = self.common_dtype(values)
        f = Arithmetic(self.builder, COMPLEX[dtype])
        chosen = self.builder.cast(self.scalar(c), BOOL)
        (a, b), (d, e) = (self.roots_of(v, dtype) for v in values)
        real, imag = [Formula(f.choose(chosen, *pair), shape) for pair in ((a, d), (b, e))]
        return Pair(real, imag, dtype, shape)


def is_kept_in_memory(kind: Place | Any) -> bool:
    """Is a value of this type, or at this place, worked on where it lies: not in a register?"""
    return bool(kind.shape) or kind.dtype.kind == "c"
