"""The verbs: every op declared once, one topic per file. Importing this fills the op table."""

from graphad.ops import (
    activation,
    contraction,
    creation,
    elementwise,
    indexing,
    joining,
    logical,
    reduction,
    shape,
    trigonometric,
)

__all__ = [
    "activation", "contraction", "creation", "elementwise", "indexing",
    "joining", "logical", "reduction", "shape", "trigonometric",
]  # fmt: skip
