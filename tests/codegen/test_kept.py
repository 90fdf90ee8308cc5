"""Programs that another process has made: found by their graphs, and the same in all respects."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import cache, image, keeping, kept, llvm
from graphad.codegen.native import Native
from graphad.compiler import Compiled
from graphad.errors import MissingLibraryError
from graphad.runtime import opening, tiers

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(
    not image.is_possible() or os.uname().machine != "x86_64", reason="images are for Linux on x86"
)

OPENS = Compiled.__dict__["opens"]
RNG = np.random.default_rng(0)
M, V, W = ga.matrix("M", shape=("n", 6)), ga.vector("V", shape=(6,)), ga.vector("W")
A, B = ga.vector("A"), ga.vector("B")
S, T = ga.scalar("S"), ga.scalar("T")
PLACES = ga.vector("I", shape=("k",), dtype="int64")
P = ga.matrix("P", shape=(5, 5))
IMAGE = ga.tensor("image", shape=(2, 3, 9, 9), dtype="float32")
KERNEL = ga.tensor("kernel", shape=(4, 3, 3, 3), dtype="float32")
VALUES = {
    M: RNG.uniform(0.1, 1, (40, 6)), V: RNG.uniform(0.1, 1, 6), W: RNG.normal(size=200_000),
    A: RNG.normal(size=30), B: RNG.normal(size=30), S: 0.3, T: 0.7, PLACES: RNG.integers(0, 40, 9),
    P: RNG.normal(size=(5, 5)) + 5 * np.eye(5),
    IMAGE: RNG.normal(size=(2, 3, 9, 9)).astype("float32"),
    KERNEL: RNG.normal(size=(4, 3, 3, 3)).astype("float32"),
}  # fmt: skip


def cumulated(h: Any, row: Any) -> Any:
    return ga.tanh(h * row + 1), h.sum()


def newton(x: Any) -> Any:
    return x - (x * x - 2) / (2 * x)


PROGRAMS: dict[str, tuple[list[Any], Any]] = {
    "rows": ([M, V], (ga.softmax(M * V, axis=1) * ga.log1p(M)).sum()),
    "large": ([W], ga.where(W > 0, ga.sin(W) * ga.sqrt(abs(W)), ga.cosh(W)).sum()),
    "sizes": ([A, B], (ga.exp(A * B) + A).sum()),  # which are taken as equal
    "whole": ([P], ga.tanh(P @ P).sum() + ((P.T @ P) ** 2).sum() + ga.exp(P[1:] * P[:-1]).sum()),
    "numbers": ([S, T], ga.atan2(ga.sin(S) + ga.tanh(T), ga.exp(S * T) ** T)),
    "indices": ([M, PLACES], (ga.take(M, PLACES, axis=0) ** 3).sum() + ga.cumsum(M, axis=1).var()),
    "cumulated": ([W], (ga.cumsum(W * 2) ** 2).mean()),
    "convolved": ([V, W], (ga.convolve(V * 2, W) ** 2).mean()),
    "loop": ([V, M], (ga.scan(cumulated, V, M)[1] ** 2).sum()),
    "steps": ([S], ga.while_loop(lambda x: abs(x * x - 2) > 1e-9, newton, S + 1)),
    "products": ([M], ga.tanh(M @ M.T).sum() + ((M.T @ M) ** 2).sum()),
    "windows": ([IMAGE, KERNEL], (ga.tanh(ga.nn.convolve2d(IMAGE, KERNEL)) ** 2).sum()),
    "algebra": ([P, A], ga.linalg.slogdet(P)[1] + (ga.exp(A) * np.arange(30.0)).sum()),
}


def made(name: str, folder: Path, **options: Any) -> ga.Function:
    inputs, loss = PROGRAMS[name]
    outputs = [loss, ga.grad(loss, [v for v in inputs if v.dtype.kind == "f"])]
    return ga.function(inputs, outputs, backend="llvm", cache=str(folder), threads=2, **options)


def bits(f: Any, name: str, order: str = "C") -> list[bytes]:
    given = [
        np.asarray(VALUES[v], order=order) if v.ndim else VALUES[v] for v in PROGRAMS[name][0]
    ]  # type: ignore[call-overload]
    return [np.asarray(r).tobytes() for r in ga.tree.flatten(f(*given))[0]]


@pytest.fixture
def entries(tmp_path: Path) -> Any:
    """The entries of programs."""

    def found() -> list[Path]:
        return [p for p in sorted(tmp_path.iterdir()) if kept.MAGIC in p.read_bytes()[:100]]

    return found


def waited(f: ga.Function) -> bool:
    """Is there machine code? Other processes have been told of it then."""
    found = f.wait_native()
    worker = tiers._worker
    if worker is not None:
        worker.join()
    return found


# ---- the same program ------------------------------------------------------------------------
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_is_kept_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    first, second = made(name, tmp_path), made(name, tmp_path)
    assert not isinstance(first._compiled.native, kept.Kept | kept.Numbers)
    assert isinstance(second._compiled.native, kept.Kept | kept.Numbers)
    for order in ("C", "F", "C"):
        assert bits(first, name, order) == bits(second, name, order)
    third = made(name, tmp_path)  # with what was met
    assert bits(third, name) == bits(first, name)
    again = pickle.loads(pickle.dumps(third))
    assert bits(again, name) == bits(first, name)
    if name != "loop" and isinstance(third._compiled.native, kept.Kept):
        assert "full" not in third._compiled.native.__dict__
    assert second.source == first.source
    assert str(second.plan) == str(first.plan)


def test_sizes_that_do_not_fit_go_to_numpy(tmp_path: Path) -> None:
    for _ in range(2):
        f = made("sizes", tmp_path)
        one = np.ones(1)
        a = VALUES[A]
        np.testing.assert_allclose(f(one, a)[0], (np.exp(a) + 1).sum(), rtol=1e-14)
        np.testing.assert_allclose(f(a, a)[0], (np.exp(a * a) + a).sum(), rtol=1e-14)
        with pytest.raises(ga.GraphadError):
            f(np.ones(3), a)


def test_it_can_be_looked_at(tmp_path: Path) -> None:
    for _ in range(2):
        f = made("rows", tmp_path)
        assert "kernel0(" in f.source and "kernel[" in str(f.plan)
        assert f.profile(VALUES[M], VALUES[V], seconds=0.01).steps


def test_results_lie_in_given_arrays(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        f = ga.function([W], ga.tanh(W) * W, backend="llvm", cache=str(tmp_path))
        out = np.zeros(200_000)
        assert f(VALUES[W], out=out) is out
        found.append(out)
        names = f._compiled.native.with_kernels.run.__globals__
        assert any(isinstance(v, keeping.rooms.Place) for v in names.values())
    assert found[0].tobytes() == found[1].tobytes()


def test_errors_tell_the_same(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        x = ga.take(M * 2, PLACES, axis=0).sum() + ga.exp(M).sum()
        f = ga.function([M, PLACES], x, backend="llvm", cache=str(tmp_path))
        with pytest.raises(ga.GraphadError) as error:
            f(VALUES[M], np.array([0, 99]))
        told.append(str(error.value))
        f(VALUES[M], VALUES[PLACES])
    assert told[0] == told[1]
    assert "test_kept.py" in told[0]


def test_errors_without_what_would_tell_more(tmp_path: Path) -> None:
    x = ga.take(M * 2, PLACES, axis=0).sum() + ga.exp(M).sum()
    for _ in range(2):
        f = ga.function([M, PLACES], x, backend="llvm", cache=str(tmp_path))

    def fail() -> None:
        raise MissingLibraryError("no llvmlite any more")

    f._compiled.native._anew = fail
    with pytest.raises(ga.GraphadError, match="99"):
        f(VALUES[M], np.array([0, 99]))


def test_what_gains_nothing_is_known_as_well(tmp_path: Path) -> None:
    for _ in range(2):
        f = ga.function([P], P.T, backend="llvm", cache=str(tmp_path))
        assert f._compiled.native is None
    g = ga.function([P], P.T, cache=str(tmp_path))
    assert not g.wait_native()


# ---- the background --------------------------------------------------------------------------
def test_the_background_finds_it_for_the_sizes_that_were_met(tmp_path: Path) -> None:
    x = ga.matrix("x", shape=("n", "n"))
    loss = ga.tanh(x @ x).sum() + ((x @ x.T) ** 2).sum()
    found = []
    for _ in range(2):
        f = ga.function([x], [loss, ga.grad(loss, x)], cache=str(tmp_path))
        f(VALUES[P])
        assert f._tiers is not None
        f._tiers.shapes = [(5, 5)]
        assert waited(f)
        native = f._tiers.native
        found.append([np.asarray(r).tobytes() for r in native.run(VALUES[P])])
        assert native.current is native._whole[(5, 5),]
    assert isinstance(native, kept.Kept)
    assert "full" not in native.__dict__
    assert found[0] == found[1]


def test_a_function_that_runs_a_little_takes_over_what_is_kept(tmp_path: Path) -> None:
    """Without compiling, and without anybody asking for it."""

    def function() -> ga.Function:
        return ga.function([W], ga.where(W > 0, ga.sin(W), ga.cosh(W)).sum(), cache=str(tmp_path))

    assert waited(function())
    f = function()
    for _ in range(2000):
        f(VALUES[W])
        assert f._tiers is not None
        if f._tiers.native is not None:
            break
    assert isinstance(f._tiers.native, kept.Kept)
    assert f._tiers.spent < 1.0


def test_looking_in_vain_goes_on_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "LOOK", 0.0)
    looked: list[bool] = []
    f = ga.function([A], ga.exp(A).sum(), cache=str(tmp_path))
    assert f._tiers is not None
    recall = f._tiers._recall
    assert recall is not None
    f._tiers._recall = lambda: looked.append(recall()) or looked[-1]  # type: ignore[func-returns-value]
    f(VALUES[A])
    for _ in range(1000):
        if looked and not f._tiers._asked:
            break
        time.sleep(0.005)
    assert looked == [False]
    assert f._tiers.native is None
    assert f._tiers.limit == tiers.WORTH
    f(VALUES[A])
    assert not f._tiers._asked
    assert waited(f)
    assert isinstance(f._tiers.native, Native)
    assert looked == [False]


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """First calls are answered as they are for users."""
    monkeypatch.setattr(Compiled, "opens", OPENS)


def test_the_first_call_on_large_arrays_is_answered_by_what_is_kept(
    opens: None, tmp_path: Path
) -> None:
    x = ga.vector("x", shape=("n",))
    y = x
    for i in range(40):
        y = ga.tanh(y * x) + i
    large, small = np.linspace(-1, 1, opening.LOOK // 20), np.linspace(-1, 1, 100)
    values = []
    for _ in range(3):
        f = ga.function([x], y, cache=str(tmp_path))
        values.append(f(large))
        found = f._compiled.__dict__.get("_native")
        assert isinstance(found, kept.Kept) == (len(values) > 1)
        assert waited(f)
        assert f(small).shape == small.shape
        with pytest.raises(ga.GraphadError):
            f(large[:, None])
    assert values[1].tobytes() == values[2].tobytes()
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)
    f = ga.function([x], y, cache=str(tmp_path))
    f(small)
    assert "_native" not in f._compiled.__dict__


def test_a_first_call_that_does_not_fit_is_answered_all_the_same(
    opens: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LOOK", 1)
    assert waited(ga.function([A, B], ga.exp(A * B) + A, cache=str(tmp_path)))
    one, other = VALUES[A], VALUES[B]
    for a, b in ((one, np.ones(1)), (one[::2], other[::-2]), (one, other)):
        f = ga.function([A, B], ga.exp(A * B) + A, cache=str(tmp_path))
        np.testing.assert_allclose(f(a, b), np.exp(a * b) + a, rtol=1e-14)
    f = ga.function([A, B], ga.exp(A * B) + A, cache=str(tmp_path))
    with pytest.raises(ga.GraphadError, match="in the generated line"):
        f(VALUES[A], np.ones(3))


# ---- what is not kept, and what is not used --------------------------------------------------
def test_only_the_same_graph_is_found(tmp_path: Path, entries: Any) -> None:
    def number(c: Any, axis: int, dtype: str) -> Any:
        x = ga.matrix("x", shape=("n", 4), dtype=dtype)
        y = (ga.exp(x) * c).sum(axis=axis)
        a = np.linspace(-1, 1, 12).reshape(3, 4).astype(dtype)
        f = ga.function([x], y, backend="llvm", cache=str(tmp_path))
        np.testing.assert_allclose(f(a), (np.exp(a) * c).sum(axis=axis), rtol=1e-5)
        return f._compiled.native

    kinds = [(2.0, 0, "float64"), (3.0, 0, "float64"), (2.0, 1, "float64"), (2.0, 0, "float32"),
             (np.arange(4.0), 0, "float64"), (np.arange(1, 5.0), 0, "float64")]  # fmt: skip
    assert all([isinstance(number(*kind), Native) for kind in kinds])
    assert all([isinstance(number(*kind), kept.Kept) for kind in kinds])
    assert len(entries()) == 2 * len(kinds)  # one more for the sizes of the call


def test_other_surroundings_make_it_anew(
    tmp_path: Path, entries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("rows", tmp_path)
    known = kept.surroundings()
    assert str(llvm.circumstances()[0]) in known and np.__version__ in known
    monkeypatch.setattr(kept, "surroundings", lambda: (*known, "another file"))
    assert isinstance(made("rows", tmp_path)._compiled.native, Native)
    assert len(entries()) == 2


def test_own_rules_printing_and_large_constants_are_not_kept(tmp_path: Path, entries: Any) -> None:
    rule = ga.rewrite.rule("x * 2 -> x + x")
    constant = RNG.normal(size=kept.MOST_BYTES // 8 + 1)
    x = ga.vector("x", shape=(constant.size,))
    programs: list[tuple[Any, Any, dict[str, Any]]] = [
        (V, ga.exp(V) * 2, {"rules": [rule]}), (x, ga.exp(x) * constant, {}),
        (V, ga.exp(ga.print_(V)), {}), (V, ga.exp(ga.callback(print, V)), {}),
    ]  # fmt: skip
    for given, output, options in programs:
        for _ in range(2):
            f = ga.function([given], output, backend="llvm", cache=str(tmp_path), **options)
            assert not isinstance(f._compiled.native, kept.Kept)
    assert entries() == []


def test_damaged_entries_and_those_without_their_code_are_made_anew(
    tmp_path: Path, entries: Any
) -> None:
    wanted = bits(made("rows", tmp_path), "rows")
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in whole:
        for change in ("gone", "cut", "flipped"):
            for other, content in whole.items():
                other.write_bytes(content)
            if change == "gone":
                path.unlink()
            else:
                end = whole[path]
                path.write_bytes(end[:-5] if change == "cut" else end[:-1] + bytes([end[-1] ^ 1]))
            assert bits(made("rows", tmp_path), "rows") == wanted
            assert cache.Store(tmp_path).get(path.name.removesuffix(cache.ENDING)) is not None


def test_nothing_is_read_or_written_without_a_cache(tmp_path: Path) -> None:
    f = ga.function([V], ga.exp(V) * V, backend="llvm", cache=False)
    assert isinstance(f._compiled.native, Native)
    assert cache.store(False) is None


# ---- a process of its own --------------------------------------------------------------------
SECOND = """
import sys
import numpy as np
before = set(sys.modules)
import graphad as ga
m, v = ga.matrix("m", shape=("n", 6)), ga.vector("v", shape=(6,))
s = ga.scalar("s")
loss = (ga.softmax(m * v, axis=1) * ga.log1p(m)).sum() + (m @ m.T).sum()
f = ga.function([m, v], [loss, ga.grad(loss, [m, v])], backend="llvm", cache=sys.argv[1])
g = ga.function([s], ga.sin(s) * ga.exp(s), backend="llvm", cache=sys.argv[1])
a = np.linspace(0.1, 1, 60).reshape(10, 6)
print(f(a, a[0])[0].hex(), g(0.5).hex())
heavy = "llvmlite", "graphad.codegen.nest", "graphad.codegen.gemmtext", "graphad.plan.fuse"
print([name for name in (*heavy, "graphad.codegen.scalars", "pathlib", "hashlib")
       if name in sys.modules and name not in before])
"""


def test_a_second_process_loads_little(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SECOND, str(tmp_path)]
    told = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            for _ in range(2)]  # fmt: skip
    assert told[0][0] == told[1][0]
    assert "graphad.codegen.nest" in told[0][1]
    assert told[1][1] == "[]"


# ---- the package itself ----------------------------------------------------------------------
@pytest.mark.parametrize("place", ["work", "site-packages"])
def test_programs_are_those_of_the_files_of_the_package(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / place / "graphad"
    for folder in (*kept.PARTS, "ops/linalg", "viz"):
        (root / folder).mkdir(parents=True)
        (root / folder / "file.py").write_text("")
        os.utime(root / folder, (1, 1))
    monkeypatch.setattr(kept, "__file__", str(root / "codegen" / "kept.py"))

    def told() -> str:
        return kept._sources.__wrapped__()

    before = told()
    assert told() == before
    for part in ("ops/linalg", "rewrite"):
        (root / part / "file.py").write_text(part)
        assert (told() == before) == (place == "site-packages")
    (root / "viz" / "file.py").write_text("anything")
    (root / "ops" / "linalg" / "another.py").write_text("")
    assert told() != before
