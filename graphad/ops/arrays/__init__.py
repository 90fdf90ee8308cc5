"""Rearranging, joining and splitting: the rest of what NumPy has."""

from graphad.ops.arrays import matrix, stacking

__all__ = ["matrix", "stacking"]
