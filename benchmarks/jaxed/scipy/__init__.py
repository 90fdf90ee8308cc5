"""Parts of `jax.scipy`."""
