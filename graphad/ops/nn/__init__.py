"""Layers of networks: convolution, pooling, normalisation, activations, losses, attention."""

from graphad.ops.nn import activations, attention, convolution, losses, normalisation, pooling

__all__ = ["activations", "attention", "convolution", "losses", "normalisation", "pooling"]
