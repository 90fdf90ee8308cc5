"""jit and trace: signatures, paths, warnings."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import GraphadWarning, TracerError, UseError


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def branches(x: Any) -> Any:
    y = x**2 if x[0] > 0 else -x
    if x[1] > 0:
        y = y * 3 * x[0]
    if np.sum(x) > 0:
        return np.sum(y)
    return np.sum(y) * 5


def test_three_branches_have_at_most_eight_paths(rng: Any = None) -> None:
    rng = np.random.default_rng(0)
    values, slopes = ga.jit(branches), ga.jit(ga.grad(branches))
    curved = ga.jit(ga.grad(lambda x: np.sum(ga.grad(branches)(x) ** 2)))
    plain = ga.grad(lambda x: np.sum(ga.grad(branches)(x) ** 2))
    for _ in range(150):
        x = rng.normal(size=2)
        close(values(x), branches(x))
        close(slopes(x), ga.grad(branches)(x))
        close(curved(x), plain(x))
    for f in (values, slopes, curved):
        assert 4 <= f.cache_info().paths <= 8
        assert f.cache_info()[:2] == (149, 1)


def test_one_program_for_each_signature() -> None:
    f = ga.jit(lambda x, p: np.sum(x) * p["a"])
    f(np.ones(3), {"a": 1.0})
    f(np.zeros(3), {"a": 2.0})
    f(np.zeros(4), {"a": 2.0})
    f(np.zeros(4, "float32"), {"a": 2.0})
    assert f.cache_info()[:4] == (1, 3, 64, 3)
    f.cache_clear()
    assert f.cache_info() == (0, 0, 64, 0, 0)


def test_the_cache_is_bounded() -> None:
    f = ga.jit(lambda x: x + 1, maxsize=2)
    for n in (1, 2, 3, 2, 3):
        f(np.ones(n))
    assert f.cache_info()[:4] == (2, 3, 2, 2)


def test_symbolic_sizes() -> None:
    f = ga.jit(lambda x, w: np.sum(x @ w, axis=0), dims={"x": ("n", None)})
    for n in (3, 5, 1):
        x, w = np.random.default_rng(n).normal(size=(n, 2)), np.ones((2, 2))
        close(f(x, w), np.sum(x @ w, axis=0))
    assert f.cache_info().currsize == 1
    g = ga.jit(lambda p, y: np.sum(p["a"]) * y, dims=[{"a": ("n",)}])
    g({"a": np.ones(2)}, 1.0)
    assert g({"a": np.ones(3)}, 2.0) == 6.0 and g.cache_info().currsize == 1


def test_static_arguments() -> None:
    traced = []

    def f(x: Any, n: int, how: str = "sum") -> Any:
        traced.append((n, how))
        total = x
        for _ in range(n):
            total = total * x
        return getattr(np, how)(total)

    g = ga.jit(f, static_argnums=1)
    close(g(np.full(2, 2.0), 2), 16.0)
    close(g(np.full(2, 2.0), 2, how="max"), 8.0)
    close(g(np.full(2, 3.0), 2), 54.0)
    assert traced == [(2, "sum"), (2, "max")]
    by_name = ga.jit(f, static_argnames="n")
    close(by_name(np.full(2, 2.0), 2), 16.0)
    close(by_name(np.full(2, 2.0), n=2), 16.0)


def test_trip_counts_that_depend_on_data() -> None:
    @ga.jit
    def root(x: Any) -> Any:
        y = x
        while abs(y * y - x) > 1e-12 * x:
            y = 0.5 * (y + x / y)
        return y

    for x in np.random.default_rng(1).uniform(0.1, 1000, 40):
        close(root(x), np.sqrt(x))
        np.testing.assert_allclose(ga.grad(root)(x), 0.5 / np.sqrt(x), rtol=1e-6)
    assert root.cache_info().misses == 1


def test_too_many_paths_run_node_by_node_and_say_where() -> None:
    f = ga.jit(lambda x: x * float(x), max_paths=3)
    with pytest.warns(GraphadWarning, match="more than 3 different paths.*float at .*test_jit"):
        for x in range(6):
            assert f(float(x)) == x * x
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(9.0) == 81.0


def test_shapes_that_change_are_told() -> None:
    f = ga.jit(lambda x, y: np.sum(x) * y)
    with pytest.warns(GraphadWarning, match=r"8 times because of x.*dims=\{'x': \('n0',\)\}"):
        for n in range(12):
            f(np.ones(n), 1.0)


def test_a_path_that_fails_where_its_guard_does_not_hold() -> None:
    @ga.jit
    def f(a: Any) -> Any:
        if a[0, 0] > 0:
            return np.sum(np.linalg.cholesky(a))
        return np.sum(a)

    assert f(np.eye(2)) == 2.0
    assert f(-np.eye(2)) == -2.0
    assert f(np.eye(2)) == 2.0
    with pytest.raises(Exception, match="positive definite"):
        f(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_a_function_that_is_not_pure_is_found_out() -> None:
    runs = []

    @ga.jit
    def impure(x: Any) -> Any:
        runs.append(1)
        if len(runs) > 1 and x > 1:
            return x
        return x if x > 2 else -x

    assert impure(3.0) == 3.0
    with pytest.raises(TracerError, match="impure decides differently"):
        impure(0.0)


SCALE = 2.0


def test_changes_of_what_it_reads_are_told_when_it_is_traced_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = globals()
    shift, weights = 1.0, np.ones(2)

    @ga.jit
    def f(x: Any) -> Any:
        return np.sum(x) * SCALE + shift + np.sum(weights)

    assert f(np.ones(2)) == 7.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(np.ones(3)) == 9.0  # nothing has changed
    monkeypatch.setitem(here, "SCALE", 3.0)
    assert f(np.ones(3)) == 9.0  # it is not run again: jit promises purity
    with pytest.warns(GraphadWarning, match="f reads SCALE, which has changed.*cache_clear"):
        assert f(np.ones(4)) == 15.0
    weights[0] = 5.0
    with pytest.warns(GraphadWarning, match="f reads weights"):
        assert f(np.ones(5)) == 22.0
    shift = 0.0
    with pytest.warns(GraphadWarning, match="f reads shift"):
        assert f(np.ones(6)) == 24.0
    f.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(np.ones(2)) == 12.0
        shift = 2.0
        f.cache_clear()
        assert f(np.ones(2)) == 14.0


def test_changes_of_what_a_derivative_reads_are_told() -> None:
    power = 2

    def f(x: Any) -> Any:
        return np.sum(x**power)

    slope = ga.jit(ga.grad(f))
    close(slope(np.ones(1)), [2.0])
    power = 3
    with pytest.warns(GraphadWarning, match="reads power"):
        close(slope(np.ones(2)), [3.0, 3.0])


def test_debug_finds_functions_that_are_not_pure() -> None:
    rng, counts = np.random.default_rng(0), [1.0, 1.0]

    @ga.jit(debug=True)
    def noisy(x: Any) -> Any:
        return np.sum(x + rng.normal(size=2))

    noisy(np.ones(2))
    with pytest.raises(TracerError, match=r"noisy computes something else .*float64\[2\]"):
        noisy(np.ones(2))

    @ga.jit(debug=True)
    def counting(x: Any) -> Any:
        counts[0] += 1.0
        return x * counts[0]

    counting(3.0)
    with pytest.raises(TracerError, match=r"counting .*: 2\.0 has become 3\.0"):
        counting(3.0)

    @ga.jit(debug=True)
    def growing(x: Any) -> Any:
        for _ in counts:
            x = np.sin(x)
        return x

    growing(3.0)
    counts.append(1.0)
    with pytest.raises(TracerError, match=r"growing .*the graph is another one"):
        growing(3.0)


def test_debug_leaves_pure_functions_alone() -> None:
    runs = []

    @ga.jit(debug=True)
    def f(x: Any, p: Any) -> Any:
        runs.append(1)
        y = np.sin(x) @ np.ones((2, 2))
        return {"y": y * p["w"] if p["w"] > 1 else y, "k": np.eye(2)}

    for w in (2.0, 2.0, 0.5, 3.0, 0.1):
        found = f(np.ones(2), {"w": w})
        close(found["y"], np.sin(1.0) * 2 * np.ones(2) * (w if w > 1 else 1.0))
    assert len(runs) >= 5
    assert f.cache_info().paths == 2


def test_inside_another_transformation_it_is_part_of_the_graph() -> None:
    f = ga.jit(lambda x: x**2 if x > 0 else -x)
    assert ga.grad(f)(3.0) == 6.0 and ga.grad(f)(-3.0) == -1.0
    g = ga.jit(ga.grad(ga.jit(ga.grad(f))))
    assert g(3.0) == 2.0 and g(-3.0) == 0.0
    assert ga.grad(lambda x: x * ga.jit(lambda y: x * y)(2.0))(3.0) == 12.0


def test_methods_and_results_of_any_kind() -> None:
    class Model:
        scale = 2.0

        @ga.jit
        def apply(self, x: Any) -> Any:
            return {"y": x * self.scale, "note": None, "k": 3}

    found = Model().apply(np.ones(2))
    close(found["y"], [2.0, 2.0])
    assert found["note"] is None and found["k"] == 3


def test_arguments_that_cannot_be() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(UseError, match="o is Odd"):
        ga.jit(lambda x, o: x)(1.0, Odd())
    with pytest.raises(UseError, match="tier"):
        ga.jit(lambda x: x, tier="fast")


def test_trace_gives_a_graph_with_structure() -> None:
    def f(x: Any, p: Any) -> Any:
        return {"y": x * p["w"], "z": [np.sum(x)]} if x[0] > 0 else x

    graph = ga.trace(f, np.ones(3), {"w": 2.0})
    assert [v.name for v in graph.inputs] == ["x", "p['w']"]
    assert set(graph.result) == {"y", "z"}
    assert [(kind, outcome) for _, kind, outcome in graph.decisions] == [("bool", True)]
    assert "test_jit.py" in str(graph.decisions[0][0])
    found = graph.function()(np.ones(3), 4.0)
    close(found["y"], [4.0] * 3)
    again = pickle.loads(pickle.dumps(graph))
    assert again == graph and set(again.result) == {"y", "z"}
    assert not any(v.tracing is not None for v in ga.graph.ancestors(list(graph.outputs)))


def test_trace_with_types_alone() -> None:
    graph = ga.trace(lambda x: np.sum(x**2), ga.TensorType("float64", ("n",)))
    assert graph.function()(np.arange(3.0)) == 5.0
    with pytest.raises(UseError, match="truth value"):
        ga.trace(lambda x: x if x > 0 else -x, ga.TensorType("float64"))
    assert int(ga.trace(ga.constant([[1, 2], [3, 4]])).eval()) == 5


def test_a_path_gets_a_program_when_it_is_taken_again() -> None:
    decide = ga.jit(lambda x: x * 2 if x > 0 else x * 3 if x < -5 else x - 1)
    (paths,) = [decide(1.0), *decide._cache.values()][1:]

    def programs() -> int:
        return sum([path.function is not None for path in paths._all()])

    assert [float(decide(x)) for x in (2.0, -1.0, 3.0, -6.0, 4.0)] == [4.0, -2.0, 6.0, -18.0, 8.0]
    assert (paths.count, programs()) == (3, 1)
    assert [float(decide(x)) for x in (-6.0, -7.0, -2.0)] == [-18.0, -21.0, -3.0]
    assert (paths.count, programs()) == (3, 3)
