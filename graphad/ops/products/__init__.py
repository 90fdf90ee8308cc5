"""Sums of products beyond `dot` and `matmul`."""

from graphad.ops.products import einsum

__all__ = ["einsum"]
