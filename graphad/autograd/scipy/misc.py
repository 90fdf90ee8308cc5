"""What is left of `scipy.misc`: `logsumexp`."""

from graphad.autograd.scipy.special import logsumexp

__all__ = ["logsumexp"]
