"""Ten programs in Autograd's style; `benchmarks.programs` runs them with Autograd and graphad.

Each is an ordinary program that imports `autograd`. It has two functions: ``setup()`` gives a loss
and its start (further arguments of the loss have defaults), ``train(iterations)`` the parameters
and losses of a training loop. To run one with graphad, its source is read with `autograd` replaced
by `graphad.autograd`, and nothing else; with JAX, by `benchmarks.jaxed`, or the program of the
same name in `jax_programs` is run, where `jax.jit` cannot express this one.
"""
