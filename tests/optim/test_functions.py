"""Minimising Python functions of arrays: own rules and SciPy's methods, on nested parameters."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad as ga
from graphad.errors import ShapeError, UseError
from graphad.optim.vectors import Layout

METHODS = (
    "CG BFGS L-BFGS-B TNC SLSQP Newton-CG trust-ncg trust-krylov trust-constr dogleg trust-exact"
).split()


class Pair(NamedTuple):
    """Two parameters."""

    x: Any
    y: Any


def rosenbrock(p: Any) -> Any:
    return (1.0 - p.x) ** 2 + 100.0 * (p.y - p.x**2) ** 2


def logistic_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    return x, np.where(x @ [1.0, -2.0, 0.5] + 0.3 + rng.normal(size=60) > 0, 1.0, -1.0)


def logistic(p: Any, x: Any, y: Any) -> Any:
    return np.sum(np.logaddexp(0.0, -y * (x @ p["w"] + p["b"]))) + 0.5 * np.sum(p["w"] ** 2)


def logistic_slope(p: Any, x: Any, y: Any) -> Any:
    r = -y / (1.0 + np.exp(y * (x @ p["w"] + p["b"])))
    return {"w": x.T @ r + p["w"], "b": np.sum(r)}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_solves_rosenbrock(method: str) -> None:
    start = Pair(np.float64(-0.5), np.float64(0.5)) if method != "dogleg" else Pair(1.5, 2.2)
    options = {"maxfun" if method == "TNC" else "maxiter": 1000}
    found = ga.optim.minimize(rosenbrock, start, method=method, tol=1e-12, options=options)
    assert isinstance(found.x, Pair)
    np.testing.assert_allclose(found.x, [1.0, 1.0], atol=2e-4)
    assert found.history.size >= found.steps - 1 > 0


@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-exact"])
def test_logistic_regression(method: str) -> None:
    data = logistic_data()
    start = {"w": np.zeros(3), "b": 0.0}
    found = ga.optim.minimize(logistic, start, args=data, method=method, tol=1e-10)
    slope = logistic_slope(found.x, *data)
    assert np.max(np.abs([*slope["w"], slope["b"]])) < 1e-4
    own = ga.optim.adam(logistic, start, args=data, lr=0.1, steps=400, gtol=1e-3)
    np.testing.assert_allclose(own.x["w"], found.x["w"], atol=1e-3)
    assert "gtol" in own.reason and own.success and own.steps < 400


@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG"])
def test_the_function_runs_once_at_each_point(method: str) -> None:
    data, runs = logistic_data(), []

    def counted(p: Any) -> tuple[Any, Any]:
        runs.append(p)
        return logistic(p, *data), logistic_slope(p, *data)

    start = {"w": np.zeros(3), "b": 0.0}
    if method == "L-BFGS-B":
        found = ga.optim.minimize(counted, start, jac=True)
        assert len(runs) == found.details.nfev
    else:
        with pytest.raises(UseError, match="Newton-CG"):
            ga.optim.minimize(counted, start, jac=True, method=method)


def test_products_with_the_hessian_are_exact() -> None:
    layout = Layout(Pair(0.3, -0.2))
    points = ga.optim.minimise._Points(rosenbrock, (), False, layout, second=True)
    x = np.array([0.3, -0.2])
    exact = [[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200.0]]
    np.testing.assert_allclose(points.matrix(x), exact, rtol=1e-12)


def test_methods_without_derivatives() -> None:
    found = ga.optim.minimize(lambda p: float((p["a"] - 2) ** 2), {"a": 0}, method="Nelder-Mead")
    assert abs(found.x["a"] - 2) < 1e-3


def test_bounds_hold_for_each_number() -> None:
    found = ga.optim.minimize(lambda p: np.sum((p - 3.0) ** 2), np.zeros(2), bounds=(0.0, 1.0))
    assert found.x.tolist() == [1.0, 1.0]


def test_callback_sees_containers_and_can_stop() -> None:
    states: list[ga.optim.State] = []

    def watch(state: ga.optim.State) -> bool:
        states.append(state)
        return state.step == 3

    found = ga.optim.sgd(lambda p: (p["a"] ** 2).sum(), {"a": np.ones(2)}, lr=0.1, callback=watch)
    assert [s.step for s in states] == [0, 1, 2, 3] and found.steps == 3
    assert "callback" in found.reason
    np.testing.assert_allclose(states[0].gradient["a"], [2.0, 2.0])
    np.testing.assert_allclose([s.value for s in states], found.history)
    states.clear()
    ga.optim.minimize(lambda p: (p["a"] ** 4).sum(), {"a": np.ones(2)}, callback=watch)
    assert [s.step for s in states] == [1, 2, 3]
    assert states[0].gradient is not None and states[0].gradient["a"].shape == (2,)


def test_stop_criteria_and_history() -> None:
    found = ga.optim.sgd(lambda x: x**2, 1.0, lr=0.25, ftol=1e-6)
    assert "ftol" in found.reason and found.steps < 100
    assert ga.optim.sgd(lambda x: x**2, 1.0, history=False).history.size == 0
    diverged = ga.optim.sgd(lambda x: x**4, 10.0, lr=1.0)
    assert not diverged.success and "smaller lr" in diverged.reason


def test_arguments_may_depend_on_the_step() -> None:
    data = np.arange(6.0)
    found = ga.optim.sgd(
        lambda w, batch: np.mean((w - batch) ** 2), 0.0, lr=0.5, steps=3,
        args=lambda step: (data[2 * step % 6 : 2 * step % 6 + 2],),
    )  # fmt: skip
    assert found.x == pytest.approx(4.5)


def test_types_and_containers_come_back() -> None:
    start = {"f": np.ones(2, "float32"), "n": 3, "z": np.array([1.0 + 1.0j])}
    found = ga.optim.sgd(
        lambda p: np.sum(p["f"] ** 2) + p["n"] ** 2 + np.sum(np.abs(p["z"]) ** 2), start,
        lr=0.25, steps=1,
    )  # fmt: skip
    assert found.x["f"].dtype == "float32" and found.x["z"].dtype == "complex128"
    np.testing.assert_allclose(found.x["f"], 0.5)
    assert found.x["n"] == 1.5
    np.testing.assert_allclose(found.x["z"], 0.5 + 0.5j)


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    ga.optim.sgd(lambda x: x**2, 1.0, steps=3, progress=True)
    assert "3/3" in capsys.readouterr().err


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UseError, match="no parameters"):
        ga.optim.sgd(lambda p: 0.0, {})
    with pytest.raises(UseError, match="method='SGD'"):
        ga.optim.minimize(lambda x: x, 1.0, method="SGD")
    with pytest.raises(UseError, match="jac=True"):
        ga.optim.sgd(lambda x: x**2, 1.0, jac=True)
    with pytest.raises(ShapeError, match="the gradient"):
        ga.optim.sgd(lambda x: (0.0, np.ones(3)), np.ones(2), jac=True)
    with pytest.raises(UseError, match="steps="):
        ga.optim.sgd(lambda x: x**2, 1.0, steps=-1)
    with pytest.raises(UseError, match="structure"):
        ga.optim.sgd(lambda p: (0.0, [1.0]), {"a": 1.0}, jac=True)
