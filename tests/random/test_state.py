"""What a call leaves behind: chained draws, shared generators, failures, pickles, threads."""

import doctest
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import graphad as ga
from graphad.ops.random.declare import METHODS


def test_an_unused_draw_shifts_nothing() -> None:
    x = ga.scalar("x")
    plain, ours = ga.random.default_rng(0), ga.random.default_rng(0)
    first = plain.normal(size=3)
    kept = [ours.uniform(0, x, size=4), ours.integers(10)]
    second = ours.normal(size=3)
    one, two = ga.function([], first), ga.function([], second)
    for _ in range(2):
        assert np.array_equal(one(), two())
        assert plain.state == ours.state
    assert np.array_equal(second.eval(), first.eval())
    assert len(kept) == 2


def test_a_draw_whose_numbers_feed_only_unused_draws_is_unused() -> None:
    ours, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    scale = ours.exponential(size=2)
    wide = ours.normal(0.0, scale)
    used = ours.random()
    assert float(ga.function([], used)()) == theirs.random()
    assert wide.ndim == 1


def test_eval_shows_what_comes_next_and_advances_nothing() -> None:
    rng = ga.random.default_rng(0)
    x = rng.normal()
    drawn = ga.function([], x)
    before = rng.state
    assert x.eval() == x.eval()
    assert rng.state == before
    assert x.eval() == drawn()
    assert x.eval() == drawn()


def test_two_functions_take_turns() -> None:
    rng, theirs = ga.random.default_rng(3), np.random.default_rng(3)
    f = ga.function([], rng.normal(size=2))
    g = ga.function([], rng.integers(100, size=3))
    for _ in range(3):
        assert np.array_equal(f(), theirs.normal(size=2))
        assert np.array_equal(g(), theirs.integers(100, size=3))


def test_draws_come_in_the_order_in_which_they_were_built() -> None:
    rng, theirs = ga.random.default_rng(3), np.random.default_rng(3)
    a, b, c = rng.random(), rng.random(), rng.random()
    got = ga.function([], [c, a, b])()
    assert [got[1], got[2], got[0]] == list(theirs.random(3))


def test_equal_draws_are_not_merged_but_one_draw_is_drawn_once() -> None:
    rng = ga.random.default_rng(0)
    a, b = rng.normal(size=2), rng.normal(size=2)
    x, y, z = ga.function([], [a, b, a + 0.0])()
    assert not np.any(x == y) and np.array_equal(x, z)


def test_updates_go_together_with_those_of_the_user() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    w = ga.shared(np.zeros(2), name="w")
    step = ga.function([], [], updates={w: w + rng.normal(size=2)})
    step()
    step()
    expected = theirs.normal(size=2)
    np.testing.assert_allclose(w.value, expected + theirs.normal(size=2))
    assert rng.state == theirs.bit_generator.state


def test_a_call_that_fails_advances_nothing() -> None:
    rng = ga.random.default_rng(0)
    x, s = ga.vector("x"), ga.scalar("s")
    f = ga.function([x, s], [rng.normal(0.0, s), x + rng.normal(size=3)])
    before = rng.state
    with pytest.raises(ga.GraphadError, match="scale < 0"):
        f([1.0, 2.0, 3.0], -1.0)
    with pytest.raises(ValueError):
        f([1.0, 2.0], 1.0)
    assert rng.state == before
    f([1.0, 2.0, 3.0], 1.0)
    assert rng.state != before


def test_state_is_read_and_written_as_numpys() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(9)
    theirs.integers(3, size=3, dtype="int32")  # leaves 32 spare bits
    rng.state = theirs.bit_generator.state
    drawn = ga.function([], rng.integers(3, size=5, dtype="int32"))
    assert np.array_equal(drawn(), theirs.integers(3, size=5, dtype="int32"))
    assert rng.state == theirs.bit_generator.state


def test_seeds() -> None:
    for seed in (5, [1, 2], np.random.SeedSequence(7), np.random.PCG64(3)):
        again = np.random.PCG64(3) if isinstance(seed, np.random.PCG64) else seed
        theirs = np.random.default_rng(again).bit_generator.state
        assert ga.random.default_rng(seed).state == theirs
    theirs = np.random.default_rng(1)
    theirs.normal()
    assert ga.random.default_rng(theirs).state == theirs.bit_generator.state
    rng = ga.random.default_rng(0)
    assert ga.random.default_rng(rng) is rng
    assert ga.random.default_rng().state != ga.random.default_rng().state


def test_independent_streams_are_numpys() -> None:
    ours, theirs = ga.random.default_rng(5).spawn(3), np.random.default_rng(5).spawn(3)
    f = ga.function([], [r.normal(size=2) for r in ours])
    for got, their in zip(f(), theirs, strict=True):
        assert np.array_equal(got, their.normal(size=2))
    assert len(ga.random.default_rng(5).split()) == 2


def test_reset() -> None:
    rng = ga.random.default_rng(0)
    f, g = ga.function([], rng.normal()), ga.function([], rng.normal())
    first = [f(), g(), f()]
    f.reset_rng(0)
    assert [f(), g(), f()] == first
    f.reset_rng(1)
    assert f() == np.random.default_rng(1).normal()


def test_reset_of_several_generators() -> None:
    a, b = ga.random.default_rng(0), ga.random.default_rng(1)
    f = ga.function([], [a.normal(), b.normal()])
    f.reset_rng(8)
    assert f() == [r.normal() for r in np.random.default_rng(8).spawn(2)]
    f.reset_rng([3, 4])
    assert f() == [np.random.default_rng(s).normal() for s in (3, 4)]
    with pytest.raises(ga.GraphadError, match="3 seeds for 2 generators"):
        f.reset_rng([1, 2, 3])
    with pytest.raises(ga.GraphadError, match="draws no random numbers"):
        ga.function([], ga.constant(1.0)).reset_rng(0)


def test_a_pickled_function_continues_the_stream() -> None:
    rng = ga.random.default_rng(0)
    f = ga.function([], rng.normal(size=2))
    g = ga.function([], rng.random())
    f()
    f2, g2, rng2 = pickle.loads(pickle.dumps((f, g, rng)))
    for _ in range(2):
        assert np.array_equal(f(), f2())
        assert g() == g2()
    assert rng.state == rng2.state
    f2()
    assert rng.state != rng2.state  # the copies share a state of their own
    assert np.array_equal(rng2.spawn(1)[0].normal().eval(), rng.spawn(1)[0].normal().eval())


def test_threads_take_turns() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    f = ga.function([], rng.random(size=4))
    found: list[np.ndarray] = []

    def work() -> None:
        for _ in range(25):
            found.append(f())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    rows = {tuple(row) for row in found}
    assert rows == {tuple(theirs.random(size=4)) for _ in range(100)}


def test_functions_of_generators_apart_run_in_several_threads() -> None:
    """The NumPy generator that draws belongs to the thread."""
    functions = [ga.function([], ga.random.default_rng(i).normal(size=500)) for i in range(4)]
    found: dict[int, list] = {}

    def work(i: int) -> None:
        found[i] = [functions[i]() for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(4):
        theirs = np.random.default_rng(i)
        assert all(np.array_equal(row, theirs.normal(size=500)) for row in found[i])


def test_a_generator_holds_no_graph() -> None:
    rng = ga.random.default_rng(0)
    x = ga.scalar("x")
    alive = weakref.ref(x)
    y = rng.normal(x)
    f = ga.function([x], y)
    gc.disable()
    try:
        for _ in range(3):
            z = rng.normal(y)
            del z
        assert len(rng.chain._built) <= 2
        del x, y, f
        assert alive() is None
    finally:
        gc.enable()
    assert rng.normal().owner.inputs[0] is rng.stream


def test_long_chains() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    draws = [rng.random() for _ in range(20_000)]
    last = ga.function([], draws[-1])
    assert last() == theirs.random()
    total = draws[0]
    for draw in draws[1:2000]:
        total = total + draw
    theirs = np.random.default_rng(0)
    rng.state = theirs.bit_generator.state
    np.testing.assert_allclose(ga.function([], total)(), theirs.random(2000).sum())


def test_copies_of_a_draw_draw_the_same_numbers() -> None:
    rng = ga.random.default_rng(0)
    mean, other = ga.scalar("mean"), ga.scalar("other")
    y = rng.normal(mean)
    (copy,) = ga.graph.replace([y], {mean: other})
    f = ga.function([mean, other], copy - y)
    assert f(1.0, 3.0) == pytest.approx(2.0, rel=1e-12)


def test_numbers_that_are_given_are_not_drawn() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    a = rng.normal(size=2)
    b = a + rng.random()
    fed = ga.function([a], b)
    for _ in range(2):
        np.testing.assert_allclose(fed([1.0, 2.0]), np.array([1.0, 2.0]) + theirs.random())
    assert rng.state == theirs.bit_generator.state
    none = ga.function([a], a * 2)
    none([1.0, 2.0])
    assert rng.state == theirs.bit_generator.state and not none.shared
    x = ga.vector("x", shape=(2,))
    other = ga.function([x], b, givens={a: x})
    np.testing.assert_allclose(other([1.0, 2.0]), np.array([1.0, 2.0]) + theirs.random())
    assert np.array_equal(b.eval({a: [0.0, 0.0]}), np.zeros(2) + theirs.random())


def test_a_state_may_be_an_argument() -> None:
    """A function of the state and its next value: nothing is updated by itself."""
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    x = rng.normal(size=2)
    f = ga.function([rng.stream], [x, x.owner.output(0)])
    state = rng.stream.value
    for _ in range(2):
        values, state = f(state)
        assert np.array_equal(values, theirs.normal(size=2))
    assert rng.state == np.random.default_rng(0).bit_generator.state


def test_looking_at_a_state_leaves_it() -> None:
    rng = ga.random.default_rng(0)
    before = rng.state
    seen, total = ga.function([], [rng.stream, rng.stream.max()])()
    assert np.array_equal(seen, rng.stream.value) and total == seen.max()
    assert rng.state == before


# ---- what repeats draws ------------------------------------------------------------------------
def test_gradients_of_draws_that_are_not_read_advance_the_stream() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    s = ga.scalar("s")
    a, b = rng.normal(0.0, s), rng.normal(0.0, s)
    slope = ga.function([s], ga.grad(a + 2 * b, s))
    for _ in range(2):
        assert slope(1.0) == pytest.approx(theirs.normal() + 2 * theirs.normal())
    assert rng.state == theirs.bit_generator.state


def test_checkpoints_repeat_their_draws() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    x = ga.vector("x", shape=(3,))

    @ga.checkpoint
    def block(h: ga.Variable) -> ga.Variable:
        return ga.tanh(h * rng.normal(size=3))

    y = block(x)
    between = rng.random()
    z = block(y)
    f = ga.function([x], [y, between, z, ga.grad(z.sum(), x)])
    a = np.array([0.1, 0.2, 0.3])
    for _ in range(2):
        first, middle, last = theirs.normal(size=3), theirs.random(), theirs.normal(size=3)
        h = np.tanh(a * first)
        w = np.tanh(h * last)
        slope = (1 - w**2) * last * (1 - h**2) * first
        for got, wanted in zip(f(a), (h, middle, w, slope), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert rng.state == theirs.bit_generator.state


def test_a_checkpoint_of_which_only_the_gradient_is_read_advances_the_stream() -> None:
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    x = ga.scalar("x")
    y = ga.checkpoint(lambda h: h * rng.normal())(x)
    f = ga.function([x], ga.grad(y + rng.normal() * x, x))
    for _ in range(2):
        assert f(2.0) == pytest.approx(theirs.normal() + theirs.normal())


@pytest.mark.parametrize("name", sorted(METHODS))
def test_examples(name: str) -> None:
    example = doctest.DocTestParser().get_doctest(METHODS[name].__doc__ or "", {}, name, None, 0)
    result = doctest.DocTestRunner().run(example)
    assert result.attempted and not result.failed
