"""Scalar instructions as LLVM instructions on vectors (or on single numbers, with one lane).

Text of LLVM's language is written directly: it can be read, and needs no library. Nothing is
reordered or contracted: + − × ÷ √ round as in NumPy.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from graphad.codegen import mathlib
from graphad.codegen.scalars import BOOL, Scalar, number

_COMPARE = {
    "lt": ("olt", "slt", "ult"), "le": ("ole", "sle", "ule"), "gt": ("ogt", "sgt", "ugt"),
    "ge": ("oge", "sge", "uge"), "eq": ("oeq", "eq", "eq"), "ne": ("une", "ne", "ne"),
}  # fmt: skip
_ARITHMETIC = {
    "add": ("fadd", "add", "or"), "sub": ("fsub", "sub", None), "mul": ("fmul", "mul", "and"),
    "div": ("fdiv", None, None),
}  # fmt: skip
_INTRINSIC = {"sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint"}
COMBINE = {"sum": "add", "prod": "mul", "max": "max", "min": "min", "any": "or", "all": "and"}


def element(dtype: np.dtype) -> str:
    """LLVM's type of one number."""
    if dtype == BOOL:
        return "i1"
    if dtype.kind == "f":
        return "double" if dtype.itemsize == 8 else "float"
    return f"i{8 * dtype.itemsize}"


def literal(value: np.generic) -> str:
    """A number as LLVM writes it; floats by their bits."""
    if value.dtype == BOOL:
        return "true" if value else "false"
    if value.dtype.kind == "f":
        return f"0x{struct.pack('>d', float(value)).hex().upper()}"
    return str(int(value))


def identity(kind: str, dtype: np.dtype) -> np.generic:
    """What a reduction starts from: sums from 0.0, as in NumPy, where those of -0.0 are 0.0."""
    if kind in ("any", "all"):
        return np.bool_(kind == "all")
    if kind in ("sum", "prod"):
        return dtype.type(0 if kind == "sum" else 1)
    if dtype.kind == "f":
        return dtype.type(-np.inf if kind == "max" else np.inf)
    if dtype == BOOL:
        return np.bool_(kind == "min")
    limits = np.iinfo(dtype)
    return dtype.type(limits.min if kind == "max" else limits.max)


class Text:
    """Lines of one function, and what the module has to declare; `lanes` numbers at a time."""

    def __init__(self, lanes: int, declared: dict[str, str]) -> None:
        self.lanes, self.declared = lanes, declared
        self.lines: list[str] = []
        self.count = 0

    # -- pieces --------------------------------------------------------------------------------
    def fresh(self) -> str:
        self.count += 1
        return f"%x{self.count}"

    def put(self, text: str) -> str:
        """One instruction with a result."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """One instruction without a result."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def type(self, dtype: np.dtype) -> str:
        return self.vector(element(dtype))

    def vector(self, kind: str) -> str:
        return kind if self.lanes == 1 else f"<{self.lanes} x {kind}>"

    def constant(self, value: np.generic) -> str:
        text = literal(value)
        if self.lanes == 1:
            return text
        kind = element(value.dtype)
        return f"<{', '.join([f'{kind} {text}'] * self.lanes)}>"

    def splat(self, name: str, kind: str) -> str:
        """One number in all lanes."""
        if self.lanes == 1:
            return name
        vector = self.vector(kind)
        one = self.put(f"insertelement {vector} poison, {kind} {name}, i32 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.put(f"shufflevector {vector} {one}, {vector} poison, {zeros}")

    def extract(self, name: str, dtype: np.dtype) -> str:
        """The first lane."""
        if self.lanes == 1:
            return name
        return self.put(f"extractelement {self.type(dtype)} {name}, i32 0")

    def fold(self, kind: str, name: str, dtype: np.dtype) -> str:
        """All lanes combined, halves first: always the same order; the result is in lane 0."""
        width, vector = self.lanes, self.type(dtype)
        while width > 1:
            width //= 2
            picked = ", ".join(f"i32 {i + width}" if i < width else "i32 poison"
                               for i in range(self.lanes))  # fmt: skip
            upper = self.put(f"shufflevector {vector} {name}, {vector} poison, "
                             f"<{self.lanes} x i32> <{picked}>")  # fmt: skip
            name = self.combine(kind, name, upper, dtype)
        return name

    def combine(self, kind: str, a: str, b: str, dtype: np.dtype) -> str:
        return self._apply(COMBINE[kind], [a, b], dtype, dtype)

    def intrinsic(self, name: str, kind: str, arguments: Sequence[str]) -> str:
        """``llvm.sqrt.v8f64``."""
        short = {"double": "f64", "float": "f32"}[kind]
        full = f"llvm.{name}.{short if self.lanes == 1 else f'v{self.lanes}{short}'}"
        vector = self.vector(kind)
        self.declared[full] = f"declare {vector} @{full}({', '.join([vector] * len(arguments))})"
        given = ", ".join(f"{vector} {a}" for a in arguments)
        return self.put(f"call {vector} @{full}({given})")

    # -- instructions --------------------------------------------------------------------------
    def write(self, value: Scalar, args: Sequence[str]) -> str:
        """The name of the result of an instruction on operands of these names."""
        if value.op == "const":
            return self.constant(number(value))
        kind = value.args[0].dtype
        if value.op == "cast":
            return self._cast(args[0], kind, value.dtype)
        if value.op.startswith("call:"):
            return self._call(value.op[5:], args, value.dtype)
        return self._apply(value.op, args, kind, value.dtype)

    def _apply(self, op: str, args: Sequence[str], kind: np.dtype, result: np.dtype) -> str:
        vector = self.type(kind)
        column = 0 if kind.kind == "f" else 2 if kind == BOOL else 1
        if op in _ARITHMETIC:
            return self.put(f"{_ARITHMETIC[op][column]} {vector} {args[0]}, {args[1]}")
        if op in _COMPARE:
            return self._compare(op, args, kind)
        if op in ("quot", "rem"):
            word = f"{'u' if kind.kind == 'u' else 's'}{'rem' if op == 'rem' else 'div'}"
            return self.put(f"{word} {vector} {args[0]}, {args[1]}")
        if op in ("and", "or", "xor"):
            return self.put(f"{op} {vector} {args[0]}, {args[1]}")
        if op == "not":
            ones = np.bool_(True) if kind == BOOL else kind.type(-1 if kind.kind == "i" else
                                                                 np.iinfo(kind).max)  # fmt: skip
            return self.put(f"xor {vector} {args[0]}, {self.constant(ones)}")
        if op == "select":
            chosen = self.type(result)
            return self.put(f"select {self.type(BOOL)} {args[0]}, {chosen} {args[1]}, "
                            f"{chosen} {args[2]}")  # fmt: skip
        if op in ("max", "min"):
            return self._extremum(op, args[0], args[1], kind)
        if op in _INTRINSIC:
            return self.intrinsic(_INTRINSIC[op], element(kind), args)
        return self._test(op, args[0], kind)

    def _compare(self, op: str, args: Sequence[str], kind: np.dtype) -> str:
        ordered, signed, unsigned = _COMPARE[op]
        if kind.kind == "f":
            return self.put(f"fcmp {ordered} {self.type(kind)} {args[0]}, {args[1]}")
        sign = signed if kind.kind == "i" else unsigned
        return self.put(f"icmp {sign} {self.type(kind)} {args[0]}, {args[1]}")

    def _extremum(self, op: str, a: str, b: str, kind: np.dtype) -> str:
        """a if a > b or a is NaN, else b: of two zeros the second, as NumPy's vector loops."""
        wins = self._compare("gt" if op == "max" else "lt", (a, b), kind)
        if kind.kind == "f":
            nan = self.put(f"fcmp uno {self.type(kind)} {a}, {a}")
            wins = self.put(f"or {self.type(BOOL)} {wins}, {nan}")
        vector = self.type(kind)
        return self.put(f"select {self.type(BOOL)} {wins}, {vector} {a}, {vector} {b}")

    def _test(self, op: str, x: str, kind: np.dtype) -> str:
        vector = self.type(kind)
        zero = self.constant(kind.type(0))
        if op == "neg":
            return self.put(
                f"fneg {vector} {x}" if kind.kind == "f" else f"sub {vector} {zero}, {x}"
            )
        if op == "abs" and kind.kind != "f":
            negative = self.put(f"icmp slt {vector} {x}, {zero}")
            turned = self.put(f"sub {vector} {zero}, {x}")
            return self.put(
                f"select {self.type(BOOL)} {negative}, {vector} {turned}, {vector} {x}"
            )
        if op == "isnan":
            return self.put(f"fcmp uno {vector} {x}, {x}")
        if op == "signbit":
            bits = self.vector(f"i{8 * kind.itemsize}")
            whole = self.put(f"bitcast {vector} {x} to {bits}")
            nothing = self.constant(np.dtype(f"int{8 * kind.itemsize}").type(0))
            return self.put(f"icmp slt {bits} {whole}, {nothing}")
        size = self.intrinsic("fabs", element(kind), [x])
        if op == "abs":
            return size
        sign = {"isinf": "oeq", "isfinite": "olt"}[op]
        return self.put(f"fcmp {sign} {vector} {size}, {self.constant(kind.type(np.inf))}")

    def _cast(self, x: str, old: np.dtype, new: np.dtype) -> str:
        if new == BOOL:
            return self._compare("ne", (x, self.constant(old.type(0))), old)
        if old.kind == new.kind == "f":
            word = "fpext" if new.itemsize > old.itemsize else "fptrunc"
        elif old.kind == "f":
            word = "fptosi"
        elif new.kind == "f":
            word = "sitofp" if old.kind == "i" else "uitofp"
        elif new.itemsize == old.itemsize and old != BOOL:
            return x
        elif new.itemsize < old.itemsize:
            word = "trunc"
        else:
            word = "sext" if old.kind == "i" else "zext"
        return self.put(f"{word} {self.type(old)} {x} to {self.type(new)}")

    def _call(self, function: str, args: Sequence[str], dtype: np.dtype) -> str:
        bits, kind = 8 * dtype.itemsize, element(dtype)
        lanes = max(self.lanes, 128 // bits)  # shorter vectors fill half a register
        wide = f"<{lanes} x {kind}>"
        name = mathlib.symbol(function, bits, lanes)
        self.declared[name] = f"declare {wide} @{name}({', '.join([wide] * len(args))})"
        given = ", ".join(f"{wide} {self._resized(a, kind, self.lanes, lanes)}" for a in args)
        result = self.put(f"call {wide} @{name}({given})")
        return self._resized(result, kind, lanes, self.lanes)

    def _resized(self, name: str, kind: str, old: int, new: int) -> str:
        if old == new:
            return name
        picked = ", ".join(f"i32 {i % old}" for i in range(new))
        return self.put(f"shufflevector <{old} x {kind}> {name}, <{old} x {kind}> poison, "
                        f"<{new} x i32> <{picked}>")  # fmt: skip
