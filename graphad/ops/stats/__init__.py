"""Distributions, as graph compositions on the special functions."""

from graphad.ops.stats import counts, line, shaped

__all__ = ["counts", "line", "shaped"]
