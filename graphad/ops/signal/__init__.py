"""Arrays placed in larger ones, and windows that slide over them: what convolution is made of."""

from graphad.ops.signal import placing, windows

__all__ = ["placing", "windows"]
