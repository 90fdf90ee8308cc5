"""`ArrayBox`: what arrays are inside a traced function."""

from graphad.autograd.tracer import Box

ArrayBox = Box

__all__ = ["ArrayBox"]
