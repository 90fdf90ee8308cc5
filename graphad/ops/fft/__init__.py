"""Discrete Fourier, cosine and sine transforms, under the names of `numpy.fft` and `scipy.fft`."""
