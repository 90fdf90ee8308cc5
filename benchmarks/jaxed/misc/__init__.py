"""`flatten`, and the module `optimizers`."""

from jax.flatten_util import ravel_pytree as flatten

__all__ = ["flatten"]
