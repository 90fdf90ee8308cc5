"""`jax.numpy`."""

from jax.numpy import *  # noqa: F403
