"""Scopes and sites: to which part of the model, and to which line, does a node belong?"""

from __future__ import annotations

import threading
from inspect import currentframe

import pytest

import graphad as ga
from graphad.errors import UseError
from graphad.ir import walk
from graphad.ir.context import Site

x = ga.vector("x", shape=(3,))


def line() -> int:
    frame = currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def test_site_is_the_line_of_the_user() -> None:
    start = line()
    y = ga.exp(x)
    z = x + 1.0
    assert y.site == Site(__file__, start + 1) and z.site == Site(__file__, start + 2)
    assert str(y.site) == f"{__file__}:{start + 1}"


def test_site_of_what_an_op_is_made_of() -> None:
    """`std` and `@` build several nodes; all have the line of the call."""
    start = line()
    y = ga.std(x)
    assert {node.site for node in walk.toposort([y])} == {Site(__file__, start + 1)}


def test_site_in_an_expression_of_several_lines() -> None:
    start = line()
    y = (
        ga.exp(x)
        + ga.sin(
            x
        )
    )  # fmt: skip
    lines = {n.op.name: n.site.line - start for n in walk.toposort([y]) if n.site is not None}
    assert lines["exp"] == 2 and lines["sin"] in (3, 4)


def test_site_of_a_gradient_is_that_of_the_forward_node() -> None:
    y = ga.tanh(x)
    z = (y * y).sum()
    g = ga.grad(z, x)
    for node in walk.toposort([g], stop={y, z}):
        assert node.origin is not None and node.site == node.origin.site
    derived = {node.origin.op.name for node in walk.toposort([g]) if node.origin is not None}
    assert derived == {"tanh", "multiply", "sum"}


def test_gradients_of_gradients_know_their_forward_node() -> None:
    g = ga.grad(ga.exp(x).sum(), x)
    h = ga.grad(g.sum(), x)
    assert all(node.site is not None for node in walk.toposort([h]))


def test_scopes_nest_and_end() -> None:
    with ga.scope("encoder"):
        a = ga.exp(x)
        with ga.scope("attention"):
            b = ga.exp(a)
        c = ga.exp(b)
    d = ga.exp(c)
    assert [v.owner.scope for v in (a, b, c, d)] == ["encoder", "encoder/attention", "encoder", ""]


def test_a_scope_ends_when_an_error_leaves_it() -> None:
    with pytest.raises(KeyError), ga.scope("broken"):
        raise KeyError
    assert ga.exp(x).owner.scope == ""


def test_a_scope_can_be_entered_again() -> None:
    with ga.scope("layer"), ga.scope("layer"):
        assert ga.exp(x).owner.scope == "layer/layer"


def test_a_gradient_has_the_scope_of_its_forward_node() -> None:
    with ga.scope("forward"):
        y = ga.exp(x).sum()
    with ga.scope("training"):
        g = ga.grad(y, x)
    assert {node.scope for node in walk.toposort([g])} == {"forward"}


def test_scopes_of_threads_are_their_own() -> None:
    found: list[str] = []

    def build() -> None:
        found.append(ga.exp(x).owner.scope)

    with ga.scope("main"):
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    assert found in ([""], ["main"])  # threads inherit the context from Python 3.14 on


def test_a_scope_wants_a_name() -> None:
    for name in ("", None, 3):
        with pytest.raises(UseError, match="scope name"), ga.scope(name):  # type: ignore[arg-type]
            pass
