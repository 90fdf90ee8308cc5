"""Autograd's `scipy`: SciPy's functions, which build graph when an argument is symbolic."""

from graphad.autograd.scipy import integrate, linalg, misc, signal, special, stats

__all__ = ["integrate", "linalg", "misc", "signal", "special", "stats"]
