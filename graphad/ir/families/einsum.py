"""The product of two arrays whose axes are named by letters: one step of an Einstein sum.

Each letter of an operand occurs in the other operand or in the result; letters that are not in
the result are summed over. Then the derivative by an operand is such a product as well:
c = ab→out gives ā = (c̄, b)→a and b̄ = (c̄, a)→b.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import Declared, add_up, clash, fit, strong_sides
from graphad.ir.op import OPS
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Apply, Variable, apply


class PairProduct(Declared):
    """A product of two arrays, linear in each.

    Parameters: left, right, out (letters of the axes), and strong: the operands in which a zero
    counts as zero even against an infinity or NaN of the other (see `Contraction`).
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        a, b = types
        sizes: dict[str, Size] = {}
        letters = (params["left"], params["right"])
        for letter in params["out"] + "".join(letters):
            sizes[letter] = joint(letters, (a.shape, b.shape), letter)
        dtype = np.result_type(a.dtype, b.dtype)
        return (TensorType(dtype, [sizes[letter] for letter in params["out"]]),)

    def flops(self, node: Apply) -> Size:
        params, shapes = node.op.params, [v.type.shape for v in node.inputs]
        letters = (params["left"], params["right"])
        total: Size = 2
        for letter in dict.fromkeys("".join(letters)):
            total *= joint(letters, shapes, letter)
        return total

    def joins(self, node: Apply) -> Sequence[Sequence[Shape]]:
        a, b = [
            dict(zip(node.op.params[side], v.type.shape, strict=True))
            for side, v in zip(("left", "right"), node.inputs, strict=True)
        ]
        return [[(a[letter],), (b[letter],)] for letter in a.keys() & b.keys()]

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        a, b = arrays
        letters = (params["left"], params["right"], params["out"])
        plain = pair_product(xp, a, b, *letters)
        strong = params.get("strong", ())
        if not strong or not xp.isnan(plain).any():
            return plain
        good_a, good_b = xp.isfinite(a), xp.isfinite(b)
        met_a = a != 0 if 0 in strong else xp.ones_like(good_a)
        met_b = b != 0 if 1 in strong else xp.ones_like(good_b)
        bad_a, bad_b = xp.logical_not(good_a), xp.logical_not(good_b)
        hits = pair_product(xp, met_a.astype(float), bad_b.astype(float), *letters)
        hits += pair_product(xp, bad_a.astype(float), met_b.astype(float), *letters)
        cleaned = xp.where(good_a, a, xp.zeros_like(a)), xp.where(good_b, b, xp.zeros_like(b))
        return xp.where(hits > 0, plain, pair_product(xp, *cleaned, *letters))

    def times(
        self, moving: Variable, other: Variable, letters: Sequence[str], kept: bool, place: int = 0
    ) -> Variable:
        """The product of a cotangent or tangent, operand number `place`, with the other operand.

        letters: of `moving`, of `other`, of the result. kept: see `Contraction.times`.
        """
        sides = zip((place, 1 - place), strong_sides(moving, other, kept), strict=True)
        strong = tuple(sorted([side for side, needed in sides if needed]))
        left, right = (letters[1], letters[0]) if place else (letters[0], letters[1])
        pair = (other, moving) if place else (moving, other)
        extra: dict[str, Any] = {"strong": strong} if strong else {}
        return apply(self.op(left=left, right=right, out=letters[2], **extra), pair)

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        g = cotangents[0]
        if g is None:
            return [None, None]
        params, strong = node.op.params, node.op.params.get("strong", ())
        letters = (params["left"], params["right"])
        received: list[Variable | None] = []
        for mine, need in enumerate(wanted):
            if not need:
                received.append(None)
                continue
            operand, other = node.inputs[mine], node.inputs[1 - mine]
            other = stretched(other, letters[1 - mine], operand, letters[mine], params["out"])
            names = (params["out"], letters[1 - mine], letters[mine])
            received.append(fit(self.times(g, other, names, 1 - mine in strong), operand))
        return received

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        params, strong = node.op.params, node.op.params.get("strong", ())
        letters = (params["left"], params["right"])
        terms: list[Variable | None] = []
        for mine, tangent in enumerate(tangents):
            if tangent is not None:
                names = (letters[mine], letters[1 - mine], params["out"])
                kept = 1 - mine in strong
                terms.append(self.times(tangent, node.inputs[1 - mine], names, kept, mine))
        return [add_up(terms)]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        params = dict(node.op.params)
        used = params["left"] + params["right"] + params["out"]
        rows = next(c for c in string.ascii_letters if c not in used)
        for name, needed in (("left", batched[0]), ("right", batched[1]), ("out", True)):
            params[name] = rows + params[name] if needed else params[name]
        return [apply(self.op(**params), tuple(operands))]

    def label(self, params: Mapping[str, Any]) -> str:
        extra = f", strong={params['strong']}" if "strong" in params else ""
        return f"{self.name}({params['left']},{params['right']}->{params['out']}{extra})"


def joint(letters: Sequence[str], shapes: Sequence[Sequence[Size]], letter: str) -> Size:
    """The size of a letter that names axes of several operands; ShapeError where they clash."""
    found: Size = 1
    source = (0, 0)
    for operand, names in enumerate(letters):
        for axis, name in enumerate(names):
            if name != letter:
                continue
            size = shapes[operand][axis]
            both = joint_size(found, size)
            if both is None:
                label = f"einsum, letter {letter!r} of {','.join(letters)!r}"
                raise clash(label, [tuple(s) for s in shapes],
                            (found, *source), (size, operand, axis))  # fmt: skip
            if both != found:
                source = (operand, axis)
            found = both
    return found


def stretched(other: Variable, others: str, operand: Variable, mine: str, out: str) -> Variable:
    """`other`, along summed axes as long as the operand is, where it may turn out to be 1."""
    for axis, letter in enumerate(others):
        if letter in out or letter not in mine:
            continue
        place = mine.index(letter)
        if operand.type.shape[place] != other.type.shape[axis]:
            one = OPS["ones"]((operand.shape[place],), dtype=other.dtype)
            rest = tuple(range(1, other.ndim - axis))
            other = other * (OPS["expand_dims"](one, rest) if rest else one)
    return other


# ---- the value -------------------------------------------------------------------------------
def pair_product(xp: Any, a: Any, b: Any, left: str, right: str, out: str) -> Any:
    """The product by ``xp.matmul``: (batch, rows, summed) times (batch, summed, columns)."""
    batch = [x for x in out if x in left and x in right]
    summed = [x for x in left if x in right and x not in out]
    rows = [x for x in out if x not in right]
    columns = [x for x in out if x not in left]
    size_a, size_b = dict(zip(left, a.shape, strict=True)), dict(zip(right, b.shape, strict=True))
    if any([size_a[x] != size_b[x] for x in summed]):  # one of them is 1, or it is an error
        return xp.einsum(f"{left},{right}->{out}", a, b)
    if not summed:
        return xp.multiply(_placed(xp, a, left, out), _placed(xp, b, right, out))
    first = _grouped(xp, a, left, batch, rows, summed)
    second = _grouped(xp, b, right, batch, summed, columns)
    product = xp.matmul(first, second)
    empty = [len(batch) + i for i, group in enumerate((rows, columns)) if not group]
    if max(len(rows), len(columns)) > 1:
        shared = [size_b[x] if size_a[x] == 1 else size_a[x] for x in batch]
        kept = [size_a[x] for x in rows] + [size_b[x] for x in columns]
        product = xp.reshape(product, (*shared, *kept))
    elif empty:
        product = xp.squeeze(product, axis=tuple(empty))
    return _moved(xp, product, [*batch, *rows, *columns], list(out))


def _moved(xp: Any, x: Any, given: list[str], wanted: list[str]) -> Any:
    """The axes in the order of `wanted`."""
    if given == wanted:
        return x
    return xp.transpose(x, tuple([given.index(letter) for letter in wanted]))


def _placed(xp: Any, x: Any, letters: str, out: str) -> Any:
    """The axes in the order of `out`, with axes of size 1 for letters that are missing."""
    x = _moved(xp, x, list(letters), [c for c in out if c in letters])
    missing = tuple([i for i, c in enumerate(out) if c not in letters])
    return xp.expand_dims(x, missing) if missing else x


def _grouped(
    xp: Any, x: Any, letters: str, batch: list[str], first: list[str], second: list[str]
) -> Any:
    """Axes (…batch, first, second): each of the two groups joined into one axis."""
    size = dict(zip(letters, x.shape, strict=True))
    x = _moved(xp, x, list(letters), [*batch, *first, *second])
    groups = (first, second)
    if max(map(len, groups)) > 1:
        joined = [math.prod([size[c] for c in group]) for group in groups]
        return xp.reshape(x, (*[size[c] for c in batch], *joined))
    empty = tuple([len(batch) + i for i, group in enumerate(groups) if not group])
    return xp.expand_dims(x, empty) if empty else x
