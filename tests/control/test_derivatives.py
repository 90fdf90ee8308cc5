"""Derivatives of loops and branches: construct × mode × order × backend.

Each program is written once, against a namespace of loops and branches: that of `graphad`, or the
one that makes the same steps in plain Python. Both modes, and the four ways to combine them to
second order, are compared element by element with those of the unrolled graph on the interpreter,
and with finite differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from unrolled import Unrolled

import graphad as ga
from graphad.testing import check_grads, interpret
from graphad.testing.gradients import Runner

BACKENDS = ("interpreter", "numpy", "llvm", "auto")
LENGTHS = (0, 1, 4)
RNG = np.random.default_rng(0)
W, H, XS = RNG.normal(size=(3, 3)) / 2, RNG.normal(size=3), RNG.normal(size=(4, 3))
GIVEN = {"w": W, "h": H, "xs": XS}


def runner(backend: str) -> Runner:
    if backend == "interpreter":
        return interpret
    return lambda inputs, outputs: ga.function(
        list(inputs), list(outputs), backend=backend, unused="ignore"
    )


# ---- programs of the namespace L, a matrix w (3, 3), a vector h (3,), rows xs (n, 3) -----------
def cell(w: Any) -> Any:
    return lambda h, x: (ga.tanh(w @ h + x), (h * x).sum())


def scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs)


def backwards(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs, reverse=True)


def of_length(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(lambda c, _: (ga.sin(w @ c), c * c), h, length=xs.shape[0])


def containers(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(carry: Any, x: Any) -> Any:
        new = {"h": ga.tanh(w @ carry["h"] + x["a"]), "n": [carry["n"][0] * x["b"].sum()]}
        return new, (carry["h"], None, {"s": new["n"][0]})

    carry, (before, _, more) = L.scan(body, {"h": h, "n": [h[0]]}, {"a": xs, "b": xs * 2})
    return carry, before, more


def integers(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        i, v = c
        return (i + 1, ga.sin(v * w[i % 3]) + x * i), v[i % 3] * x

    return L.scan(body, (np.int64(0), h), xs)[0][1], L.scan(body, (np.int64(1), h), xs)[1]


def taps(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        before, third = c["h"]
        new = ga.sin(before * x.sum()) + 0.5 * third * c["v"][0]
        return {"h": new, "v": ga.tanh(w @ c["v"])}, new

    return L.scan(body, {"h": h, "v": h}, xs, taps={"h": (-1, -3)})


def until(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs, until=lambda c, y: abs(y) > 0.4)


def until_backwards(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs, reverse=True, until=lambda c, y: abs(y) > 0.4)


def until_never(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs, until=lambda c, y: abs(y) > 1e9)


def until_taps(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        return {"h": ga.tanh(w @ c["h"][0] + x * c["h"][1])}, c["h"][1]

    start = {"h": ga.stack([h, ga.sin(h)])}
    return L.scan(body, start, xs, taps={"h": (-1, -2)}, until=lambda c, y: c["h"][0] > 0.5)


def while_loop(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.while_loop(lambda c: (c * c).sum() > 0.3, lambda c: ga.tanh(w @ c) * 0.8 + 0.1, h)


def newton(L: Any, w: Any, h: Any, xs: Any) -> Any:
    a = abs(h[0]) + 1
    return L.while_loop(lambda r: abs(r**3 - a) > 1e-12, lambda r: r - (r**3 - a) / (3 * r * r), a)


def counted_while(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any) -> Any:
        return {"i": c["i"] + 1, "x": ga.sin(w @ c["x"]) + c["i"] * h}

    return L.while_loop(lambda c: c["i"] < xs.shape[0], body, {"i": np.int64(0), "x": h},
                        max_steps=9)["x"]  # fmt: skip


def fori_loop(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.fori_loop(1, 4, lambda i, c: ga.sin(w @ c) * i + h, h)


def fori_at_run_time(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.fori_loop(0, xs.shape[0], lambda i, c: ga.sin(w @ c) + xs[i] * i, h)


def cond(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def left(v: Any) -> Any:
        return {"a": ga.sin(v["w"] @ h), "b": [v["h"] ** 2]}

    def right(v: Any) -> Any:
        return {"a": v["h"] * 2.0, "b": [ga.exp(v["h"]) * v["w"].sum()]}

    given = {"w": w, "h": h}
    return [L.cond(p, left, right, given) for p in (h[0] > 0, h[0] <= 0)]


def switch(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def chosen(i: int) -> Any:
        k = (h[0] > 9).astype("int64") + i
        inner = lambda v: L.cond(v[0] > w[0, 0], ga.exp, ga.cos, v)  # noqa: E731
        return L.switch(k, [ga.sin, lambda v: w @ v**3, inner], h)

    return [chosen(0), chosen(1), chosen(2)]


def scan_in_scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def outer(c: Any, x: Any) -> Any:
        inner, ys = L.scan(lambda d, e: (ga.tanh(d * e + w[0, 0] * x[0]), d * x[1]), c[0], x)
        return ga.stack([inner, c[0], c[1]]), ys

    return L.scan(outer, h, xs)


def scan_in_scan_in_scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def inmost(c: Any, v: Any) -> Any:
        return ga.sin(c * v), c

    def middle(c: Any, row: Any) -> Any:
        return L.scan(inmost, c, row, reverse=True)

    def outer(c: Any, x: Any) -> Any:
        last, ys = L.scan(middle, c, w * x)
        return last, ys[:, ::2].sum()

    return L.scan(outer, h[0], xs)


def cond_in_scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        return L.cond(x[0] > 0, lambda c: ga.sin(w @ c), lambda c: c * x, c), c

    return L.scan(body, h, xs)


def switch_in_scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        which = ga.clip((x[0] * 2 + 1).astype("int64"), 0, 2)
        return L.switch(which, [lambda: w @ c, lambda: c * x, lambda: ga.tanh(c) + h]), c[0]

    return L.scan(body, h, xs)


def scan_in_cond(L: Any, w: Any, h: Any, xs: Any) -> Any:
    one, other = (lambda: L.scan(cell(w), h, xs)), (lambda: L.scan(cell(w.T), h, xs, reverse=True))
    return L.cond(h[0] > 0, one, other), L.cond(h[0] < 0, one, other)


def while_in_scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        return L.while_loop(lambda z: (z * z).sum() > 0.5, lambda z: ga.sin(w @ z), c + x), c * x

    return L.scan(body, h, xs)


def until_in_scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        last, ys = L.scan(lambda d, v: (ga.sin(d * v) + w[0, 1], d * d), c[0], x,
                          until=lambda d, y: y > 0.05)  # fmt: skip
        return ga.tanh(c * x + last), ys.sum()

    return L.scan(body, h, xs)


def fori_in_while(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any) -> Any:
        return L.fori_loop(0, 2, lambda i, d: ga.sin(w @ d) * 0.9 + 0.1 * i, c)

    return L.while_loop(lambda c: (c * c).sum() > 0.1, body, h * 2)


def taps_in_scan(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        last, ys = L.scan(lambda d, v: ({"h": ga.sin(d["h"][0] * v) + d["h"][1]}, d["h"][0]),
                          {"h": c[:2]}, x, taps={"h": (-1, -2)})  # fmt: skip
        return ga.tanh(w @ c) + last["h"][1], ys

    return L.scan(body, h, xs)


def mapped(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.map(lambda x: {"a": ga.sin(w @ x), "b": (x * h).sum()}, xs)


def reduced(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.reduce(lambda c, x: c * ga.sin(x) + w @ x, xs, h)


def passed_on(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(lambda c, x: ((c[1], c[0]), (x, w[0])), (h, h * 2), xs)


def branch_not_taken(L: Any, w: Any, h: Any, xs: Any) -> Any:
    """The root of negative numbers is NaN, and nothing of it is seen."""

    def body(c: Any, x: Any) -> Any:
        return c * ga.where(x > 0, ga.sqrt(ga.where(x > 0, x, 1.0)), 0.5), L.cond(
            x[0] > 0, lambda: ga.sqrt(x[0]) * c, lambda: w @ c)  # fmt: skip

    return L.scan(body, h, xs)


PROGRAMS = [
    scan, backwards, of_length, containers, integers, taps, until, until_backwards, until_never,
    until_taps, while_loop, newton, counted_while, fori_loop, fori_at_run_time, cond, switch,
    scan_in_scan, scan_in_scan_in_scan, cond_in_scan, switch_in_scan, scan_in_cond, while_in_scan,
    until_in_scan, fori_in_while, taps_in_scan, mapped, reduced, passed_on, branch_not_taken,
]  # fmt: skip


# Derivatives through the last steps only: no slopes, but those of the unrolled graph cut there.
def truncated(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs, truncate=2)


def truncated_backwards(L: Any, w: Any, h: Any, xs: Any) -> Any:
    start = {"h": h[:2], "v": h}
    return L.scan(lambda c, x: ({"h": ga.sin(c["h"][0] * x[0]), "v": w @ c["v"] + c["h"][1]}, x),
                  start, xs, reverse=True, truncate=3, taps={"h": (-1, -2)})  # fmt: skip


def truncated_until(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs, until=lambda c, y: abs(y) > 1.3, truncate=2)


def truncated_until_backwards(L: Any, w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        new = {"h": ga.tanh(w @ c["h"][0] + x * c["h"][1]), "n": c["n"] + 1}
        return new, (c["h"][1] * c["n"], ga.sin(x))

    start = {"h": ga.stack([h, ga.sin(h)]), "n": np.int64(1)}
    return L.scan(body, start, xs, reverse=True, taps={"h": (-1, -2)}, truncate=1,
                  until=lambda c, y: c["n"] > 3)  # fmt: skip


def truncated_until_never(L: Any, w: Any, h: Any, xs: Any) -> Any:
    return L.scan(cell(w), h, xs, until=lambda c, y: y > 99, truncate=4, checkpoint="sqrt")


TRUNCATED = [truncated, truncated_backwards, truncated_until, truncated_until_backwards,
             truncated_until_never]  # fmt: skip


# ---- what is compared --------------------------------------------------------------------------
def derivatives(outputs: Sequence[Any], wrt: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
    """Values, vjp, jvp, and both of both: the vjp's cotangents and the jvp's tangents vary too."""
    results = [v for v in ga.tree.flatten(outputs)[0] if v.dtype.kind in "fc"]
    found = [*results]
    moves = list(weights)
    seeds = [ga.cos(v) for v in results]  # cotangents that depend on what is differentiated
    first = ga.vjp(results, wrt, seeds)
    along = ga.jvp(results, wrt, moves)
    found += [*first, *along]
    for made in (first, along):
        made = [v for v in made if v is not None]
        found += ga.vjp(made, wrt, [ga.sin(v) for v in made], disconnected="zero")
        found += ga.jvp(made, wrt, moves)
    return found


def compare(program: Any, steps: int, backends: Sequence[str]) -> None:
    arrays = [W, H, XS[:steps]]
    inputs = [ga.tensor(k, shape=a.shape) for k, a in zip(GIVEN, arrays, strict=True)]
    weights = [np.cos(1 + np.arange(a.size)).reshape(a.shape) for a in arrays]
    plain = program(Unrolled(inputs, arrays), *inputs)
    expected = interpret(inputs, derivatives(plain, inputs, weights))(*arrays)
    outputs = derivatives(program(ga, *inputs), inputs, weights)
    for backend in backends:
        found = runner(backend)(inputs, outputs)(*arrays)
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            message = f"{program.__name__}, {steps} steps, {backend}: result {i}"
            assert np.shape(a) == np.shape(b), message
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=message)


@pytest.mark.parametrize("program", [*PROGRAMS, *TRUNCATED], ids=lambda p: p.__name__)
def test_equal_those_of_the_unrolled_graph(program: Any) -> None:
    compare(program, 4, BACKENDS[:2])


@pytest.mark.full
@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("program", [*PROGRAMS, *TRUNCATED], ids=lambda p: p.__name__)
def test_equal_on_each_backend(program: Any, steps: int) -> None:
    compare(program, steps, BACKENDS)


@pytest.mark.full
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_are_slopes(program: Any, backend: str) -> None:
    for steps in LENGTHS:
        check_grads(lambda *v: program(ga, *v), [W, H, XS[:steps]], order=2, rtol=1e-6,
                    runner=runner(backend))  # fmt: skip


@pytest.mark.parametrize("program", [scan, backwards, taps, until, while_loop, fori_loop, cond,
                                     scan_in_scan, cond_in_scan, truncated_until],
                         ids=lambda p: p.__name__)  # fmt: skip
@pytest.mark.parametrize("policy", [None, 2])
def test_tangents_and_cotangents_may_know_more_sizes(program: Any, policy: Any) -> None:
    """Arrays have known sizes, the variables that they belong to need not."""
    arrays = [W, H, XS]
    weights = [np.cos(1 + np.arange(a.size)).reshape(a.shape) for a in arrays]
    known = [ga.tensor(k, shape=a.shape) for k, a in GIVEN.items()]
    unknown = [ga.tensor(k, shape=[None] * a.ndim) for k, a in GIVEN.items()]
    results = []
    for inputs in (known, unknown):
        outputs = ga.tree.flatten(program(Keeping(policy), *inputs))[0]
        seeds = [np.sin(1 + np.arange(v.size)).reshape(v.shape) for v in interpret(
            inputs, outputs)(*arrays)]  # fmt: skip
        found = [*ga.jvp(outputs, inputs, weights), *ga.vjp(outputs, inputs, seeds,
                                                            disconnected="zero")]  # fmt: skip
        results.append(interpret(inputs, found)(*arrays))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


class Keeping:
    """The namespace of `graphad`, whose loops keep by a policy."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def __getattr__(self, name: str) -> Any:
        made = getattr(ga, name)
        if name not in ("scan", "while_loop", "fori_loop"):
            return made
        return lambda *a, **k: made(*a, **{"checkpoint": self.policy, **k})
