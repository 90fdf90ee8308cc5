"""Rearranging, joining, splitting, padding and changing: the rest of what NumPy has."""

from graphad.ops.arrays import (
    extrema,
    folding,
    making,
    matrix,
    placing,
    resizing,
    stacking,
    updates,
)

__all__ = ["extrema", "folding", "making", "matrix", "placing", "resizing", "stacking", "updates"]
