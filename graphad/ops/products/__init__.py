"""Sums of products beyond `dot` and `matmul`."""
