"""Autograd's `util`: `quick_grad_check`, `subval`, and `flatten` where old versions have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphad.autograd.misc.flatten import flatten, flatten_func
from graphad.autograd.test_util import check_grads

__all__ = ["flatten", "flatten_func", "quick_grad_check", "subval", "subvals"]


def subval(x: Sequence[Any], i: int, v: Any) -> tuple[Any, ...]:
    """The sequence as a tuple, with v in place i.

    >>> subval([1, 2, 3], 1, 20)
    (1, 20, 3)
    """
    return subvals(x, [(i, v)])


def subvals(x: Sequence[Any], ivs: Iterable[tuple[int, Any]]) -> tuple[Any, ...]:
    """The sequence as a tuple, with other values in the places of the pairs (place, value).

    >>> subvals([1, 2, 3], [(0, 10), (2, 30)])
    (10, 2, 30)
    """
    found = list(x)
    for i, v in ivs:
        found[i] = v
    return tuple(found)


def quick_grad_check(
    fun: Callable[..., Any],
    arg0: Any,
    extra_args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    verbose: bool = True,
    eps: float = 1e-4,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    rs: Any = None,
) -> None:
    """Check the gradient of `fun` by its first argument; AssertionError where it is wrong.

    The options after `kwargs` change nothing.

    >>> quick_grad_check(lambda x, n: x**n, 2.0, extra_args=[3])
    """
    check_grads(lambda x: fun(x, *extra_args, **(kwargs or {})), modes=["rev"], order=1)(arg0)
