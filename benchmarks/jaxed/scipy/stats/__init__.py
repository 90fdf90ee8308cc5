"""Parts of `jax.scipy.stats`."""
