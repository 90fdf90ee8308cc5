"""`check_grads` of JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.test_util


def check_grads(fun: Callable[..., Any], modes: Sequence[str]) -> Callable[..., Any]:
    """Compare with finite differences, to second order."""
    return lambda *args: jax.test_util.check_grads(fun, args, order=2, modes=modes)
