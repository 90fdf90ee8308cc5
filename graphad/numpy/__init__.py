"""NumPy's namespace: symbolic when an argument is symbolic, plain NumPy otherwise.

``import graphad.numpy as np`` has all names of `numpy`. A function given a Variable, or a list
with Variables in it, builds graph; given arrays, it is NumPy's function and returns arrays. Plain
``import numpy`` does the same for single Variables; here ``np.array([x, y])`` works as well.

The functions are those of the op table, under NumPy's names; nothing is listed here.

>>> import graphad as ga, graphad.numpy as np
>>> x, y = ga.scalar("x"), ga.scalar("y")
>>> np.array([[x, 1.0], [0.0, y]]).type
float64[2, 2]
>>> np.sin(0.0), np.linspace(0.0, 1.0, 3)
(np.float64(0.0), array([0. , 0.5, 1. ]))
"""

from __future__ import annotations

from typing import Any

import numpy

from graphad.numpy import fft, linalg, random
from graphad.numpy.dispatch import namespace
from graphad.numpy.grids import c_, r_

__all__ = [*numpy.__all__]
__version__ = numpy.__version__


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    found = namespace(numpy, "", name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(numpy)})


_OURS = (fft, linalg, random, c_, r_)  # they stand before what NumPy calls so
