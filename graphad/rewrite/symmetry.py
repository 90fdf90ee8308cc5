"""Which matrices are symmetric by the formula they are made by.

    K = a·exp(-(x[:, None] - x[None, :])² / 2) + s·eye(n)     2 X @ Xᵀ     A + Aᵀ

Two variables are compared in step with each other: u is the mirror of ±v where both come from the
same op and its operands are mirrors, in an order that the op allows; a mirror has the first two
axes exchanged. A matrix is symmetric if it is its own mirror.
"""

from __future__ import annotations

import numpy as np

from graphad.ir.families.elementwise import Elementwise
from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.pattern import COMMUTATIVE, alike

DEPTH, PAIRS = 40, 500  # levels of ops and pairs of variables that are looked at
ODD = frozenset(
    {"negative", "sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "cbrt"}
)
EVEN = frozenset({"abs", "square", "cos", "cosh"})


def is_symmetric(matrix: Variable) -> bool:
    """Is this real (n, n) matrix equal to its transpose, whatever the inputs are?

    >>> import graphad as ga
    >>> a, x = ga.matrix("a", shape=(3, 3)), ga.vector("x", shape=(3,))
    >>> is_symmetric(a @ a.T), is_symmetric(ga.expand_dims(x, 1) * x), is_symmetric(a + x)
    (True, True, False)
    """
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        return False
    return _Mirror().sign(matrix, matrix, 2, DEPTH) > 0


class _Mirror:
    """The comparison of two variables; each pair is looked at once."""

    def __init__(self) -> None:
        self.known: dict[tuple[Variable, Variable, int], int] = {}

    def sign(self, u: Variable, v: Variable, rank: int, depth: int) -> int:
        """1 if u is the mirror of v, -1 if it is that of -v, 0 if that is not known, where both
        are broadcast to `rank` axes."""
        pair = (u, v, rank)
        if pair not in self.known:
            if not depth or len(self.known) >= PAIRS:
                return 0
            self.known[pair] = self._leaf(u, v, rank) or self._made(u, v, rank, depth - 1)
        return self.known[pair]

    def _leaf(self, u: Variable, v: Variable, rank: int) -> int:
        """What has none of the two axes, constants, transposes, and one line along either axis."""
        if u.ndim == v.ndim < rank - 1:
            return int(alike(u, v))
        if isinstance(u, Constant) and isinstance(v, Constant) and u.ndim == v.ndim == rank:
            return int(np.array_equal(u.value.swapaxes(0, 1), v.value))
        if _transposed(u, v) or _transposed(v, u):
            return 1
        (first, axis), (second, other) = _line(u, rank), _line(v, rank)
        return int(first is not None and second is not None and axis != other
                   and alike(first, second))  # fmt: skip

    def _made(self, u: Variable, v: Variable, rank: int, depth: int) -> int:
        first, second = u.owner, v.owner
        if first is None or second is None or first.op != second.op or u.index != v.index:
            return 0
        name = first.op.name
        if isinstance(first.op.family, Elementwise):
            return self._elementwise(first, second, rank, depth)
        if u.ndim != rank or v.ndim != rank:
            return 0
        (a, *_), (c, *_) = first.inputs or (u,), second.inputs or (v,)
        if name == "eye":
            n, m = first.op.params["shape"]
            return int(n == m and first.op.params["k"] == 0)
        if name == "broadcast_to":
            return self.sign(a, c, rank, depth)
        if name == "sum" and len(first.inputs) == 1 and min(first.op.params["axis"]) > 1:
            return self.sign(a, c, a.ndim, depth)
        if name == "matmul" and rank == 2:
            return self._product(first, second, depth)
        return 0

    def _product(self, first: Apply, second: Apply, depth: int) -> int:
        """(a·b·c)ᵀ = cᵀ·bᵀ·aᵀ; numbers before the factors of one product change nothing."""
        one = first is second
        left, right = _factors(first, one), _factors(second, one)
        if len(left) != len(right) or not all(v.ndim == 2 for v in left + right):
            return 0
        found = 1
        for a, b in zip(left, reversed(right), strict=True):
            found = found and found * self.sign(a, b, 2, depth)
        return found

    def _elementwise(self, first: Apply, second: Apply, rank: int, depth: int) -> int:
        name, (xs, ys) = first.op.name, (first.inputs, second.inputs)
        signs = [self.sign(x, y, rank, depth) for x, y in zip(xs, ys, strict=True)]
        if name in ODD:
            return signs[0]
        if name in EVEN:
            return abs(signs[0])
        found = _joined(name, signs)
        if not found and len(xs) == 2 and (name in COMMUTATIVE or name == "subtract"):
            crossed = [self.sign(x, y, rank, depth) for x, y in zip(xs, ys[::-1], strict=True)]
            return -_joined(name, crossed) if name == "subtract" else _joined(name, crossed)
        return found


def _joined(name: str, signs: list[int]) -> int:
    """The sign of a result from those of its operands."""
    if name in ("multiply", "divide"):
        return signs[0] * signs[1]
    if name in ("add", "subtract"):
        return signs[0] if signs[0] == signs[1] else 0
    return int(all(sign > 0 for sign in signs))


def _transposed(u: Variable, v: Variable) -> bool:
    """Is u written as the transpose of v?"""
    owner = u.owner
    return (owner is not None and owner.op.name == "transpose" and v.ndim > 1
            and owner.op.params["axes"] == (1, 0, *range(2, v.ndim))
            and alike(owner.inputs[0], v))  # fmt: skip


def _line(variable: Variable, rank: int) -> tuple[Variable | None, int]:
    """(what is repeated along the other of the first two axes, along which one it lies)."""
    owner = variable.owner
    if variable.ndim == rank - 1:
        return variable, 1
    if owner is not None and owner.op.name == "expand_dims" and variable.ndim == rank:
        (new, *more) = owner.op.params["axis"]
        if new < 2 and not more:
            return owner.inputs[0], 1 - new
    return None, 0


def _factors(node: Apply, unscaled: bool) -> list[Variable]:
    """The factors of a product of matrices; `unscaled`: without the numbers before them."""
    found, waiting = [], [node.output(0)]
    while waiting:
        variable = waiting.pop()
        variable = _unscaled(variable) if unscaled else variable
        owner = variable.owner
        if owner is not None and owner.op.name == "matmul" and not owner.op.params.get("strong"):
            waiting += owner.inputs[::-1]
        else:
            found.append(variable)
    return found


def _unscaled(variable: Variable) -> Variable:
    """x of a product c·x or -x, c being one number."""
    while variable.owner is not None and variable.owner.op.name in ("multiply", "negative"):
        large = [v for v in variable.owner.inputs if v.ndim]
        if len(large) != 1 or large[0].type.shape != variable.type.shape:
            break
        variable = large[0]
    return variable
