"""Random distributions: what NumPy's Generator draws, as ops with derivatives."""

from graphad.ops.random import arrays, continuous, discrete, noncentral, vectors

__all__ = ["arrays", "continuous", "discrete", "noncentral", "vectors"]
