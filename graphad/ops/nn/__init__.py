"""Layers of networks: convolution, pooling, normalisation, activations, losses, attention."""

from graphad.ops.nn import convolution, normalisation, pooling

__all__ = ["convolution", "normalisation", "pooling"]
