"""Layers of networks: convolution, pooling, normalisation, activations, losses, attention."""
