"""Layers of networks: convolution, pooling, normalisation, activations, losses, attention."""

from graphad.ops.nn import convolution, pooling

__all__ = ["convolution", "pooling"]
