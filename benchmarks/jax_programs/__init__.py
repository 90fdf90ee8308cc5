"""Programs of `autograd_programs` that `jax.jit` cannot express as they are, written for JAX.

The batch is chosen by a dynamic slice, noise is drawn outside and passed in, and the loop that
ends by its values becomes one of fixed length. Results are the same.
"""
