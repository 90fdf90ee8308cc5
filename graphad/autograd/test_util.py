"""Derivatives against finite differences: `check_grads` and its parts, with Autograd's arguments.

`ga.testing.check_grads` checks closer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from graphad.autograd.operators import Argnum, make_jvp, make_vjp, with_floats
from graphad.autograd.vspace import vspace

TOL = RTOL = EPS = 1e-6
Function = Callable[..., Any]


def scalar_close(a: Any, b: Any) -> bool:
    """Do two numbers differ by less than 1e-6, absolutely or relatively?

    >>> bool(scalar_close(1.0, 1.0 + 1e-9))
    True
    """
    return bool(abs(a - b) < TOL or abs(a - b) / abs(a + b) < RTOL)


def make_numerical_jvp(f: Function, x: Any) -> Function:
    """The derivative of `f` at x along a vector, by central differences.

    >>> round(float(make_numerical_jvp(lambda x: x**2, 3.0)(1.0)), 6)
    6.0
    """
    x_space, y_space = vspace(x), vspace(f(x))

    def along(v: Any) -> Any:
        up = f(x_space.add(x, x_space.scalar_mul(v, EPS / 2)))
        down = f(x_space.add(x, x_space.scalar_mul(v, -EPS / 2)))
        return y_space.scalar_mul(y_space.add(up, y_space.scalar_mul(down, -1.0)), 1.0 / EPS)

    return along


def check_vjp(f: Function, x: Any) -> None:
    """Check reverse mode of a function of one argument; AssertionError where it is wrong.

    >>> check_vjp(lambda x: x**3, 2.0)
    """
    pull, y = make_vjp(f)(x)
    x_space, y_space = vspace(x), vspace(y)
    x_v, y_v = x_space.randn(), y_space.randn()
    pulled = x_space.covector(pull(y_space.covector(y_v)))
    assert vspace(pulled) == x_space, f"the gradient of {_name(f)} is {vspace(pulled)}"
    exact = x_space.inner_prod(x_v, pulled)
    numeric = y_space.inner_prod(y_v, make_numerical_jvp(f, x)(x_v))
    assert scalar_close(numeric, exact), (
        f"the gradient of {_name(f)} at {x!r} is wrong: along a random vector it gives {exact}, "
        f"finite differences give {numeric}"
    )


def check_jvp(f: Function, x: Any) -> None:
    """Check forward mode of a function of one argument; AssertionError where it is wrong.

    >>> check_jvp(lambda x: x**3, 2.0)
    """
    v = vspace(x).randn()
    check_equivalent(make_jvp(f)(x)(v)[1], make_numerical_jvp(f, x)(v))


def check_equivalent(x: Any, y: Any) -> None:
    """Are two values alike, in form and along a random vector? AssertionError if not.

    >>> check_equivalent([1.0, 2.0], [1.0, 2.0])
    """
    space = vspace(x)
    assert space == vspace(y), f"{space} and {vspace(y)}"
    v = space.randn()
    assert scalar_close(space.inner_prod(x, v), space.inner_prod(y, v)), f"{x!r} and {y!r}"


def check_grads(
    f: Function, argnum: Argnum = 0, modes: Sequence[str] = ("fwd", "rev"), order: int = 2
) -> Function:
    """A function of the arguments of `f` that checks derivatives by `argnum` there, up to `order`.

    AssertionError where they differ from finite differences.

    >>> import graphad.autograd.numpy as np
    >>> check_grads(np.tanh, modes=["fwd", "rev"])(0.5)
    """
    assert all([mode in ("fwd", "rev") for mode in modes]), modes

    def check(*args: Any, **kwargs: Any) -> None:
        given = with_floats(args, argnum)

        def unary(x: Any) -> Any:
            places, values = ((argnum,), (x,)) if isinstance(argnum, int) else (argnum, x)
            filled = list(given)
            for place, value in zip(places, values, strict=True):
                filled[place] = value
            return f(*filled, **kwargs)

        unary.__name__ = _name(f)
        if isinstance(argnum, int):
            x = given[argnum]
        else:
            x = tuple([given[i] for i in argnum])
        _check(unary, x, modes, order)

    return check


def _check(f: Function, x: Any, modes: Sequence[str], order: int) -> None:
    if "fwd" in modes:
        check_jvp(f, x)
        if order > 1:
            v = vspace(x).randn()
            _check(
                _named(lambda p: make_jvp(f)(p[0])(p[1])[1], "jvp", f), (x, v), modes, order - 1
            )
    if "rev" in modes:
        check_vjp(f, x)
        if order > 1:
            v = vspace(f(x)).randn()
            _check(
                _named(lambda p: make_vjp(f)(p[0])[0](p[1]), "vjp", f), (x, v), modes, order - 1
            )


def combo_check(fun: Function, *args: Any, **kwargs: Any) -> Function:
    """`check_grads` for all combinations of the arguments in given lists.

    >>> combo_check(lambda x, y: x * y, (0, 1))([1.0, 2.0], [3.0])
    """
    check = check_grads(fun, *args, **kwargs)

    def check_all(*values: Any, **named: Any) -> None:
        pairs = [[(key, v) for v in found] for key, found in named.items()]
        for row in itertools.product(*values):
            for chosen in itertools.product(*pairs):
                check(*row, **dict(chosen))

    return check_all


def _name(f: Any) -> str:
    return str(getattr(f, "__name__", "a function"))


def _named(f: Function, prefix: str, of: Function) -> Function:
    f.__name__ = f"{prefix}_{_name(of)}"
    return f
