"""What kernels raise before they have written anything, apart from what makes them."""

from __future__ import annotations


class Unfit(Exception):
    """Arrays that a kernel was not made for: the NumPy program runs instead."""
