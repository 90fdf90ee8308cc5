"""NumPy's generators, for the data of the programs."""

from numpy.random import *  # noqa: F403
