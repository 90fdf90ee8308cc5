"""Rearranging, joining, splitting, padding and changing: the rest of what NumPy has."""

from graphad.ops.arrays import (
    extrema,
    folding,
    making,
    matrix,
    padding,
    places,
    placing,
    reflecting,
    resizing,
    splitting,
    stacking,
    updates,
)

# fmt: off
__all__ = [
    "extrema", "folding", "making", "matrix", "padding", "places", "placing",
    "reflecting", "resizing", "splitting", "stacking", "updates",
]
# fmt: on
