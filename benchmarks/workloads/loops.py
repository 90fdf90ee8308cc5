"""Loops with a carry: a recurrence, an LSTM, a hidden Markov model, leapfrog, Newton's iteration.

JAX writes them with `lax.scan` (`lax.while_loop` has no gradient backward, so that Newton's
iteration is a scan of a fixed length there), PyTensor with `scan`, Autograd and PyTorch as Python
loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workloads.table import Workload

STEPS = 10_000
HIDDEN, BATCH, WORDS = 64, 16, 200
STATES, SEEN = 32, 1_000
DIMENSIONS, MOVES = 10, 1_000
NEWTON = 8


def _lax() -> Any:
    from jax import lax

    return lax


def _pytensor_scan() -> Any:
    from pytensor import scan

    return scan


# ---- c ← sin(a c) + x ------------------------------------------------------------------------
def recurrence() -> dict[str, Any]:
    return {"a": 0.5, "x": np.random.default_rng(0).normal(size=STEPS)}


def recurrence_graphad(ga: Any, a: Any, x: Any) -> Any:
    return ga.scan(lambda c, x: (ga.sin(a * c) + x, None), 0.0, x)[0]


def recurrence_autograd(np: Any, a: Any, x: Any) -> Any:
    c = 0.0
    for one in x:
        c = np.sin(a * c) + one
    return c


def recurrence_jax(jnp: Any, a: Any, x: Any) -> Any:
    return _lax().scan(lambda c, x: (jnp.sin(a * c) + x, None), 0.0, x)[0]


def recurrence_pytensor(pt: Any, a: Any, x: Any) -> Any:
    found = _pytensor_scan()(lambda x, c, a: pt.sin(a * c) + x, sequences=x,
                             outputs_info=pt.as_tensor(np.float64(0.0)), non_sequences=a,
                             return_updates=False)  # fmt: skip
    return found[-1]


def recurrence_torch(torch: Any, a: Any, x: Any) -> Any:
    c = torch.zeros((), dtype=x.dtype)
    for one in x.unbind():
        c = torch.sin(a * c) + one
    return c


# ---- LSTM ------------------------------------------------------------------------------------
def lstm() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "wx": rng.normal(size=(HIDDEN, 4 * HIDDEN)) / 8,
        "wh": rng.normal(size=(HIDDEN, 4 * HIDDEN)) / 8,
        "b": rng.normal(size=4 * HIDDEN),
        "x": rng.normal(size=(WORDS, BATCH, HIDDEN)),
    }


def _cell(np: Any, sigmoid: Callable[[Any], Any], z: Any, c: Any) -> Any:
    """(h, c) of the next step from the four gates side by side."""
    i, f, g, o = (z[:, k * HIDDEN : (k + 1) * HIDDEN] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm_graphad(ga: Any, wx: Any, wh: Any, b: Any, x: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        return _cell(ga, ga.sigmoid, x @ wx + h @ wh + b, c), None

    start = np.zeros((BATCH, HIDDEN))
    (h, _), _ = ga.scan(step, (start, start), x)
    return ga.sum(h * h)


def lstm_autograd(np: Any, wx: Any, wh: Any, b: Any, x: Any) -> Any:
    h = c = np.zeros((BATCH, HIDDEN))
    for one in x:
        z = np.dot(one, wx) + np.dot(h, wh) + b
        h, c = _cell(np, lambda v: 0.5 * (np.tanh(0.5 * v) + 1), z, c)
    return np.sum(h * h)


def lstm_jax(jnp: Any, wx: Any, wh: Any, b: Any, x: Any) -> Any:
    import jax

    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        return _cell(jnp, jax.nn.sigmoid, x @ wx + h @ wh + b, c), None

    start = jnp.zeros((BATCH, HIDDEN))
    (h, _), _ = _lax().scan(step, (start, start), x)
    return jnp.sum(h * h)


def lstm_pytensor(pt: Any, wx: Any, wh: Any, b: Any, x: Any) -> Any:
    def step(x: Any, h: Any, c: Any, wx: Any, wh: Any, b: Any) -> Any:
        return list(_cell(pt, pt.sigmoid, x @ wx + h @ wh + b, c))

    start = pt.zeros((BATCH, HIDDEN))
    h, _ = _pytensor_scan()(step, sequences=x, outputs_info=[start, start],
                            non_sequences=[wx, wh, b], return_updates=False)  # fmt: skip
    return pt.sum(h[-1] ** 2)


def lstm_torch(torch: Any, wx: Any, wh: Any, b: Any, x: Any) -> Any:
    h = c = torch.zeros((BATCH, HIDDEN), dtype=x.dtype)
    for one in x:
        h, c = _cell(torch, torch.sigmoid, one @ wx + h @ wh + b, c)
    return (h * h).sum()


# ---- the forward pass of a hidden Markov model -----------------------------------------------
def markov() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    a = rng.uniform(0.1, 1, size=(STATES, STATES))
    return {"a": a / a.sum(axis=1, keepdims=True), "seen": rng.uniform(0.1, 1, (SEEN, STATES))}


def _belief(p: Any, a: Any, likely: Any) -> Any:
    """(the next distribution, the probability of what was seen)."""
    p = (p @ a) * likely
    total = p.sum()
    return p / total, total


def markov_graphad(ga: Any, a: Any, seen: Any) -> Any:
    start = np.full(STATES, 1 / STATES)
    return ga.sum(ga.log(ga.scan(lambda p, likely: _belief(p, a, likely), start, seen)[1]))


def markov_autograd(np: Any, a: Any, seen: Any) -> Any:
    p, loss = np.full(STATES, 1 / STATES), 0.0
    for likely in seen:
        p = np.dot(p, a) * likely
        total = np.sum(p)
        p, loss = p / total, loss + np.log(total)
    return loss


def markov_jax(jnp: Any, a: Any, seen: Any) -> Any:
    start = jnp.full(STATES, 1 / STATES)
    return jnp.sum(jnp.log(_lax().scan(lambda p, likely: _belief(p, a, likely), start, seen)[1]))


def markov_pytensor(pt: Any, a: Any, seen: Any) -> Any:
    _, totals = _pytensor_scan()(lambda likely, p, a: list(_belief(p, a, likely)), sequences=seen,
                                 outputs_info=[pt.as_tensor(np.full(STATES, 1 / STATES)), None],
                                 non_sequences=a, return_updates=False)  # fmt: skip
    return pt.sum(pt.log(totals))


def markov_torch(torch: Any, a: Any, seen: Any) -> Any:
    p, totals = torch.full((STATES,), 1 / STATES, dtype=a.dtype), []
    for likely in seen:
        p, total = _belief(p, a, likely)
        totals.append(total)
    return torch.log(torch.stack(totals)).sum()


# ---- leapfrog: springs with a cubic term -----------------------------------------------------
def leapfrog() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"k": np.abs(rng.normal(size=DIMENSIONS)), "q": rng.normal(size=DIMENSIONS)}


def _move(q: Any, p: Any, k: Any) -> Any:
    p = p - 0.005 * (k * q + q**3)
    q = q + 0.01 * p
    return q, p - 0.005 * (k * q + q**3)


def _leapfrog(np: Any, scan: Callable[..., Any], k: Any, q: Any) -> Any:
    (q, p), _ = scan(lambda c, _: (_move(*c, k), None), (q, 0.0 * q), length=MOVES)
    return np.sum(q * q + p * p)


def leapfrog_graphad(ga: Any, k: Any, q: Any) -> Any:
    return _leapfrog(ga, ga.scan, k, q)


def leapfrog_autograd(np: Any, k: Any, q: Any) -> Any:
    p = 0.0 * q
    for _ in range(MOVES):
        q, p = _move(q, p, k)
    return np.sum(q * q + p * p)


def leapfrog_jax(jnp: Any, k: Any, q: Any) -> Any:
    return _leapfrog(jnp, _lax().scan, k, q)


def leapfrog_pytensor(pt: Any, k: Any, q: Any) -> Any:
    qs, ps = _pytensor_scan()(lambda q, p, k: list(_move(q, p, k)), outputs_info=[q, 0.0 * q],
                              non_sequences=k, n_steps=MOVES, return_updates=False)  # fmt: skip
    return pt.sum(qs[-1] ** 2 + ps[-1] ** 2)


def leapfrog_torch(torch: Any, k: Any, q: Any) -> Any:
    p = torch.zeros_like(q)
    for _ in range(MOVES):
        q, p = _move(q, p, k)
    return (q * q + p * p).sum()


# ---- Newton's iteration for a cube root ------------------------------------------------------
def newton() -> dict[str, Any]:
    return {"a": 7.0}


def _better(x: Any, a: Any) -> Any:
    return x - (x**3 - a) / (3 * x * x)


def newton_graphad(ga: Any, a: Any) -> Any:
    return ga.while_loop(lambda x: abs(x**3 - a) > 1e-10, lambda x: _better(x, a), a)


def newton_autograd(np: Any, a: Any) -> Any:
    x = a
    while abs(x**3 - a) > 1e-10:
        x = _better(x, a)
    return x


def newton_torch(torch: Any, a: Any) -> Any:
    return newton_autograd(torch, a)


def newton_jax(jnp: Any, a: Any) -> Any:
    return _lax().scan(lambda x, _: (_better(x, a), None), a, length=NEWTON)[0]


def newton_pytensor(pt: Any, a: Any) -> Any:
    return _pytensor_scan()(lambda x, a: _better(x, a), outputs_info=a, non_sequences=a,
                            n_steps=NEWTON, return_updates=False)[-1]  # fmt: skip


def _workload(name: str, title: str, arguments: Any, wrt: int, tolerance: float) -> Workload:
    losses = {library: globals()[f"{name}_{library}"]
              for library in ("graphad", "autograd", "jax", "pytensor", "torch")}  # fmt: skip
    return Workload(name, title, arguments, wrt, losses, {}, tolerance)


WORKLOADS = (
    _workload("recurrence", f"recurrence of a number, {STEPS:,} steps", recurrence, 1, 1e-8),
    _workload("lstm", f"LSTM {HIDDEN}, batch {BATCH}, {WORDS} steps", lstm, 3, 1e-8),
    _workload("markov", f"hidden Markov {STATES} states, {SEEN:,} steps", markov, 2, 1e-8),
    _workload("leapfrog", f"leapfrog {DIMENSIONS} dims, {MOVES:,} steps", leapfrog, 2, 1e-7),
    _workload("newton", "Newton's iteration until it converges", newton, 1, 1e-8),
)
