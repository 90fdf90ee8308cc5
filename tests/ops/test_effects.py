"""Effects: when they run, how often, in which order; what they say; that derivatives pass."""

import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import FailedAssertionError, UseError

BACKENDS = ["auto", "numpy", "interpreter", "llvm"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return str(request.param)


class Log(list):
    """What was seen, in order."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def sees(self, label: str) -> Callable[..., None]:
        return lambda *values: self.append((label, *[np.asarray(v).tolist() for v in values]))


# ---- printing ----------------------------------------------------------------------------------
def test_printed_where_used(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    x = ga.vector("x")
    y = ga.print_(x, "x") * 2
    f = ga.function([x], ga.print_(y.sum(), "total"), backend=backend)
    assert f([1.0, 2.0]) == 6.0
    assert capsys.readouterr().out == "x = [1. 2.]\ntotal = 6.0\n"
    g = ga.function([x], x.sum(), backend=backend)  # the printed one is not used here
    g([1.0])
    assert capsys.readouterr().out == ""


def test_names_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    x = ga.matrix("x")
    ga.function([x], [ga.print_(x), ga.print_(x * 1.0), ga.print_(x.sum(), "s")])(np.eye(2))
    assert (
        capsys.readouterr().out == "x = \n[[1. 0.]\n [0. 1.]]\n" + "[[1. 0.]\n [0. 1.]]\ns = 2.0\n"
    )
    with pytest.raises(UseError, match="the name is 3"):
        ga.print_(x, 3)


# ---- how often and in which order --------------------------------------------------------------
def test_equal_effects_are_not_merged(backend: str) -> None:
    log, x = Log(), ga.vector("x")
    see = log.sees("x")
    f = ga.function([x], ga.callback(see, x) + ga.callback(see, x), backend=backend)
    f([1.0])
    assert log == [("x", [1.0])] * 2


def test_effects_of_constants_run_in_each_call(backend: str) -> None:
    log = Log()
    f = ga.function([], ga.callback(log.sees("c"), ga.constant([1.0, 2.0])) * 2, backend=backend)
    assert np.array_equal(f(), [2.0, 4.0]) and np.array_equal(f(), [2.0, 4.0])
    assert log == [("c", [1.0, 2.0])] * 2


def test_one_effect_runs_once_though_its_result_is_used_twice(backend: str) -> None:
    log, x = Log(), ga.vector("x")
    y = ga.callback(log.sees("x"), x)
    f = ga.function([x], [y + 1, y * y, y], backend=backend)
    a = np.array([2.0])
    results = f(a)
    assert len(log) == 1 and results[2] is not a
    results[2][0] = 7.0
    assert a[0] == 2.0


@pytest.mark.parametrize("turned", [False, True])
def test_after(backend: str, turned: bool) -> None:
    log, x = Log(), ga.scalar("x")
    first = ga.callback(log.sees("first"), x)
    second = ga.callback(log.sees("second"), ga.after(x * 2, first))
    third = ga.callback(log.sees("third"), ga.after(ga.constant(0.0), first, second))
    outputs = [third, second, first] if turned else [first, second, third]
    f = ga.function([x], outputs, backend=backend)
    f(1.0)
    assert log == [("first", 1.0), ("second", 2.0), ("third", 0.0)]


def test_after_makes_an_effect_happen_that_nothing_else_uses(backend: str) -> None:
    log, x = Log(), ga.vector("x")
    effect = ga.callback(log.sees("e"), x.sum())
    f = ga.function([x], ga.after(x * 2, effect), backend=backend, debug=True)
    assert f([1.0, 2.0]).tolist() == [2.0, 4.0]
    assert log == [("e", 3.0)]
    assert ga.after(x) is x


def test_effects_in_long_programs() -> None:
    log, x = Log(), ga.scalar("x")
    y = x
    for i in range(3000):
        y = y + 1
        if i % 500 == 0:
            y = ga.callback(log.sees("y"), y)
    ga.function([x], y)(0.0)
    assert log == [("y", 1.0 + i) for i in range(0, 3000, 500)]


# ---- derivatives -------------------------------------------------------------------------------
def test_derivatives_pass_and_repeat_nothing(backend: str) -> None:
    log, x = Log(), ga.vector("x")
    y = ga.callback(log.sees("x"), x)
    y = ga.assert_(y > 0, "positive", value=y)
    y = ga.after(ga.print_(y, "y"), x)
    cost = (y**3).sum()
    slope = ga.grad(cost, x)
    curve = ga.jvp(slope, x, ga.constant([1.0, 1.0]))
    f = ga.function([x], [cost, slope, curve], backend=backend)
    values = f([1.0, 2.0])
    for got, wanted in zip(values, (9.0, [3.0, 12.0], [6.0, 12.0]), strict=True):
        np.testing.assert_allclose(got, wanted)
    assert log == [("x", [1.0, 2.0])]


# ---- assertions --------------------------------------------------------------------------------
def test_a_failed_assertion_tells_message_line_and_values(backend: str) -> None:
    x, limit = ga.matrix("x"), ga.scalar("limit")
    state = ga.shared(0.0, name="state")
    safe = ga.assert_(x < limit, "x must stay below limit", value=x)
    f = ga.function([x, limit], safe.sum(), updates={state: state + 1}, backend=backend)
    assert f([[1.0, 2.0]], 3.0) == 3.0
    with pytest.raises(FailedAssertionError) as caught:
        f([[1.0, 2.0], [3.0, 5.0]], 3.0)
    error = caught.value
    assert isinstance(error, AssertionError) and error.what == "x must stay below limit"
    assert error.cause == (
        "2 of 4 elements are false, the first at [1, 0], where x is 3.0, limit is 3.0"
    )
    assert "test_effects.py:" in error.where
    assert float(state.value) == 1.0  # a call that fails changes nothing


def test_conditions(backend: str) -> None:
    x = ga.scalar("x")
    f = ga.function([x], ga.assert_(x + 1), backend=backend)  # a number is true unless it is 0
    assert f(1.0) == 2.0
    with pytest.raises(FailedAssertionError, match="an assertion does not hold"):
        f(-1.0)
    g = ga.function([x], ga.assert_(False, "never", value=x), backend=backend)
    with pytest.raises(FailedAssertionError, match="never"):
        g(1.0)
    h = ga.function([x], ga.assert_(np.zeros(0, bool), "nothing to say", value=x))
    assert h(2.0) == 2.0
    with pytest.raises(FailedAssertionError, match="by eval"):
        ga.assert_(x > 0, "by eval").eval({x: -1.0})
    with pytest.raises(UseError, match="the message is"):
        ga.assert_(x, x > 0)


# ---- callbacks ---------------------------------------------------------------------------------
def test_callbacks_get_copies_that_cannot_be_written(backend: str) -> None:
    kept: list[Any] = []
    x, y = ga.vector("x"), ga.scalar("y")
    f = ga.function([x, y], ga.callback(lambda *v: kept.append(v), x * 2, y, x) + 1,
                    backend=backend)  # fmt: skip
    a = np.array([1.0, 2.0])
    f(a, 3.0)
    f(a * 5, 4.0)
    (first, number, second), _ = kept
    assert type(first) is np.ndarray and isinstance(number, np.float64)
    assert first.tolist() == [2.0, 4.0] and second.tolist() == [1.0, 2.0] and number == 3.0
    assert not np.shares_memory(second, a)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1.0


@pytest.mark.parametrize("kind", [KeyError, ValueError, ZeroDivisionError])
def test_an_exception_in_a_callback_reaches_the_user(kind: type[Exception], backend: str) -> None:
    def fail(value: Any) -> None:
        raise kind("shape of things to come")

    x = ga.scalar("x")
    f = ga.function([x], ga.callback(fail, x) * 2, backend=backend)
    with pytest.raises(kind, match="shape of things to come") as caught:
        f(1.0)
    assert type(caught.value) is kind
    notes = "\n".join(caught.value.__notes__)
    assert "raised in the callback fail" in notes and "test_effects.py:" in notes
    with pytest.raises(kind):
        ga.callback(fail, x).eval({x: 1.0})


def test_what_is_no_callback() -> None:
    x = ga.scalar("x")
    with pytest.raises(UseError, match="the function comes first"):
        ga.callback(x, print)
    with pytest.raises(UseError, match="have no hash"):
        ga.callback(type("Unhashable", (), {"__hash__": None, "__call__": print})(), x)


def test_pickles_and_threads() -> None:
    x = ga.vector("x")
    y = ga.callback(np.sum, ga.assert_(x > 0, "positive", value=x))
    f = pickle.loads(pickle.dumps(ga.function([x], ga.after(y, y))))
    assert f([1.0]).tolist() == [1.0]
    log = Log()
    g = ga.function([x], ga.callback(log.sees("x"), x))
    threads = [threading.Thread(target=g, args=([float(i)],)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(log) == [("x", [float(i)]) for i in range(8)]


# ---- in loops, branches and checkpoints ---------------------------------------------------------
def test_effects_in_loops_run_at_each_step(backend: str) -> None:
    """Also those of what is the same at every step, which is otherwise computed before."""
    log, x = Log(), ga.scalar("x")

    def step(c: Any, row: Any) -> Any:
        same = ga.callback(log.sees("same"), x * 2)
        return ga.callback(log.sees("c"), c + row * same), None

    last, _ = ga.scan(step, 0.0, ga.constant([1.0, 10.0]))
    f = ga.function([x], [last, ga.grad(last, x)], backend=backend)
    assert f(3.0) == [66.0, 22.0]
    assert sorted(log) == [("c", 6.0), ("c", 66.0), ("same", 6.0), ("same", 6.0)]


@pytest.mark.parametrize("both", [True, False])
def test_derivatives_of_loops_repeat_no_effects(both: bool) -> None:
    """The loop that records what the backward loop reads is one with the loop itself."""
    log, x = Log(), ga.scalar("x")
    last, _ = ga.scan(lambda c, _: (ga.sin(ga.callback(log.sees("c"), c)), None), x, length=4)
    slope = ga.grad(last, x)
    ga.function([x], [last, slope] if both else slope)(1.0)
    assert len(log) == 4


def test_only_the_branch_taken_acts(backend: str) -> None:
    log, x = Log(), ga.scalar("x")
    y = ga.cond(
        x > 0, lambda: ga.callback(log.sees("yes"), x), lambda: ga.callback(log.sees("no"), x)
    )
    f = ga.function([x], y, backend=backend)
    f(1.0)
    f(-1.0)
    assert log == [("yes", 1.0), ("no", -1.0)]


def test_an_assertion_in_a_loop_tells_the_line(backend: str) -> None:
    x = ga.scalar("x")
    last = ga.fori_loop(0, 5, lambda i, c: ga.assert_(c < 4, "too large", value=c * 2), x)
    f = ga.function([x], last, backend=backend)
    with pytest.raises(FailedAssertionError, match="too large") as caught:
        f(1.0)
    assert "test_effects.py:" in caught.value.where
    assert f(0.0) == 0.0


PARTS: dict[str, Callable[[Any, Any], Any]] = {
    "checkpoint": lambda f, x: ga.checkpoint(f)(x),
    "cond": lambda f, x: ga.cond(x > 0, lambda: f(x), lambda: x),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_are_computed_again_do_not_repeat_their_effects(
    name: str, backend: str
) -> None:
    log, x = Log(), ga.scalar("x")

    def part(v: Any) -> Any:
        return ga.sin(ga.callback(log.sees("v"), ga.assert_(v < 2, "below 2", value=v)))

    y = PARTS[name](part, x)
    slope = ga.grad(y, x)
    f = ga.function([x], [y, slope, ga.grad(slope, x)], backend=backend)
    np.testing.assert_allclose(f(1.0), [np.sin(1.0), np.cos(1.0), -np.sin(1.0)])
    assert log == [("v", 1.0)]
    with pytest.raises(FailedAssertionError):  # what is checked is checked again
        ga.function([x], slope, backend=backend)(3.0)


# ---- seen --------------------------------------------------------------------------------------
def test_visible_in_listings_and_pictures() -> None:
    x = ga.vector("x")
    y = ga.after(ga.callback(np.sum, ga.assert_(x > 0, "positive", value=ga.print_(x, "x"))), x)
    text = ga.listing(ga.Graph([x], [y]))
    for word in ("print_('x'; x)", "assert_('positive'; ", "callback(sum; ", "after("):
        assert word in text
    picture = ga.viz.to_dot(y)
    assert "print_" in picture and "assert_" in picture and "callback" in picture
    assert "print_" in ga.function([x], y).source


@pytest.mark.parametrize("backend", ["numpy", "llvm", "auto", "interpreter"])
@pytest.mark.parametrize("count", [2, 1, 1 << 17])
def test_effects_happen_once_where_kernels_do_not_fit(backend: str, count: int) -> None:
    """Sizes that broadcast only now, arrays in another order."""
    seen: list[float] = []
    a, b = ga.vector("a"), ga.vector("b")
    z = ga.callback(lambda v: seen.append(float(v)), a.mean())
    w = a[1:] * z
    y = ga.exp(ga.sin(w + b) * 2 + w)
    f = ga.function([a, b], [y, ga.grad(y.sum(), b)], backend=backend)
    g = ga.function([a, b], [y, ga.grad(y.sum(), b)], backend="interpreter")
    given = np.linspace(-1.0, 0.9, 3 if count < 3 else count + 1), np.ones(2 * count)[::2]
    expected = g(*given)
    seen.clear()
    for got, wanted in zip(f(*given), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
    assert len(seen) == 1
