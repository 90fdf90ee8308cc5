"""Random graphs in which bad rows hide behind masks: what strong zeros are tested by.

Inputs have rows, some of which hold zeros, negative numbers, infinities or NaN. Values whose rows
these may have spoilt are *dirty*; operations that keep rows apart leave them so, a selection
(`where`, an index) makes them *clean*, and only clean values reach the cost. The cost and all its
derivatives must be finite, and as if the bad rows held harmless numbers.

Values have one of the layouts "r" (rows,), "rc" (rows, columns), "c", "cc", "s" (a scalar), and
are near 0.5 in rows that are not bad, so that all operations are smooth there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.derivatives.checkpoint import checkpoint
from graphad.derivatives.custom import custom_vjp
from graphad.derivatives.gates import grad_clip
from graphad.derivatives.higher import elementwise_grad, jacobian
from graphad.derivatives.primitive import Primitive
from graphad.ir.families.common import weigh
from graphad.ir.op import OPS
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable

Array = np.ndarray[Any, Any]
BAD = (0.0, -0.0, -1.0, 1.0, -3.5, np.inf, -np.inf, np.nan, 1e308, -1e308, 1e-320, 5.0)
HARMLESS = 0.6
SIZES = {"r": (4,), "rc": (4, 3), "c": (3,), "cc": (3, 3), "s": ()}


def _tame(x: Any) -> Any:
    """Into (0.2, 0.8), whatever the size."""
    return 0.5 + 0.3 * np.sin(x)


def _fraction(x: Any) -> Any:
    return 0.3 + 0.4 * OPS["sigmoid"](x)


def _norm(x: Any, axis: Any = None) -> Any:
    return OPS["linalg.norm"](x, axis=axis)


def _sloped(y: Any, x: Any) -> Any:
    """A derivative inside of the cost."""
    return elementwise_grad(y, x)


def _own_slopes(y: Any, x: Any) -> Any:
    """Of each row of y, the slopes by the same row of x, added up."""
    return np.diagonal(jacobian(y, x).sum(axis=2))


@custom_vjp
def _own_root(x: Any) -> Any:
    return np.sqrt(x)


def _half(y: Any, g: Any) -> Any:
    return (weigh(g, 0.5 / y),)


def _opaque(x: Array) -> Array:
    return np.sqrt(x)


_own_root.defvjp(lambda x: (_own_root(x), _own_root(x)), _half)
_opaque_root = Primitive(_opaque, outputs=lambda x: x)
_opaque_root.defvjp(lambda ans, x: lambda g: weigh(g, 0.5 / ans))


def _matrices(x: Any) -> Any:
    """Rows as matrices, regular where the row is good."""
    return 2 * np.eye(3) + 0.3 * x[:, :, None] * x[:, None, :]


# Elementwise, on rows that are dirty: layouts stay.
RISKY: list[Callable[[Any], Any]] = [
    lambda x: np.sqrt(x), lambda x: -np.log(x), lambda x: 0.3 / x, lambda x: x**0.5,
    lambda x: 0.3 * x**-1, lambda x: x**2, lambda x: x**3.0, lambda x: x**1.5,
    lambda x: np.arcsin(x), lambda x: np.arccos(x), lambda x: np.arctanh(x), lambda x: np.exp(x),
    lambda x: np.exp(x * 300) * 1e-100, lambda x: np.log1p(-x), lambda x: np.expm1(x),
    lambda x: np.tan(x), lambda x: x / (1 - x), lambda x: np.cbrt(x), lambda x: np.arccosh(1 + x),
    lambda x: np.log(x / (1 - x)), lambda x: x * x / x, lambda x: np.cosh(x) / np.sinh(x),
    lambda x: np.abs(x), lambda x: np.square(x), lambda x: np.reciprocal(x), lambda x: np.log2(x),
    lambda x: np.sqrt(1 - x * x), lambda x: np.sin(x) / x, lambda x: np.log(np.exp(x) + 1),
    lambda x: OPS["softplus"](x), lambda x: OPS["relu"](x), lambda x: np.tanh(x / (x - x * x)),
    lambda x: OPS["where"](x > 0.1, np.log(x), 3.0 * x), lambda x: np.clip(x, 0.01, 0.99),
    lambda x: np.log(np.sqrt(x)), lambda x: 1 / np.sqrt(x), lambda x: np.exp(-1 / x),
    lambda x: OPS["sinc"](x), lambda x: OPS["i0"](x), lambda x: np.log10(x),
    lambda x: OPS["special.gammaln"](x), lambda x: OPS["special.digamma"](x),
    lambda x: OPS["special.erfinv"](x), lambda x: OPS["special.logit"](x),
    lambda x: OPS["special.ndtri"](x), lambda x: OPS["special.entr"](x),
    lambda x: OPS["special.xlogy"](x, x), lambda x: OPS["special.log1mexp"](-x),
    lambda x: OPS["special.erfcx"](5 * x), lambda x: OPS["nan_to_num"](np.log(x)),
    lambda x: checkpoint(lambda v: np.log(v) / v)(x), lambda x: _sloped(np.sqrt(x) / x, x),
    lambda x: grad_clip(np.sqrt(x), -5, 5), lambda x: _own_root(x), lambda x: _opaque_root(x),
]  # fmt: skip
# On two values of one layout, elementwise.
PAIRS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a / b,
    lambda a, b: a**b, lambda a, b: np.maximum(a, b), lambda a, b: np.minimum(a, b),
    lambda a, b: np.hypot(a, b), lambda a, b: np.arctan2(a, b), lambda a, b: np.logaddexp(a, b),
    lambda a, b: OPS["where"](a > b, a * b, a / b), lambda a, b: a * b * b, lambda a, b: b * a / a,
    lambda a, b: np.logaddexp2(a, b), lambda a, b: np.fmax(a, b), lambda a, b: np.fmin(a, b),
    lambda a, b: OPS["special.xlogy"](a, b), lambda a, b: OPS["special.rel_entr"](a, b),
    lambda a, b: OPS["special.kl_div"](a, b), lambda a, b: np.float_power(a, b),
    lambda a, b: checkpoint(lambda u, v: u**v / v)(a, b), lambda a, b: _sloped(a**b, b),
    lambda a, b: np.exp(a) / (np.exp(a) + np.exp(b)), lambda a, b: np.fmod(a, b + 1.0),
]  # fmt: skip
# Layout of the operands -> operations: (layout of the result, function); rows stay apart.
ROWS_APART: dict[tuple[str, ...], list[tuple[str, Callable[..., Any]]]] = {
    ("rc",): [
        ("r", lambda x: x.sum(axis=1)), ("r", lambda x: x.mean(axis=1)),
        ("r", lambda x: x.max(axis=1)), ("r", lambda x: x.min(axis=1)),
        ("r", lambda x: _norm(x, axis=1)), ("r", lambda x: OPS["logsumexp"](x, axis=1)),
        ("r", lambda x: x.prod(axis=1)), ("r", lambda x: x.std(axis=1)),
        ("r", lambda x: x.var(axis=1)), ("r", lambda x: np.sqrt((x * x).sum(axis=1))),
        ("r", lambda x: x[:, 1]), ("rc", lambda x: OPS["softmax"](x, axis=1)),
        ("rc", lambda x: OPS["log_softmax"](x, axis=1)), ("rc", lambda x: np.cumsum(x, axis=1)),
        ("rc", lambda x: x - x.max(axis=1, keepdims=True)), ("rc", lambda x: x[:, ::-1]),
        ("rc", lambda x: x / x.sum(axis=1, keepdims=True)),
        ("rc", lambda x: np.roll(x, 1, axis=1)),
        ("rc", lambda x: x.ravel().reshape(x.shape)), ("rc", lambda x: x[:, np.array([2, 0, 0])]),
        ("rc", lambda x: np.concatenate([x[:, 1:], x[:, :1] * x[:, 1:2]], axis=1)),
        ("rc", lambda x: np.sort(x, axis=1)), ("rc", lambda x: np.cumprod(x, axis=1)),
        ("r", lambda x: np.median(x, axis=1)), ("r", lambda x: np.quantile(x, 0.3, axis=1)),
        ("r", lambda x: np.nansum(x, axis=1)), ("r", lambda x: np.nanmean(x, axis=1)),
        ("r", lambda x: np.nanmax(x, axis=1)), ("r", lambda x: np.ptp(x, axis=1)),
        ("r", lambda x: np.trapezoid(x, axis=1)), ("r", lambda x: np.average(x, axis=1)),
        ("rc", lambda x: np.gradient(x, axis=1)), ("rc", lambda x: np.fft.fft(x, axis=1).real),
        ("rc", lambda x: np.abs(np.fft.fft(x, axis=1))), ("rc", lambda x: np.tril(x[:, :3])),
        ("r", lambda x: OPS["linalg.vector_norm"](x, axis=1, ord=3)),
        ("r", lambda x: OPS["linalg.vector_norm"](x, axis=1, ord=1)),
        ("r", lambda x: OPS["linalg.vector_norm"](x, axis=1, ord=np.inf)),
        ("rc", lambda x: OPS["cummax"](x, axis=1)), ("r", lambda x: OPS["logprod"](x, axis=1)),
        ("rc", lambda x: OPS["take_along_axis"](x, np.argsort(x, axis=1), axis=1)),
        ("rc", lambda x: OPS["nn.layer_norm"](x)), ("rc", lambda x: OPS["nn.rms_norm"](x)),
        ("rc", lambda x: np.linalg.inv(_matrices(x))[:, 0]),
        ("rc", lambda x: np.linalg.solve(_matrices(x), x[:, :, None])[:, :, 0]),
        ("rc", lambda x: checkpoint(lambda v: np.log(v) / v.sum(axis=1, keepdims=True))(x)),
        ("r", lambda x: _own_slopes(np.log(x).sum(axis=1) * x.sum(axis=1), x)),
        ("rc", lambda x: np.einsum("rc,rd->rd", x, x)),
    ],
    ("r",): [
        ("rc", lambda x: np.stack([x, x * x, 0.5 * x], axis=1)),
        ("rc", lambda x: np.broadcast_to(x[:, None], (x.shape[0], 3))),
    ],
    ("r", "c"): [("rc", lambda x, c: np.outer(x, c)), ("rc", lambda x, c: x[:, None] * c),
                 ("rc", lambda x, c: c / x[:, None]), ("rc", lambda x, c: x[:, None] ** c)],
    ("rc", "c"): [("r", lambda x, c: x @ c), ("rc", lambda x, c: x * c),
                  ("rc", lambda x, c: c / x),
                  ("r", lambda x, c: np.einsum("rc,c->r", x, c)),
                  ("r", lambda x, c: np.tensordot(x, c, axes=1))],
    ("rc", "cc"): [("rc", lambda x, w: x @ w), ("rc", lambda x, w: np.dot(x, w.T)),
                   ("rc", lambda x, w: np.tanh(x @ w) @ w), ("rc", lambda x, w: (w @ x.T).T),
                   ("rc", lambda x, w: np.einsum("rc,dc->rd", x, w))],
    ("rc", "rc"): [("r", lambda a, b: (a * b).sum(axis=1)),
                   ("r", lambda a, b: np.einsum("rc,rc->r", a, b)),
                   ("r", lambda a, b: np.matmul(a[:, None, :], b[:, :, None])[:, 0, 0])],
    ("r", "s"): [("r", lambda x, s: x * s), ("r", lambda x, s: s / x), ("r", lambda x, s: x**s),
                 ("r", lambda x, s: np.where(x > s, x, s * x))],
    ("rc", "r"): [("rc", lambda x, r: x * r[:, None]), ("rc", lambda x, r: x / r[:, None]),
                  ("rc", lambda x, r: np.where(r[:, None] > 0.3, x, x * x))],
}  # fmt: skip
# On clean values: rows may meet.
MIXING: dict[tuple[str, ...], list[tuple[str, Callable[..., Any]]]] = {
    ("r",): [("s", lambda x: x.sum()), ("s", lambda x: x.mean()), ("s", lambda x: x @ x),
             ("s", lambda x: x.max()), ("s", lambda x: x.prod()), ("s", lambda x: x.std()),
             ("s", lambda x: OPS["logsumexp"](x)), ("s", lambda x: _norm(x + 0.1)),
             ("r", lambda x: np.cumsum(x)), ("r", lambda x: np.sin(x)), ("r", lambda x: x[::-1]),
             ("r", lambda x: OPS["softmax"](x)), ("r", lambda x: x * x)],
    ("rc",): [("c", lambda x: x.sum(axis=0)), ("c", lambda x: x.mean(axis=0)),
              ("s", lambda x: x.sum()), ("cc", lambda x: x.T @ x), ("s", lambda x: _norm(x + 0.1)),
              ("c", lambda x: x.max(axis=0)), ("c", lambda x: x.prod(axis=0)),
              ("c", lambda x: x[0]),
              ("rc", lambda x: np.tanh(x)), ("s", lambda x: x.var()),
              ("c", lambda x: OPS["logsumexp"](x, axis=0))],
    ("cc",): [("c", lambda x: x.sum(axis=1)), ("cc", lambda x: x @ x.T), ("s", lambda x: x.sum()),
              ("s", lambda x: np.trace(x)),
             ("cc", lambda x: np.linalg.inv(3 * np.eye(3) + 0.1 * x)),
              ("s", lambda x: np.linalg.det(2 * np.eye(3) + 0.1 * x))],
    ("c",): [("s", lambda x: x.sum()), ("c", lambda x: np.exp(x)), ("s", lambda x: x.prod()),
             ("cc", lambda x: np.outer(x, x))],
    ("cc", "c"): [("c", lambda w, c: w @ c),
                  ("c", lambda w, c: np.linalg.solve(3 * np.eye(3) + 0.1 * w, c))],
    ("r", "rc"): [("c", lambda r, x: r @ x)],
    ("r", "r"): [("s", lambda a, b: a @ b), ("r", lambda a, b: a * b),
                 ("r", lambda a, b: a / (b * b + 1))],
    ("c", "c"): [("s", lambda a, b: a @ b), ("c", lambda a, b: a * b)],
    ("rc", "rc"): [("cc", lambda a, b: a.T @ b), ("rc", lambda a, b: a * b)],
}  # fmt: skip
# From a dirty value, a mask of its rows, and the places where that is true.
SELECTIONS: dict[str, list[tuple[str, Callable[..., Any]]]] = {
    "r": [
        ("r", lambda x, m, i: np.where(m, x, 0.0)), ("r", lambda x, m, i: np.where(~m, 0.3, x)),
        ("r", lambda x, m, i: np.where(m, np.where(m, x, 7.0), np.float64(0.5))),
        ("r", lambda x, m, i: np.where(m, np.sqrt(np.where(m, x, 1.0)), 1.0)),
        ("s", lambda x, m, i: x[i].sum()), ("s", lambda x, m, i: x[m].prod()),
        ("s", lambda x, m, i: x[i] @ x[i]), ("s", lambda x, m, i: np.take(x, i).mean()),
        ("s", lambda x, m, i: np.where(m, x, 0.0).sum()),
        ("s", lambda x, m, i: np.where(m, x, -np.inf).max()),
        ("s", lambda x, m, i: OPS["logsumexp"](np.where(m, x, -np.inf))),
    ],
    "rc": [
        ("rc", lambda x, m, i: np.where(m[:, None], x, 0.0)),
        ("rc", lambda x, m, i: np.where(m[:, None], x, 0.4)),
        ("rc", lambda x, m, i: np.where(~m[:, None], 0.2, np.exp(x))),
        ("c", lambda x, m, i: x[i].sum(axis=0)), ("c", lambda x, m, i: x[m].mean(axis=0)),
        ("c", lambda x, m, i: np.where(m[:, None], x, 0.0).sum(axis=0)),
        ("s", lambda x, m, i: np.take(x, i, axis=0).sum()), ("c", lambda x, m, i: x[i][0]),
        ("cc", lambda x, m, i: x[i].T @ x[i]),
    ],
}  # fmt: skip


class MaskedProgram:
    """A scalar `cost` of `inputs`, with `good` and `bad` arrays for these; a function of its seed.

    >>> program = MaskedProgram(7)
    >>> program.cost.ndim, len(program.good) == len(program.bad) == len(program.inputs)
    (0, True)
    """

    def __init__(self, seed: int, steps: int = 10, sizes: str = "static") -> None:
        self.rng, self.sizes = np.random.default_rng(seed), sizes
        self.inputs: list[Variable] = []
        self.good: list[Array] = []
        self.bad: list[Array] = []
        self.lines: list[str] = []
        self.rows = self.rng.permutation([True, True, False, self.rng.random() < 0.5])
        self.mask = self._input(self.rows, self.rows, "mask")
        places = np.flatnonzero(self.rows)
        self.places = self._input(places, places, "places")
        self.dirty: list[tuple[str, Variable]] = []
        self.clean: list[tuple[str, Variable]] = []
        for layout in ("r", "r", "rc"):
            self.dirty.append((layout, self._spoilt(layout)))
        for layout in SIZES:
            array = self.rng.uniform(0.3, 0.7, size=SIZES[layout])
            self.clean.append((layout, self._input(array, array, layout)))
        self.first = len(self.clean)
        for _ in range(steps):
            self._step()
        while len(self.clean) < self.first + 2:
            self._select()
        self.cost: Variable = sum(np.mean(np.cos(v * 2)) for _, v in self.clean[self.first :])

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    @property
    def wrt(self) -> list[Variable]:
        """The inputs that are floats."""
        return [v for v in self.inputs if v.dtype.kind == "f"]

    # -- inputs --------------------------------------------------------------------------------
    def _input(self, good: Array, bad: Array, label: str) -> Variable:
        shape = good.shape if self.sizes == "static" else (None,) * good.ndim
        variable = Variable(TensorType(good.dtype, shape), name=f"{label}{len(self.inputs)}")
        self.inputs.append(variable)
        self.good.append(good)
        self.bad.append(bad)
        return variable

    def _spoilt(self, layout: str) -> Variable:
        good = self.rng.uniform(0.3, 0.7, size=SIZES[layout])
        good[~self.rows] = HARMLESS + 0.01 * np.arange(good[~self.rows].size).reshape(
            good[~self.rows].shape
        )
        bad = good.copy()
        bad[~self.rows] = self.rng.choice(BAD, size=bad[~self.rows].shape)
        return self._input(good, bad, layout)

    # -- steps ---------------------------------------------------------------------------------
    def _pick(self, values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def _take(self, values: list[tuple[str, Variable]], layout: str) -> Variable:
        """One of the latest values of a layout."""
        found: Variable = self._pick([v for kind, v in values if kind == layout][-3:])
        return found

    def _step(self) -> None:
        kind = self.rng.random()
        if kind < 0.3:
            layout, x = self._pick(self.dirty[-3:])
            self._add(self.dirty, layout, self._pick(RISKY)(x), "risky")
        elif kind < 0.45:
            layout, x = self._pick(self.dirty[-3:])
            other = self._take(self.dirty if self.rng.random() < 0.5 else self.clean, layout)
            pair = [x, other] if self.rng.random() < 0.5 else [other, x]
            self._add(self.dirty, layout, self._pick(PAIRS)(*pair), "pair")
        elif kind < 0.7:
            self._table(ROWS_APART, self.dirty)
        elif kind < 0.85:
            self._select()
        else:
            self._table(MIXING, self.clean)

    def _table(self, table: dict, values: list[tuple[str, Variable]]) -> None:
        """An operation on a value, and on clean ones of the other layouts that it takes."""
        known = {layout for layout, _ in values}
        layouts = self._pick([key for key in table if key[0] in known])
        layout, function = self._pick(table[layouts])
        operands = [self._take(values, layouts[0])]
        operands += [self._take(self.clean, other) for other in layouts[1:]]
        self._add(values, layout, function(*operands), " ".join(layouts))

    def _select(self) -> None:
        layout, x = self._pick(self.dirty[-3:])
        found, function = self._pick(SELECTIONS[layout])
        self._add(self.clean, found, function(x, self.mask, self.places), f"select {layout}")

    def _add(
        self, values: list[tuple[str, Variable]], layout: str, made: Variable, how: str
    ) -> None:
        tamed = self._pick([_tame, _tame, _fraction])(made)
        values.append((layout, tamed))
        used = made.owner.op.name if made.owner is not None else ""
        self.lines.append(f"{how}: {used} -> {layout}")
