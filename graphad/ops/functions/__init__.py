"""The rest of NumPy's elementwise functions and their neighbours."""

from graphad.ops.functions import aliases, arithmetic, parts, running

__all__ = ["aliases", "arithmetic", "parts", "running"]
