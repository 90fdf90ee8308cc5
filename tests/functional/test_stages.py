"""Paths that take turns become one tree of programs, in which what they share is computed once."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.functional import paths as module


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are joined at the first decision that turns out otherwise."""
    monkeypatch.setattr(module, "VAIN", 0.0)


def paths_of(compiled: Any) -> Any:
    (found,) = compiled._cache.values()
    return found


def agree(found: Any, wanted: Any) -> None:
    for a, b in zip(ga.tree.flatten(found)[0], ga.tree.flatten(wanted)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def branching(heavy: Callable[..., Any]) -> Callable[..., Any]:
    """Three decisions on values, eight paths."""

    def f(x: Any, y: Any) -> Any:
        z = heavy(x) * y
        if np.sum(z) > 0:
            z = 2 * z + x
        z = np.tanh(z) if x[0] > 0 else z - x
        z = z * np.exp(-y * y)
        return np.sum(z * z) * y if y > 0 else np.sum(z)

    return f


POINTS = [(x, float(y)) for x, y in zip(
    np.random.default_rng(0).normal(size=(24, 3)), np.random.default_rng(1).normal(size=24),
    strict=True)]  # fmt: skip


def test_what_paths_share_is_computed_once() -> None:
    calls = [0]

    @ga.primitive(outputs=lambda t: t)
    def heavy(x: Any) -> Any:
        calls[0] += 1
        return np.sin(x)

    heavy.defvjp(lambda ans, x: lambda g: g * np.cos(x))
    f = ga.value_and_grad(branching(heavy), (0, 1))
    compiled, plain = ga.jit(f), ga.value_and_grad(branching(np.sin), (0, 1))
    for point in POINTS * 2:
        agree(compiled(*point), plain(*point))
    assert compiled.cache_info().paths <= 8 and paths_of(compiled).stages is not None
    for point in POINTS:
        calls[0] = 0
        agree(compiled(*point), plain(*point))
        assert calls[0] == 1


def test_second_derivatives() -> None:
    second = ga.hessian(branching(np.sin))
    compiled = ga.jit(second)
    for point in POINTS * 2:
        agree(compiled(*point), second(*point))
    assert paths_of(compiled).stages is not None


def test_new_ways_are_found() -> None:
    def halvings(x: Any) -> Any:
        n = 0
        while x > 1.0:
            x, n = x / 2, n + 1
        return x * n

    compiled = ga.jit(ga.value_and_grad(halvings))
    for x in (1.5, 5.0, 1.5, 5.0, 3.0, 1.5, 40.0, 5.0, 0.5, 3.0, 40.0):
        agree(compiled(x), ga.value_and_grad(halvings)(x))
    assert compiled.cache_info().paths == 5


def test_numbers_and_containers() -> None:
    def f(p: Any) -> Any:
        n = int(p["n"])
        scaled = [p["x"] * n, n]
        return {"a": scaled, "b": float(p["y"]) if n > 2 else p["y"] + 1}

    compiled = ga.jit(f)
    for n in (1, 3, 1, 3, 2, 4, 1, 3):
        given = {"n": np.int64(n), "x": np.arange(3.0) + n, "y": 0.5}
        agree(compiled(given), {"a": [given["x"] * n, n], "b": 0.5 if n > 2 else 1.5})
    assert paths_of(compiled).stages is not None


def test_errors_of_ways_not_taken() -> None:
    def f(a: Any) -> Any:
        return np.sum(np.linalg.cholesky(a)) if a[0, 0] > 0 else np.sum(a)

    compiled = ga.jit(f)
    good, bad = np.eye(2), -np.eye(2)
    for a in (good, bad, good, bad, bad, good):
        agree(compiled(a), f(a))


def test_printing_paths_stay_apart(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        x = ga.print_(x, "x is") if x > 0 else x
        return x * x

    compiled = ga.jit(f)
    for x in (1.0, -1.0, 1.0, -1.0):
        assert float(compiled(x)) == 1.0
    assert paths_of(compiled).stages is None
    assert "x is" in capsys.readouterr().out


def _writer() -> Any:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "generated_functions.py"
    spec = importlib.util.spec_from_file_location("generated_functions_of_benchmarks", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found.Writer


def generated(seed: int) -> None:
    space: dict[str, Any] = {"sin": np.sin, "tanh": np.tanh, "exp": np.exp}
    source = _writer()(seed).source()
    exec(compile(source, f"<generated {seed}>", "exec"), space)
    plain = ga.value_and_grad(space["f"], (0, 1))
    compiled = ga.jit(plain, max_paths=40)
    points = np.random.default_rng(seed).normal(size=(8, 2)).tolist()
    for point in points * 3:
        agree(compiled(*point), plain(*point))


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_generated_functions(seed: int) -> None:
    generated(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(200))
def test_all_generated_functions(seed: int) -> None:
    generated(seed)
