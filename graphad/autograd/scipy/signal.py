"""`convolve` with Autograd's arguments; the other names are SciPy's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.autograd.scipy.lookup import module_lookup
from graphad.ir.op import OPS
from graphad.numpy.dispatch import is_symbolic

__getattr__, __dir__ = module_lookup("signal", globals())


def convolve(
    A: Any, B: Any, axes: Any = None, dot_axes: Sequence[Any] = ((), ()), mode: str = "full"
) -> Any:
    """Convolution along pairs of axes, with sums over others.

    A, B      arrays of any rank, or Variables
    axes      (axes of A, axes of B) to convolve along; None: all, in order
    dot_axes  (axes of A, axes of B) to sum over
    mode      "full" or "valid"
    Axes that are named nowhere come first, those of A, then those of B, in the result.

    >>> import numpy as np
    >>> convolve(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([ 1., 12., 20.])
    """
    made = OPS["signal.convolve"](A, B, mode=mode, axes=axes, dot_axes=dot_axes)
    return made if is_symbolic([A, B]) else made.eval()
