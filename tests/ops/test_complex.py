"""Complex numbers through the elementwise functions: values as in NumPy, derivatives in Autograd's
convention (the gradient of u is ∂u/∂x - i·∂u/∂y), both modes, second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.op import OPS
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

Z = np.array([1.2 + 0.7j, -0.8 + 0.4j, 0.3 - 1.1j, -0.5 - 0.9j])
W = np.array([0.6 - 0.5j, 1.1 + 0.2j, -0.7 + 0.3j, 0.9 + 1.3j])
X = np.array([0.7, -1.3, 2.1, 0.4])
MASK = np.array([True, False, True, False])


# ---- real to complex, complex to real, and mixtures -----------------------------------------

Function = Callable[..., Any]
FUNCTIONS: dict[str, tuple[Function, list[np.ndarray]]] = {
    "abs": (np.abs, [Z]),
    "abs squared": (lambda z: np.abs(z) ** 2, [Z]),
    "angle": (np.angle, [Z]),
    "angle in degrees": (lambda z: np.angle(z, deg=True), [Z]),
    "real": (np.real, [Z]),
    "imag": (np.imag, [Z]),
    "conj": (np.conj, [Z]),
    "sign": (np.sign, [Z]),
    "square": (np.square, [Z]),
    "reciprocal": (np.reciprocal, [Z]),
    "sqrt": (np.sqrt, [Z]),
    "log": (np.log, [Z]),
    "log2": (np.log2, [Z]),
    "log10": (np.log10, [Z]),
    "log1p": (np.log1p, [Z]),
    "exp": (np.exp, [Z]),
    "exp2": (np.exp2, [Z]),
    "expm1": (np.expm1, [Z]),
    "tan": (np.tan, [Z]),
    "arcsin": (np.arcsin, [Z]),
    "arccos": (np.arccos, [Z]),
    "arctan": (np.arctan, [Z]),
    "arcsinh": (np.arcsinh, [Z]),
    "arccosh": (np.arccosh, [Z]),
    "arctanh": (np.arctanh, [Z]),
    "tanh": (np.tanh, [Z]),
    "sinc": (np.sinc, [Z]),
    "nan_to_num": (np.nan_to_num, [Z]),
    "power": (lambda z, w: z**w, [Z, W]),
    "real power": (lambda z, x: z**x, [Z, X]),
    "power of a real": (lambda x, w: np.abs(x) ** w, [X, W]),
    "cube": (lambda z: z**3, [Z]),
    "inverse": (lambda z: z**-1, [Z]),
    "float_power": (np.float_power, [Z, X]),
    "product with a real": (lambda z, x: z * x, [Z, X]),
    "quotient by a real": (lambda z, x: z / x, [Z, X]),
    "real over complex": (lambda x, z: x / z, [X, Z]),
    "imaginary from real": (lambda x: 1j * x, [X]),
    "made of parts": (lambda x, y: x + 1j * y, [X, X[::-1].copy()]),
    "polar": (lambda r, t: r * np.exp(1j * t), [X, X[::-1].copy()]),
    "cast": (lambda x: x.astype("complex128"), [X]),
    "where, real and complex": (lambda x, z: np.where(MASK, x, z), [X, Z]),
    "where, complex and real": (lambda z, x: np.where(MASK, z, x), [Z, X]),
    "select": (lambda z, x: np.select([MASK], [z], default=x), [Z, X]),
    "mean of a square": (lambda z: np.mean(np.real(z * np.conj(z))), [Z]),
    "real part of a product": (lambda z, w: (z * np.conj(w)).real, [Z, W]),
    "add, mixed": (lambda z, x: z + x - x * 2j, [Z, X]),
    "interp": (lambda x, z: np.interp(x, [0.0, 1.0, 2.0, 3.0], z), [np.abs(X), Z]),
    "convolve": (np.convolve, [Z, X]),
    "polyval": (np.polyval, [Z, X]),
    "roots": (lambda z: ga.roots(z) if _symbolic(z) else np.roots(z), [Z]),
}


def _symbolic(x: Any) -> bool:
    return isinstance(x, ga.Variable)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str, run: Runner) -> None:
    f, arrays = FUNCTIONS[name]
    for convert in (lambda a: a, lambda a: a.astype("complex64" if a.dtype.kind == "c" else "f4")):
        given = [convert(a) for a in arrays]
        inputs = [ga.tensor(f"x{i}", a.shape, a.dtype) for i, a in enumerate(given)]
        (found,), expected = run(inputs, [f(*inputs)])(*given), f(*given)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=16 * np.finfo(expected.dtype).eps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name: str, run: Runner) -> None:
    f, arrays = FUNCTIONS[name]
    check_grads(f, arrays, order=2, runner=run)
    check_grads(f, arrays, order=2, runner=run, sizes="unknown")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_have_the_dtype_of_the_argument(name: str) -> None:
    f, arrays = FUNCTIONS[name]
    inputs = [ga.tensor(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    y = f(*inputs)
    total = y.real.sum() if y.dtype.kind == "c" else y.sum()
    for x, g in zip(inputs, ga.grad(total, inputs, disconnected="zero"), strict=True):
        assert g.dtype == x.dtype


# ---- the convention, in numbers -------------------------------------------------------------


def test_the_convention(run: Runner) -> None:
    """The gradient of a real u is ∂u/∂x - i·∂u/∂y; of a holomorphic f it is f'."""
    z = ga.scalar("z", dtype="complex128")
    graphs = {
        "|z|²": (abs(z) ** 2, 2 * (3 - 4j)),
        "|z|": (abs(z), (3 - 4j) / 5),
        "Re z": (z.real, 1),
        "Im z": (z.imag, -1j),
        "angle": (np.angle(z), (-4 - 3j) / 25),
        "Re z²": ((z * z).real, 2 * (3 + 4j)),
        "Re conj z": (np.conj(z).real, 1),
        "Im conj z": (np.conj(z).imag, 1j),
    }
    gradients = [ga.grad(u, z) for u, _ in graphs.values()]
    for name, found in zip(graphs, run([z], gradients)(3 + 4j), strict=True):
        np.testing.assert_allclose(found, graphs[name][1], rtol=1e-15, err_msg=name)


def test_descent_goes_against_the_conjugate() -> None:
    z, target = 2.0 + 1.0j, -1.0 + 0.5j
    v = ga.scalar("v", dtype="complex128")
    slope = ga.function([v], ga.grad(abs(v - target) ** 2, v))
    for _ in range(60):
        z = z - 0.25 * np.conj(slope(z))
    assert abs(z - target) < 1e-12


@pytest.mark.parametrize("f", [np.abs, np.sign, np.angle, np.sqrt])
def test_zero(f: Any, run: Runner) -> None:
    """At 0 the derivatives of abs, sign and angle are 0; that of sqrt is not finite."""
    z = ga.vector("z", dtype="complex128")
    y = f(z)
    graphs = [y, ga.grad(y.real.sum(), z)]
    value, slope = run([z], graphs)(np.zeros(1, complex))
    assert value.tolist() == [0]
    assert (not np.isfinite(slope).any()) if f is np.sqrt else slope.tolist() == [0]


def test_branches_that_are_not_taken(run: Runner) -> None:
    z = ga.vector("z", dtype="complex128")
    y = ga.where(abs(z) > 0, ga.log(z) + ga.sqrt(z) + z ** (0.5 + 1j), 0.0)
    (slope,) = run([z], [ga.grad(y.real.sum(), z)])(np.array([0.0, 1.0 + 0j]))
    assert slope[0] == 0 and slope[1] == pytest.approx(1 + 0.5 + 0.5 + 1j)


NOT_COMPLEX = (
    "arctan2 cbrt ceil copysign deg2rad fabs floor floor_divide fmod frexp heaviside hypot i0 "
    "ldexp logaddexp logaddexp2 modf nextafter rad2deg remainder signbit spacing trunc divmod gcd "
    "bitwise_and invert isposinf"
).split()


@pytest.mark.parametrize("name", NOT_COMPLEX)
def test_what_is_not_defined_is_refused(name: str) -> None:
    """As in NumPy, while the graph is built, with a remedy."""
    z = ga.vector("z", dtype="complex128")
    binary = "arctan2 copysign floor_divide fmod heaviside hypot ldexp logaddexp logaddexp2 " \
        "nextafter remainder divmod gcd bitwise_and".split()  # fmt: skip
    function: Any = OPS[name]
    with pytest.raises(ga.errors.DTypeError, match="remedy"):
        function(z, z) if name in binary else function(z)
