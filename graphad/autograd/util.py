"""Autograd's `util`: `quick_grad_check`, and `flatten` where old versions have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphad.autograd.misc.flatten import flatten, flatten_func
from graphad.autograd.test_util import check_grads

__all__ = ["flatten", "flatten_func", "quick_grad_check"]


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
