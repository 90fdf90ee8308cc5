"""Special functions, with SciPy's values and derivatives stated as graph."""

from graphad.ops.special import gamma

__all__ = ["gamma"]
