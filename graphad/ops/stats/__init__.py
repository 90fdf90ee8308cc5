"""Distributions, as graph compositions on the special functions."""

from graphad.ops.stats import counts, line, multivariate, shaped

__all__ = ["counts", "line", "multivariate", "shaped"]
