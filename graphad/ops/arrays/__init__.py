"""Rearranging, joining, splitting, padding and changing: the rest of what NumPy has."""

from graphad.ops.arrays import (
    applying,
    asking,
    extrema,
    folding,
    grids,
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
    "applying", "asking", "extrema", "folding", "grids", "making", "matrix", "padding",
    "places", "placing", "reflecting", "resizing", "splitting", "stacking", "updates",
]
# fmt: on
