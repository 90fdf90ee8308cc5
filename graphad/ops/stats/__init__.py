"""Distributions, as graph compositions on the special functions."""
