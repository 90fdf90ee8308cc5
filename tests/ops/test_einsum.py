"""Einstein sums: subscripts, sizes, the order of products, strong zeros; values written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, GraphadError, ShapeError, UseError
from graphad.ir.graph import Graph
from graphad.testing.gradients import check_grads
from graphad.testing.samples import inputs_for


def computed(subscripts: str, *arrays: Any, sizes: str = "static", **keywords: Any) -> Any:
    variables = inputs_for([np.asarray(a) for a in arrays], sizes)
    result = np.einsum(subscripts, *variables, **keywords)
    return ga.function(variables, result)(*arrays)


# ---- values ----------------------------------------------------------------------------------
A, B, C = (np.random.default_rng(i).normal(size=s) for i, s in enumerate([(2, 3), (3, 4), (4, 2)]))


@pytest.mark.parametrize("optimize", [True, False, "greedy", "optimal"])
@pytest.mark.parametrize("subscripts", ["ij,jk,kl->il", "ij,jk,ki", "ij, jk, kl -> l", "ij,jk,lm"])
def test_orders_of_products_agree(subscripts: str, optimize: Any) -> None:
    for sizes in ("static", "unknown", "named"):
        found = computed(subscripts, A, B, C, sizes=sizes, optimize=optimize)
        np.testing.assert_allclose(found, np.einsum(subscripts, A, B, C), rtol=1e-13)


def test_a_path_may_be_given() -> None:
    path = np.einsum_path("ij,jk,kl->il", A, B, C, optimize="optimal")[0]
    found = computed("ij,jk,kl->il", A, B, C, optimize=path)
    np.testing.assert_allclose(found, A @ B @ C, rtol=1e-14)


def test_the_cheap_order_is_chosen() -> None:
    a, b = ga.matrix("a", shape=(100, 100)), ga.matrix("b", shape=(100, 100))
    x = ga.vector("x", shape=100)
    nodes = Graph([a, b, x], [ga.einsum("ij,jk,k->i", a, b, x)]).nodes
    assert [node.types[0].shape for node in nodes] == [(100,), (100,)]  # no 100 x 100 product


def test_lists_instead_of_letters() -> None:
    a, b = ga.matrix("a", shape=(2, 3)), ga.matrix("b", shape=(3, 4))
    with_lists = ga.einsum(a, [0, 1], b, [1, 2], [0, 2])
    assert Graph([a, b], [with_lists]) == Graph([a, b], [ga.einsum("ab,bc->ac", a, b)])
    assert ga.einsum(a, [..., 0], b, [0, 1]).type.shape == (2, 4)


def test_implicit_output_is_in_alphabetical_order() -> None:
    assert computed("ba", [[1.0, 2.0]]).tolist() == [[1.0], [2.0]]
    assert computed("ij,jh", A, B).shape == (4, 2)
    np.testing.assert_allclose(computed("ij,jh", A, B), (A @ B).T, rtol=1e-14)


def test_axes_of_size_1_stretch() -> None:
    ones, rest = np.array([[2.0], [3.0]]), np.array([[1.0, 10.0], [100.0, 1000.0]])
    for sizes in ("static", "unknown"):
        assert computed("ij,jk->ik", ones, rest, sizes=sizes).tolist() == [
            [202, 2020],
            [303, 3030],
        ]
        check_grads(lambda a, b: ga.einsum("ij,jk->ik", a, b), [ones, rest], sizes=sizes)
        check_grads(lambda a, b: ga.einsum("ij,ij->j", a, b), [ones, rest], sizes=sizes)


def test_types_of_named_sizes() -> None:
    x, w = ga.tensor("x", shape=("n", "t", 3)), ga.matrix("w", shape=(3, "k"))
    assert str(ga.einsum("ntd,dk->nkt", x, w).type) == "float64[n, k, t]"
    assert str(ga.einsum("...d,dk->...k", x, w).type) == "float64[n, t, k]"


def test_integers_and_booleans() -> None:
    assert computed("i,i->", np.array([200], "uint8"), np.array([2], "uint8")) == 144
    found = computed("ij->i", np.array([[True, True], [False, False]]))
    assert found.dtype == bool and found.tolist() == [True, False]


def test_keywords_of_numpy() -> None:
    x = ga.matrix("x", shape=(2, 3))
    single = np.einsum("ij->i", x, dtype="float32", casting="same_kind", order="C")
    assert single.dtype == np.float32
    (array,) = [np.arange(6.0).reshape(2, 3)]
    found = ga.function([x], single)(array)
    np.testing.assert_array_equal(
        found, np.einsum("ij->i", array, dtype="float32", casting="same_kind")
    )
    with pytest.raises(DTypeError, match="casting='safe'"):
        np.einsum("ij->i", x, dtype="float32")
    with pytest.raises(UseError, match="order='X'"):
        ga.einsum("ij->i", x, order="X")


# ---- gradients -------------------------------------------------------------------------------
def test_gradient_of_trace_and_diagonal() -> None:
    x = ga.matrix("x")
    assert ga.grad(ga.einsum("ii", x), x).eval({x: np.ones((2, 2))}).tolist() == [[1, 0], [0, 1]]
    y = (ga.einsum("ii->i", x) * ga.constant([2.0, 3.0])).sum()
    assert ga.grad(y, x).eval({x: np.ones((2, 2))}).tolist() == [[2, 0], [0, 3]]


def test_gradient_of_four_operands() -> None:
    vectors = [np.array([1.0, -2.0]), np.array([0.5, 1.5, 1.0])]
    check_grads(lambda x, y, a: ga.einsum("i,ij,j,j->j", x, a, y, y), [*vectors, A])


def test_complex_gradients() -> None:
    check_grads(lambda a, b: ga.einsum("ij,jk->i", a, b), [A + 1j, B - 0.5j])


def test_zeros_of_cotangents_are_strong() -> None:
    """Elements that `where` does not choose get exactly 0, against infinite factors too."""
    a, b = ga.matrix("a", shape=(2, 2)), ga.matrix("b", shape=(2, 2))
    kept = ga.where(np.array([[True, False], [False, False]]), ga.einsum("ij,jk->ik", a, b), 0.0)
    f = ga.function([a, b], ga.grad(kept.sum(), [a, b]))
    to_a, to_b = f([[1.0, 2.0], [np.inf, 4.0]], [[5.0, np.nan], [7.0, np.inf]])
    assert to_a.tolist() == [[5, 7], [0, 0]]
    assert to_b.tolist() == [[1, 0], [2, 0]]


# ---- errors ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("subscripts", "kind", "text"), [
    ("ij,jk->ik", UseError, "describes 2 operands, 1 are given"),
    ("i->i", ShapeError, "'i' names 1 axes, operand 0 has 2"),
    ("ijk", ShapeError, "names 3 axes"),
    ("ij->ik", UseError, "letter 'k' of 'ij->ik' is in no operand"),
    ("ij->ii", UseError, "twice in the result"),
    ("i1->i", UseError, "no group of subscripts"),
    ("...i->i", UseError, "no ellipsis"),
    ("ii->i", ShapeError, "2 against 3"),
])  # fmt: skip
def test_faulty_subscripts(subscripts: str, kind: type[GraphadError], text: str) -> None:
    with pytest.raises(kind, match=text):
        ga.einsum(subscripts, ga.matrix("x", shape=(2, 3)))


def test_sizes_that_clash() -> None:
    x, y = ga.matrix("x", shape=("n", 3)), ga.matrix("y", shape=("m", 3))
    with pytest.raises(ShapeError, match="letter 'i' of 'ij,ij'") as error:
        ga.einsum("ij,ij->", x, y)
    for part in ("n is axis 0 of 'x'", "m is axis 0 of 'y'", "test_einsum.py:"):
        assert part in str(error.value)
    a, b = ga.matrix("a"), ga.matrix("b")
    with pytest.raises(ShapeError, match="einsum"):
        ga.function([a, b], ga.einsum("ij,jk->ik", a, b))(np.ones((2, 3)), np.ones((2, 3)))


def test_no_subscripts() -> None:
    with pytest.raises(UseError, match="no subscripts"):
        ga.einsum(ga.vector("x"), ga.vector("y"))
    with pytest.raises(UseError, match="out="):
        np.einsum("i->", ga.vector("x"), out=np.zeros(()))
