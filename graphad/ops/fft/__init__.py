"""Discrete Fourier, cosine and sine transforms, under the names of `numpy.fft` and `scipy.fft`."""

from graphad.ops.fft import cosine, grids, several, transforms

__all__ = ["cosine", "grids", "several", "transforms"]
