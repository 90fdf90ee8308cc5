"""Loops and branches over complex numbers: both modes, second order, on each backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import check_grads, compiled

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


W, H, XS = drawn(3, 3) / 3, drawn(3), drawn(4, 3)


def scan(w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        return ga.sin(w @ c * 0.5) + x * ga.conj(c) * 0.2, (c * x).sum()

    return ga.scan(body, h, xs)


def recomputed(w: Any, h: Any, xs: Any) -> Any:
    return ga.scan(lambda c, x: (ga.sin(w @ c * 0.5) + x, (c * x).sum()), h, xs, checkpoint=2)


def until(w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        return ga.tanh(w @ c * 0.5 + x * 0.1), ga.real(c * x).sum()

    return ga.scan(body, h, xs, until=lambda c, y: abs(c[0]) > 0.4)


def while_loop(w: Any, h: Any, xs: Any) -> Any:
    return ga.while_loop(lambda c: abs(c).sum() > 1, lambda c: w @ c * 0.5 + 0.01 * xs.sum(), h)


def fori_loop(w: Any, h: Any, xs: Any) -> Any:
    return ga.fori_loop(0, xs.shape[0], lambda i, c: ga.exp(w @ c * 0.2) * i, h)


def branches(w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        return ga.cond(ga.real(x[0]) > 0, lambda: w @ c, lambda: c * x), c

    return ga.scan(body, h, xs)


def real_and_complex(w: Any, h: Any, xs: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        return (ga.real(w @ c[1]) + c[0] * 0.5, c[1] * c[0][0] + x), abs(c[1]).sum()

    return ga.scan(body, (ga.real(h), h), xs)


PROGRAMS = [scan, recomputed, until, while_loop, fori_loop, branches, real_and_complex]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_are_slopes(program: Any) -> None:
    check_grads(program, [W, H, XS], order=2, rtol=1e-6, runner=compiled)


@pytest.mark.full
@pytest.mark.parametrize("backend", ("interpreter", "numpy", "llvm"))
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_are_slopes_on_each_backend(program: Any, backend: str) -> None:
    def runner(inputs: Any, outputs: Any) -> Any:
        return ga.function(list(inputs), list(outputs), backend=backend, unused="ignore")

    for steps in (0, 1, 4):
        check_grads(program, [W, H, XS[:steps]], order=2, rtol=1e-6, runner=runner)
