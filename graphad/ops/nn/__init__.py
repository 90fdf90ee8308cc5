"""Layers of networks: convolution, pooling, normalisation, activations, losses, attention."""

from graphad.ops.nn import convolution

__all__ = ["convolution"]
