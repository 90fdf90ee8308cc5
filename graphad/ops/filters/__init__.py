"""Convolution and correlation of arrays of any rank, under the names of `scipy.signal`."""

from graphad.ops.filters import convolving

__all__ = ["convolving"]
