"""Sizes of axes that are known by name, or only at run time: the integer algebra of dims.

A `Dim` is a sum of products with integer coefficients over *atoms*, kept in one normal form, so
that `n + n == 2 * n` and `(n + 1) - 1 == n` hold by comparison. Atoms:

    ("name", "batch")              the same size everywhere in a graph
    ("anonymous", 17)              some size, equal only to itself
    ("max" | "min" | "floordiv" | "mod" | "broadcast" | "slice", operands…)

A Dim read from `x.shape` also remembers its *origin* (variable, axis), which is what lets
`1.0 / x.shape[0]` become graph; origins are no part of equality and never stored in types.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any

from graphad.errors import UseError
from graphad.ir.dimtext import dim_text, exact_text

Atom = tuple
_anonymous_ids = itertools.count(int.from_bytes(os.urandom(6), "little") << 20)


class Dim:
    """A non-negative integer known only at run time; supports ``+ - * // %`` with ints and Dims.

    >>> n = Dim.named("n")
    >>> n + n - 1
    2*n - 1
    >>> 2 * n == n + n, n == n + 1
    (True, False)
    """

    __slots__ = ("__weakref__", "_hash", "origin", "terms")

    def __init__(self, terms: tuple[tuple[tuple[Atom, ...], int], ...], origin: Any = None):
        self.terms = terms
        self.origin = origin
        self._hash = hash(terms)

    @staticmethod
    def named(name: str) -> Dim:
        return Dim(((((("name", name)),), 1),))

    @staticmethod
    def anonymous() -> Dim:
        return Dim(((((("anonymous", next(_anonymous_ids))),), 1),))

    def with_origin(self, origin: Any) -> Dim:
        return Dim(self.terms, origin)

    # -- what it is made of --------------------------------------------------------------------
    @property
    def name(self) -> str | None:
        """The name if this is exactly one named size, else None."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            atom = self.terms[0][0][0]
            return atom[1] if atom[0] == "name" else None
        return None

    @property
    def is_atom(self) -> bool:
        return len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1

    def atoms(self) -> set[Atom]:
        """The names and anonymous sizes on which the value depends."""
        found: set[Atom] = set()
        stack = [atom for monomial, _ in self.terms for atom in monomial]
        while stack:
            atom = stack.pop()
            if atom[0] in ("name", "anonymous"):
                found.add(atom)
                continue
            for operand in atom[1:]:
                if isinstance(operand, Dim):
                    stack += [inner for monomial, _ in operand.terms for inner in monomial]
        return found

    def evaluate(self, sizes: Mapping[Atom, int]) -> int:
        """The value, given the sizes of all `atoms()`; KeyError if one is missing."""
        total = 0
        for monomial, coefficient in self.terms:
            product = coefficient
            for atom in monomial:
                product *= _atom_value(atom, sizes)
            total += product
        return total

    # -- equality is structural ----------------------------------------------------------------
    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self.terms == other.terms)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return dim_text(self.terms)

    def __reduce__(self) -> tuple:
        return Dim, (self.terms,)

    # -- arithmetic ----------------------------------------------------------------------------
    def __add__(self, other: Any) -> Any:
        return _arithmetic("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _arithmetic("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _arithmetic("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _arithmetic("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return _arithmetic("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _arithmetic("multiply", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _arithmetic("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _arithmetic("floor_divide", other, self)

    def __mod__(self, other: Any) -> Any:
        return _arithmetic("remainder", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _arithmetic("remainder", other, self)

    def __truediv__(self, other: Any) -> Any:
        return to_variable(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / to_variable(self)

    def __pow__(self, other: Any) -> Any:
        return to_variable(self) ** other

    def __rpow__(self, other: Any) -> Any:
        return other ** to_variable(self)

    def __neg__(self) -> Any:
        return -to_variable(self)

    def __lt__(self, other: Any) -> Any:
        return _compare(self, other, "<")

    def __le__(self, other: Any) -> Any:
        return _compare(self, other, "<=")

    def __gt__(self, other: Any) -> Any:
        return _compare(self, other, ">")

    def __ge__(self, other: Any) -> Any:
        return _compare(self, other, ">=")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method == "__call__" and not keywords:
            return link.ufunc(ufunc, *inputs)
        return NotImplemented

    def __index__(self) -> int:
        raise UseError(
            f"the size {self} is known only when the compiled function is called",
            cause="Python needs an integer here (range, int(), a NumPy shape, …) while the graph "
            "is still being built",
            remedy="declare the size as an integer, e.g. shape=(128, 64), or use graph operations "
            "(ga.arange, ga.zeros accept such sizes)",
        )

    __int__ = __index__


# ---- the link to variables, filled by the higher layer ---------------------------------------
class _Link:
    """What `ir.variable` provides: size of (variable, axis), a call by name, by ufunc."""

    size: Callable[[Any, int], Any]
    call: Callable[..., Any]
    ufunc: Callable[..., Any]


link = _Link()


def to_variable(dim: Dim | int) -> Any:
    """An int64 scalar Variable with this size; needs an origin (a Dim read from ``x.shape``)."""
    made: dict[int, Any] = {}
    stack: list[Any] = [dim]
    while stack:
        top = stack[-1]
        if isinstance(top, int):
            made[id(top)] = top
        elif top.origin is None:
            raise UseError(
                f"the size {top} by itself has no value to compute with",
                remedy="take it from a variable that has it, for example x.shape[0]",
            )
        elif top.origin[0] == "size":
            made[id(top)] = link.size(*top.origin[1:])
        else:
            pending = [part for part in top.origin[1:] if id(part) not in made]
            if pending:
                stack += pending
                continue
            made[id(top)] = link.call(top.origin[0], *[made[id(p)] for p in top.origin[1:]])
        stack.pop()
    return made[id(dim)]


def _compare(dim: Dim, other: Any, sign: str) -> Any:
    if isinstance(other, int | float | Dim):
        raise UseError(
            f"{dim} {sign} {other} cannot be decided while the graph is built",
            remedy="use ga.where on a comparison of variables, or declare the size as an integer",
        )
    return NotImplemented


# ---- normal form -----------------------------------------------------------------------------
def _as_terms(value: int | Dim) -> dict[tuple[Atom, ...], int]:
    return dict(value.terms) if isinstance(value, Dim) else {(): value} if value else {}


def _from_terms(terms: dict[tuple[Atom, ...], int]) -> int | Dim:
    kept = {monomial: c for monomial, c in terms.items() if c}
    if not kept:
        return 0
    if list(kept) == [()]:
        return kept[()]
    return Dim(tuple(sorted(kept.items(), key=exact_text)))


def _arithmetic(operation: str, first: Any, second: Any) -> Any:
    if not isinstance(first, int | Dim) or not isinstance(second, int | Dim):
        if hasattr(first, "owner") or hasattr(second, "owner"):
            return NotImplemented
        return link.call(
            operation,
            to_variable(first) if isinstance(first, Dim) else first,
            to_variable(second) if isinstance(second, Dim) else second,
        )
    result = _RULES[operation](first, second)
    if not isinstance(result, Dim):
        return result
    for same in (first, second):
        if isinstance(same, Dim) and same == result:
            return same
    known = all(isinstance(d, int) or d.origin is not None for d in (first, second))
    return result.with_origin((operation, first, second)) if known else result


def _add(first: int | Dim, second: int | Dim) -> int | Dim:
    terms = _as_terms(first)
    for monomial, coefficient in _as_terms(second).items():
        terms[monomial] = terms.get(monomial, 0) + coefficient
    return _from_terms(terms)


def _multiply(first: int | Dim, second: int | Dim) -> int | Dim:
    terms: dict[tuple[Atom, ...], int] = {}
    for left, c in _as_terms(first).items():
        for right, d in _as_terms(second).items():
            monomial = tuple(sorted(left + right, key=exact_text))
            terms[monomial] = terms.get(monomial, 0) + c * d
    return _from_terms(terms)


def _subtract(first: int | Dim, second: int | Dim) -> int | Dim:
    return _add(first, _multiply(second, -1))


def _floordiv(first: int | Dim, second: int | Dim) -> int | Dim:
    if isinstance(first, int) and isinstance(second, int):
        return first // second
    if first == second:
        return 1
    if isinstance(second, int) and isinstance(first, Dim):
        if second == 0:
            raise ZeroDivisionError(f"{first} // 0")
        if all(c % second == 0 for _, c in first.terms):
            return _from_terms({m: c // second for m, c in first.terms})
    if isinstance(second, Dim) and isinstance(first, Dim) and len(second.terms) == 1:
        quotient = _exact_quotient(first, second)
        if quotient is not None:
            return quotient
    return atom("floordiv", first, second)


def _exact_quotient(first: Dim, second: Dim) -> int | Dim | None:
    (divisor, c) = second.terms[0]
    terms = {}
    for monomial, d in first.terms:
        rest = list(monomial)
        for factor in divisor:
            if factor not in rest:
                return None
            rest.remove(factor)
        if d % c:
            return None
        terms[tuple(rest)] = d // c
    return _from_terms(terms)


def _mod(first: int | Dim, second: int | Dim) -> int | Dim:
    if isinstance(first, int) and isinstance(second, int):
        return first % second
    return atom("mod", first, second)


_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "add": _add, "subtract": _subtract, "multiply": _multiply,
    "floor_divide": _floordiv, "remainder": _mod,
}  # fmt: skip


def atom(kind: str, *operands: Any) -> Dim:
    """The Dim that is one application of `kind` to ints, Dims or None."""
    bare = tuple(d.with_origin(None) if isinstance(d, Dim) else d for d in operands)
    return Dim(((((kind, *bare),), 1),))


def _atom_value(a: Atom, sizes: Mapping[Atom, int]) -> int:
    kind = a[0]
    if kind in ("name", "anonymous"):
        return sizes[a]
    values = [d.evaluate(sizes) if isinstance(d, Dim) else d for d in a[1:]]
    if kind == "max":
        return max(values)
    if kind == "min":
        return min(values)
    if kind == "floordiv":
        return values[0] // values[1]
    if kind == "mod":
        return values[0] % values[1]
    if kind == "broadcast":
        return next((value for value in values if value != 1), 1)
    size, start, stop, step = values
    return len(range(*slice(start, stop, step).indices(size)))
