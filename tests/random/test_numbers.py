"""The numbers are those of numpy.random.Generator, for every distribution, seeds, sizes."""

import inspect
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ops.random.declare import METHODS

PLACED = [(0.5, 2.0), (0.0, 0.0)]
CASES: dict[str, list[tuple[Any, ...]]] = {
    "random": [()],
    "standard_normal": [()],
    "standard_exponential": [()],
    "standard_cauchy": [()],
    "normal": [*PLACED, (0, 3)],
    "laplace": PLACED,
    "gumbel": PLACED,
    "logistic": PLACED,
    "uniform": [(-1.0, 2.0)],
    "exponential": [(2.0,)],
    "rayleigh": [(1.5,)],
    "lognormal": [(0.2, 0.5)],
    "weibull": [(1.7,), (0.0,)],
    "pareto": [(2.5,)],
    "power": [(1.5,)],
    "triangular": [(-1.0, 0.5, 2.0)],
    "standard_gamma": [(0.7,), (3.0,)],
    "gamma": [(0.4, 1.5), (2.0, 1.5)],
    "chisquare": [(3.0,)],
    "beta": [(0.5, 0.7), (2.0, 3.0)],
    "standard_t": [(4.0,)],
    "f": [(3.0, 5.0)],
    "wald": [(1.0, 2.0)],
    "vonmises": [(0.5, 2.0)],
    "noncentral_chisquare": [(3.0, 1.0)],
    "noncentral_f": [(3.0, 5.0, 1.0)],
    "binomial": [(10, 0.3), (100, 0.4)],
    "poisson": [(2.0,), (50.0,)],
    "geometric": [(0.3,), (0.01,)],
    "negative_binomial": [(3, 0.4)],
    "hypergeometric": [(5, 6, 4), (50, 60, 40)],
    "logseries": [(0.6,)],
    "zipf": [(2.5,)],
    "integers": [(5,), (-3, 7)],
}
SEEDS = (0, 12345, [1, 2, 3])


def pair(seed: Any) -> tuple[Any, Any]:
    return ga.random.default_rng(seed), np.random.default_rng(seed)


def check(build: Any, seed: Any, calls: int = 2, **options: Any) -> None:
    """`build` on a generator of ours and of NumPy's: equal numbers, equal states, call by call."""
    ours, theirs = pair(seed)
    drawn = ga.function([], build(ours), **options)
    for _ in range(calls):
        got, wanted = drawn(), np.asarray(build(theirs))
        assert np.array_equal(got, wanted) and got.dtype == wanted.dtype
        assert ours.state == theirs.bit_generator.state


@pytest.mark.parametrize("name", CASES)
def test_every_distribution(name: str) -> None:
    for seed in SEEDS:
        for given in CASES[name]:
            for size in (None, 5, (2, 3), (), (0, 2)):
                check(lambda r, g=given, s=size: getattr(r, name)(*g, size=s), seed)


@pytest.mark.parametrize("name", [name for name, (given, *_) in CASES.items() if given])
def test_parameters_are_arrays_and_variables(name: str) -> None:
    for given in CASES[name]:
        arrays = [np.array([[value], [value]]) for value in given]
        arrays[-1] = np.repeat(arrays[-1], 3, axis=1)
        variables = [ga.matrix(dtype=a.dtype) for a in arrays]
        for size in (None, (2, 3), (4, 2, 3)):
            check(lambda r, a=arrays, s=size: getattr(r, name)(*a, size=s), 3, calls=1)
            ours, theirs = pair(3)
            drawn = ga.function(variables, getattr(ours, name)(*variables, size=size))
            wanted = getattr(theirs, name)(*arrays, size=size)
            assert np.array_equal(drawn(*arrays), wanted)
            assert ours.state == theirs.bit_generator.state


A = np.arange(24.0).reshape(2, 3, 4)
PVALS = [0.2, 0.3, 0.5]


def shuffled(generator: Any, axis: int) -> Any:
    if isinstance(generator, np.random.Generator):
        array = A.copy()
        generator.shuffle(array, axis=axis)
        return array
    return generator.shuffle(A, axis=axis)


SIZED = {
    "choice of numbers": lambda r, s: r.choice(5, s),
    "choice without replacement": lambda r, s: r.choice(np.arange(9.0), s, replace=False),
    "choice in order": lambda r, s: r.choice(9, s, replace=False, shuffle=False),
    "choice of slices": lambda r, s: r.choice(A, s, axis=1, p=PVALS),
    "choice of few": lambda r, s: r.choice(6, s, False, [0.1, 0.2, 0.1, 0.3, 0.2, 0.1]),
    "multinomial": lambda r, s: r.multinomial(5, PVALS, s),
    "colors": lambda r, s: r.multivariate_hypergeometric([4, 5, 6], 7, s),
    "colors, counted": lambda r, s: r.multivariate_hypergeometric([4, 5], 7, s, method="count"),
    "dirichlet": lambda r, s: r.dirichlet([4, 5, 0.6], s),
    "dirichlet, small": lambda r, s: r.dirichlet([0.04, 0.05], s),
    "svd": lambda r, s: r.multivariate_normal([4, 5.0], [[2.0, 1], [1, 3]], s),
    "eigh": lambda r, s: r.multivariate_normal([4, 5.0], [[2, 1], [1, 3]], s, method="eigh"),
    "cholesky": lambda r, s: r.multivariate_normal(
        [4, 5.0], [[2, 1], [1, 3.0]], s, "ignore", method="cholesky"
    ),
    "inverse": lambda r, s: r.standard_exponential(s, method="inv"),
    "endpoint": lambda r, s: r.integers(7, size=s, endpoint=True),
}
WHOLE = {
    "n": lambda r: r.permutation(7),
    "vector": lambda r: r.permutation(np.arange(5.0)),
    "all": lambda r: r.permuted(A),
    "trials": lambda r: r.multinomial([5, 6], [PVALS, [0.1, 0.1, 0.8]]),
    "ends": lambda r: r.integers([0, 1, 2], [[4], [5]]),
}
WHOLE |= {f"permutation {i}": lambda r, i=i: r.permutation(A, axis=i) for i in (0, 1, -1)}
WHOLE |= {f"permuted {i}": lambda r, i=i: r.permuted(A, axis=i) for i in (0, 1, -1)}
WHOLE |= {f"shuffle {i}": lambda r, i=i: shuffled(r, i) for i in (0, 1, -1)}
TYPED = [(name, dtype) for name in ("random", "standard_normal", "standard_exponential")
         for dtype in ("float32", "float64")]  # fmt: skip


@pytest.mark.parametrize("name", SIZED)
def test_choices_and_vectors(name: str) -> None:
    for size in (None, 3, (2, 2)):
        check(lambda r, s=size: SIZED[name](r, s), 5)


@pytest.mark.parametrize("name", WHOLE)
def test_permutations(name: str) -> None:
    check(WHOLE[name], 6)


@pytest.mark.parametrize(("name", "dtype"), TYPED)
def test_floats_of_two_sizes(name: str, dtype: str) -> None:
    check(lambda r: getattr(r, name)(5, dtype=dtype), 7)
    check(lambda r: r.standard_gamma(2.0, 5, dtype=dtype), 7)


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "uint8", "uint64", "bool"])
def test_integers_of_each_dtype(dtype: str) -> None:
    for high in (1, 2):  # 32 spare bits of one call are used by the next
        check(lambda r, h=high: r.integers(0, h, size=3, dtype=dtype), 8, calls=3)
    check(lambda r: r.integers(0, 1, size=7, dtype=dtype, endpoint=True), 8)


def test_every_method_is_tested_here() -> None:
    named = {*CASES, "choice", "permutation", "permuted", "shuffle", "dirichlet", "multinomial",
             "multivariate_normal", "multivariate_hypergeometric"}  # fmt: skip
    assert named == set(METHODS)
    theirs = {n for n in dir(np.random.Generator) if not n.startswith("_")}
    assert theirs - named - set(dir(ga.random.Generator)) == {"bit_generator", "bytes"}


def test_signatures_are_numpys() -> None:
    for name in METHODS:
        wanted = inspect.signature(getattr(np.random.Generator, name))
        got = inspect.signature(getattr(ga.random.Generator, name))
        keywords = [p.name for p in wanted.parameters.values()]
        assert [p.name for p in got.parameters.values()] == keywords, name
        for p in wanted.parameters.values():
            default = got.parameters[p.name].default
            assert default == p.default or default is p.default, (name, p.name)
            assert got.parameters[p.name].kind == p.kind


def test_a_sequence_of_different_draws() -> None:
    def build(r: Any) -> list[Any]:
        return [r.normal(size=3), r.integers(10, size=3), r.gamma(2.0, size=2), r.permutation(4),
                r.uniform(), r.choice(5, 2)]  # fmt: skip

    ours, theirs = pair(1)
    drawn = ga.function([], build(ours))
    for _ in range(3):
        for got, wanted in zip(drawn(), build(theirs), strict=True):
            assert np.array_equal(got, wanted)
    assert ours.state == theirs.bit_generator.state


@pytest.mark.parametrize("backend", ["auto", "numpy", "interpreter", "llvm"])
def test_backends_agree(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    x = ga.matrix("x")
    ours, theirs = pair(2)
    y = ga.tanh(x + ours.normal(size=x.shape)) * ours.random(x.shape)
    drawn = ga.function([x], y, backend=backend, debug=True)
    for n in (2, 3):
        a = np.ones((n, 4))
        wanted = np.tanh(a + theirs.normal(size=a.shape)) * theirs.random(a.shape)
        np.testing.assert_allclose(drawn(a), wanted, rtol=1e-14)
    assert ours.state == theirs.bit_generator.state


def test_sizes_from_arrays_and_numbers_known_in_the_call() -> None:
    x, n = ga.matrix("x", shape=("batch", 3)), ga.scalar("n", dtype="int64")
    ours, theirs = pair(4)
    draws = [ours.normal(size=x.shape), ours.normal(size=(x.shape[0], 2)), ours.random(n),
             ours.choice(n, size=4), ours.permutation(x), ours.permuted(x, axis=1),
             ours.permutation(n)]  # fmt: skip
    assert draws[0].type is x.type
    drawn = ga.function([x, n], draws)
    a = np.arange(12.0).reshape(4, 3)
    wanted = [theirs.normal(size=(4, 3)), theirs.normal(size=(4, 2)), theirs.random(5),
              theirs.choice(5, size=4), theirs.permutation(a), theirs.permuted(a, axis=1),
              theirs.permutation(5)]  # fmt: skip
    for got, value in zip(drawn(a, 5), wanted, strict=True):
        assert np.array_equal(got, value)


@pytest.mark.full
@pytest.mark.parametrize("name", CASES)
def test_many_seeds_and_calls(name: str) -> None:
    for seed in range(200):
        for given in CASES[name]:
            check(lambda r, g=given: getattr(r, name)(*g, size=7), [seed, 1], calls=5)
