"""Matrix products of all steps at once, before or after the loop.

    x_t @ W,  x_t a row of a sequence     →  X @ W before the loop, its rows inside
    sum over t of A_t @ B_t               →  one product of the stacked A and B after the loop
    sum over t of a_t ⊗ b_t               →  the same for outer products; strong zeros stay strong
    sum over t of sums of A_t             →  one sum, where A is stacked anyway
    a stacked A_t @ W that no step reads  →  A is stacked, and multiplied after the loop
    sum over t of f(x_t)                  →  the sum of what is stacked, where f reads no carry
    stacked numbers that no step reads    →  computed on whole arrays, see `loopmaps`

The sums are those of gradients by weights. Each is worth the memory of what is stacked: rows of
the sizes of the factors, instead of a matrix that is added up at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from graphad.ir import walk
from graphad.ir.families.inner import InnerFamily
from graphad.ir.families.stacks import spread
from graphad.ir.graph import replace
from graphad.ir.hooks import hooks
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, apply
from graphad.rewrite.loopmaps import maps_after
from graphad.rewrite.loopparts import Parts

ROOM = 16  # values of a step may take so many times the bytes of its rows and results
WIDER = 8  # a product with rows may be so many times as large as the rows
Stack = Callable[[Variable], Variable]
Later = Callable[[Stack], Variable]


def rows_first(parts: Parts) -> Parts:
    """Products of rows with captured matrices become rows of one product."""
    if parts.layout.until:
        return parts
    rows, fixed = dict(parts.rows), dict(parts.captured)
    found: dict[Variable, tuple[Variable, Variable]] = {}
    for node in _nodes(parts):
        if node.op.name != "matmul":
            continue
        x, w = node.inputs
        if x not in rows or w not in fixed or w.ndim != 2 or not 1 <= x.ndim <= 2:
            continue
        deep, wide = w.type.shape
        if isinstance(deep, int) and isinstance(wide, int) and wide <= WIDER * deep:
            found[node.output(0)] = rows[x], fixed[w]
    if not found:
        return parts
    made = {}
    for old, (x, w) in found.items():
        row = Variable(old.type)
        made[old] = row
        parts = parts._replace(rows=(*parts.rows, (row, _all_rows(x, w))))
    return parts.with_outputs(replace(parts.outputs, made))


def _all_rows(x: Variable, w: Variable) -> Variable:
    """x (n, k) or (n, m, k) times w (k, l), as one product of matrices."""
    if x.ndim == 2:
        product: Variable = OPS["matmul"](x, w)
        return product
    n, m, k = x.shape
    flat = OPS["matmul"](OPS["reshape"](x, (n * m, k)), w)
    found: Variable = OPS["reshape"](flat, (n, m, w.shape[1]))
    return found


def _multiplied(x: Variable, w: Variable) -> Later:
    return lambda stack: _all_rows(stack(x), w)


class Sums:
    """What of a scan is added up after it: `later` gives carries, `products` stacked results,
    once the stacks of `wanted` variables are known. `read`: carries and results that are used."""

    def __init__(self, parts: Parts, read: Collection[Variable]) -> None:
        self.parts, self.read = parts, read
        self.rows = {} if parts.layout.until else dict(parts.rows)
        self.steps = {v for v, _, _ in parts.carries} | {v for v, _ in parts.rows}
        self.wanted: dict[Variable, None] = {}
        self.later: dict[Variable, Later] = {}
        self.products: dict[Variable, Later] = {}
        if parts.layout.keep != "all":
            return
        uses: dict[Variable, int] = {}
        for node in _nodes(parts):
            for v in node.inputs:
                uses[v] = uses.get(v, 0) + 1
        for v in parts.outputs:
            uses[v] = uses.get(v, 0) + 1
        self.uses = uses
        carries = [c for c in parts.carries if c[0] in read]
        totals = [(c, t) for c in carries if (t := self._added(*c)) is not None]
        for carry, term in totals:
            self._sum_of_products(carry, term)
        for carry, term in totals:
            self._sum_of_sums(carry, term)
        for carry, term in totals:
            self._sum_of_terms(carry, term)
        self._stacked_products()
        maps, needed = maps_after(parts, read, self.products, self.wanted)
        self.products |= maps
        self._want(*needed)

    def _added(self, v: Variable, start: Variable, new: Variable) -> Variable | None:
        """t, if the carry is only added up: v + t, where nothing else reads either."""
        node = new.owner
        if node is None or node.op.name != "add" or self.uses.get(v) != 1 or self.uses[new] != 1:
            return None
        first, second = node.inputs
        term = second if first is v else first if second is v else None
        return None if term is None or term.type is not v.type else term

    def _sum_of_products(self, carry: Any, term: Variable) -> None:
        factors = self._factors(term)
        if factors is None:
            return
        (a, along), (b, down), strong = factors
        if not all(self._can_stack(u) for u in (a, b)):
            return
        self._want(a, b)
        axes = ((0, *[i + 1 for i in along]), (0, *[i + 1 for i in down]))
        start = carry[1]
        self.later[carry[0]] = lambda stack: start + _contracted(stack(a), stack(b), axes, strong)

    def _factors(self, term: Variable) -> Any:
        """((a, its axes that are summed), (b, its axes), the sides with strong zeros)."""
        node = term.owner
        if node is None:
            return None
        if node.op.name == "matmul" and all([v.ndim == 2 for v in node.inputs]):
            (a, a_turned), (b, b_turned) = (_untransposed(v) for v in node.inputs)
            strong = node.op.params.get("strong", ())
            return (a, (0 if a_turned else 1,)), (b, (1 if b_turned else 0,)), strong
        if node.op.name in ("multiply", "strong_multiply") and term.ndim == 2:
            sides = (0,) if node.op.name == "strong_multiply" else ()
            for turned in (False, True):
                a, b = node.inputs[::-1] if turned else node.inputs
                column = _column(a)
                if column is not None and b.ndim == 1 and b.type.shape[0] == term.type.shape[1]:
                    return (column, ()), (b, ()), tuple([1 - k if turned else k for k in sides])
        return None

    def _sum_of_sums(self, carry: Any, term: Variable) -> None:
        node = term.owner
        if node is None or node.op.name != "sum" or node.op.params.get("keepdims"):
            return
        (x,), axes = node.inputs, node.op.params["axis"]
        if x not in self.wanted and x not in self.rows:
            return
        start, over = carry[1], (0, *[a + 1 for a in axes])
        self.later[carry[0]] = lambda stack: start + OPS["sum"](stack(x), axis=over)

    def _sum_of_terms(self, carry: Any, term: Variable) -> None:
        """Terms no larger than the rows, that do not depend on carries."""
        if carry[0] in self.later or not self._can_stack(term):
            return
        leaves = walk.leaves([term], frozenset(self.parts.inputs))
        rows, carries = dict(self.parts.rows), {v for v, _, _ in self.parts.carries}
        of_rows = [v for v in leaves if v in rows]
        if not carries.isdisjoint(leaves):
            return
        if any([_no_larger(term, v) for v in of_rows]):
            self._want(term)
            start = carry[1]
            self.later[carry[0]] = lambda stack: start + OPS["sum"](stack(term), axis=0)

    def _stacked_products(self) -> None:
        fixed = dict(self.parts.captured)
        for y in self.parts.stacked:
            node = y.owner
            if y not in self.read or node is None or node.op.name != "matmul":
                continue
            if self.uses[y] != 1:
                continue
            x, w = node.inputs
            if w in fixed and w.ndim == 2 and 1 <= x.ndim <= 2 and self._can_stack(x):
                known = x in self.wanted or x in self.rows
                if known or _no_larger(x, y):
                    self._want(x)
                    self.products[y] = _multiplied(x, fixed[w])

    def _can_stack(self, u: Variable) -> bool:
        return u in self.rows or (u.owner is not None and u not in dict(self.parts.captured)) or (
            u in self.steps
        )  # fmt: skip

    def _want(self, *variables: Variable) -> None:
        self.wanted |= {u: None for u in variables if u not in self.rows}


# ---- all steps at once -----------------------------------------------------------------------
def in_one(parts: Parts) -> list[Variable] | None:
    """The stacked results of a loop without carries, computed for all rows at once; None where an
    op has no rule for that, or would need much more memory than the rows and results have."""
    if parts.carries or parts.layout.until or not parts.rows or not parts.stacked:
        return None
    if any([operand.type.shape[0] != parts.layout.count for _, operand in parts.rows]):
        return None  # lengths that have to be compared when the program runs
    nodes = _nodes(parts)
    if any(
        [node.op.family.is_effect or isinstance(node.op.family, InnerFamily) for node in nodes]
    ):
        return None
    made = [v for node in nodes for v in node.outputs]
    given = [v for v, _ in parts.rows]
    if not all([v.type.is_static for v in (*made, *given)]):
        return None
    least = sum([v.type.nbytes() for v in (*given, *parts.stacked)])
    if sum([v.type.nbytes() for v in made]) > ROOM * least:
        return None
    stacking = hooks.load("batching.stacking")  # few loops come to this
    try:
        found = stacking.batch(parts.stacked, dict((*parts.rows, *parts.captured)), rows=False)
    except stacking.NoRule:
        return None
    rows = parts.rows[0][1].shape[0]
    return [new if new.ndim > old.ndim else spread(new, rows)
            for new, old in zip(found, parts.stacked, strict=True)]  # fmt: skip


def _nodes(parts: Parts) -> Any:
    return parts.body().nodes


def _contracted(a: Variable, b: Variable, axes: Any, strong: tuple[int, ...]) -> Variable:
    """The sum over axes of a and of b, in which zeros of the strong sides count as zeros."""
    if not strong:
        found: Variable = OPS["tensordot"](a, b, axes)
        return found
    kept = [
        [i for i in range(v.ndim) if i not in own] for v, own in zip((a, b), axes, strict=True)
    ]
    left = OPS["transpose"](a, (*kept[0], *axes[0]))  # (m, steps, …)
    right = OPS["transpose"](b, (*axes[1], *kept[1]))  # (steps, …, n)
    if len(axes[0]) > 1:
        left = OPS["reshape"](left, (left.shape[0], -1))
        right = OPS["reshape"](right, (-1, right.shape[-1]))
    product: Variable = apply(OPS.families["matmul"].op(strong=strong), (left, right))  # type: ignore[attr-defined]
    return product


def _untransposed(v: Variable) -> tuple[Variable, bool]:
    node = v.owner
    if node is not None and node.op.name == "transpose" and node.op.params["axes"] == (1, 0):
        return node.inputs[0], True
    return v, False


def _column(v: Variable) -> Variable | None:
    """u, if v is u[:, None]."""
    node = v.owner
    if node is None or v.ndim != 2 or node.inputs[0].ndim != 1 or v.type.shape[1] != 1:
        return None
    if node.op.name == "expand_dims" and node.op.params["axis"] == (1,):
        return node.inputs[0]
    if node.op.name == "getitem" and len(node.inputs) == 1 and v.type.shape[0] == (
        node.inputs[0].type.shape[0]
    ):  # fmt: skip
        return node.inputs[0] if _keeps_order(node.op.params["index"]) else None
    return None


def _keeps_order(index: Any) -> bool:
    """x[:, None]: everything, with a new axis."""
    whole = ("slice", None, None, None)
    return len(index) == 2 and index[0] == whole and index[1] == ("new",)


def _no_larger(x: Variable, y: Variable) -> bool:
    a, b = x.type.size, y.type.size
    return isinstance(a, int) and isinstance(b, int) and a <= b
