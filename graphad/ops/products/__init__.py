"""Sums of products beyond `dot` and `matmul`."""

from graphad.ops.products import einsum, vectors

__all__ = ["einsum", "vectors"]
