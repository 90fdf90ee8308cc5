"""Convolution and correlation of arrays of any rank, under the names of `scipy.signal`."""
