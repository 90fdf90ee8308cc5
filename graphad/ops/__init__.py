"""The verbs: every operation, declared once, by topic.

The modules imported here are those that most programs need; `graphad.ops.further` holds the
others, which load when one of them is first asked for.
"""

from graphad.ops import (
    activation,
    contraction,
    creation,
    elementwise,
    extrema,
    indexing,
    joining,
    logical,
    logsum,
    reduction,
    shape,
    trigonometric,
)

__all__ = [
    "activation", "contraction", "creation", "elementwise", "extrema", "indexing",
    "joining", "logical", "logsum", "reduction", "shape", "trigonometric",
]  # fmt: skip
