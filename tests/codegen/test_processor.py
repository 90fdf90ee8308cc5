"""Processors with narrower vectors, and systems without a library of vector math."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import image, llvm, mathlib, processor
from graphad.codegen.native import fused_plan

pytest.importorskip("llvmlite")

X, M = ga.vector("x", shape=("n",)), ga.matrix("m", shape=("k", "n"))
S = ga.vector("s", shape=("n",), dtype="float32")
J = ga.vector("j", shape=("n",), dtype="int64")
OUTPUTS = [
    ga.tanh(X) * ga.exp(-X) + ga.sqrt(X * X + 1), ga.softmax(M * X, axis=1), ga.sum(M * M, axis=0),
    ga.sum(ga.sin(S) * S), S.astype("float64") + X, ga.where(J > 2, J, -J) + 1,
    ga.grad(ga.sum(ga.log1p(ga.square(M - X))), X), ga.cumsum(X), X[J % 3] * 2, ga.max(M),
    ga.scan(lambda c, x: (ga.tanh(c + x), c), X, M)[0], ga.logaddexp(X, 0.5), X**1.7,
]  # fmt: skip
INPUTS = [X, M, S, J]


def given() -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.uniform(0.1, 2, 37), rng.normal(size=(5, 37)), rng.normal(size=37).astype("f4"),
            rng.integers(0, 5, 37)]  # fmt: skip


def assert_right() -> None:
    found = ga.function(INPUTS, OUTPUTS, backend="llvm")(*given())
    expected = ga.function(INPUTS, OUTPUTS, backend="interpreter")(*given())
    for a, b in zip(found, expected, strict=True):
        bound = 1e-5 if b.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


@pytest.fixture(params=processor.WIDTHS)
def bits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Vectors of at most so many bits."""
    monkeypatch.setenv(processor.VARIABLE, str(request.param))
    llvm.look_again()
    yield request.param
    llvm.look_again()


def assembly(f: ga.Function) -> str:
    module = llvm.binding().parse_assembly(f._compiled.native.kernels.text)
    text: str = llvm.target().emit_assembly(module)
    return text


def test_narrower_vectors(bits: int) -> None:
    """Results agree, and no instruction is of the processors that have wider ones."""
    assert llvm.width() <= bits
    assert_right()
    f = ga.function([X, S], [ga.sqrt(X) * X + 1, ga.exp(S)], backend="llvm")
    registers = {128: "xmm", 256: "ymm", 512: "zmm"}
    wider = [name for size, name in registers.items() if size > bits]
    assert not any(name in assembly(f) for name in wider)
    assert registers[llvm.width()] in assembly(f)


def test_code_on_disk_is_that_of_its_width(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = set()
    try:
        for _ in range(2):
            for bits in processor.WIDTHS:
                monkeypatch.setenv(processor.VARIABLE, str(bits))
                llvm.look_again()
                f = ga.function([X], ga.sqrt(X) + 1, backend="llvm", cache=str(tmp_path))
                np.testing.assert_array_equal(f([4.0, 9.0]), [3.0, 4.0])
                kinds.add((llvm.width(), llvm.circumstances()))
        heads = [path.read_bytes()[:100] for path in tmp_path.iterdir()]
        assert len([h for h in heads if image.MAGIC in h or b"ELF" in h]) == len(kinds)
    finally:
        monkeypatch.undo()
        llvm.look_again()


def test_a_width_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(processor.VARIABLE, "wide")
    with pytest.warns(UserWarning, match="GRAPHAD_VECTOR_BITS='wide'"):
        assert processor.bound() == 512


@pytest.fixture
def no_vector_math(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on macOS, on musl, and with an older glibc."""
    known = (mathlib.address, mathlib.available)
    for name in ("library", "svml"):
        monkeypatch.setattr(mathlib, name, lambda: None)
    for function in known:
        function.cache_clear()
    yield
    for function in known:
        function.cache_clear()


@pytest.mark.usefixtures("no_vector_math")
def test_without_vector_math() -> None:
    """Such functions are NumPy's; what is left of a group is still machine code."""
    assert not mathlib.available(llvm.width())
    assert_right()
    plan = fused_plan(ga.Graph([X], [ga.exp(X * 2 + 1) * 3 - X]))
    assert plan is not None
    grouped = [[n.op.name for n in s.group.nodes] if s.group else s.node.op.name
               for s in plan.steps]  # fmt: skip
    assert "exp" in grouped and sum(isinstance(names, list) for names in grouped) == 2
    f = ga.function(INPUTS, OUTPUTS)
    assert f.wait_native()
    f(*given())


def test_the_library_that_has_a_function_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"__svml_exp8_ha": 1, "__svml_cosf16_ha": 2, "_ZGVeN16v_cosf": 3}
    monkeypatch.setattr(mathlib, "address", known.get)
    assert mathlib.symbol("exp", 64, 8) == "__svml_exp8_ha"
    assert mathlib.symbol("cos", 32, 16) == "_ZGVeN16v_cosf"
    assert mathlib.symbol("pow", 64, 2) == "_ZGVbN2vv_pow"  # nobody has it


ARGUMENTS: dict[str, tuple[float, float]] = {
    "arccos": (-1, 1), "arcsin": (-1, 1), "arctanh": (-1, 1), "arccosh": (1, 50), "log": (0, 90),
    "log10": (0, 90), "log2": (0, 90), "log1p": (-1, 90),
}  # fmt: skip


@pytest.mark.skipif(mathlib.svml() is None, reason="needs intel-cmplr-lib-rt")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vector_math_of_intel(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SVML alone: below 1 ulp, and NumPy's results for special numbers."""
    known = (mathlib.address, mathlib.available)
    monkeypatch.setattr(mathlib, "library", lambda: None)
    for function in known:
        function.cache_clear()
    try:
        names = {ufunc: name for name, ufunc in NUMPY_NAMES.items() if name not in mathlib.BINARY}
        assert mathlib.available(llvm.width()) == set(mathlib.FUNCTIONS)
        x = ga.vector("x", shape=("n",), dtype=dtype)
        wide = np.longdouble if dtype == "float64" else np.float64
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, 1.0, -1.0], dtype)
        for ufunc in names:
            low, high = ARGUMENTS.get(ufunc, (-20, 20))
            a = np.random.default_rng(0).uniform(low, high, 5000).astype(dtype)
            f = ga.function([x], getattr(ga, ufunc)(x), backend="llvm", cache=False)
            with np.errstate(all="ignore"):
                exact = getattr(np, ufunc)(a.astype(wide))
                unit = np.spacing(np.abs(exact.astype(dtype))).astype(wide)
                assert np.nanmax(np.abs(f(a).astype(wide) - exact) / unit) < 1, ufunc
                np.testing.assert_allclose(f(special), getattr(np, ufunc)(special), rtol=1e-6)
    finally:
        for function in known:
            function.cache_clear()


NUMPY_NAMES = {
    name: {"pow": "power"}.get(name, "arc" + name[1:] if name[0] == "a" else name)
    for name in mathlib.FUNCTIONS
}
