"""Ten programs in Autograd's style; `benchmarks.programs` runs them with Autograd and graphad.

Each is an ordinary program that imports `autograd`. It has three functions: ``setup()`` gives a
loss and its start, ``one_shot()`` one gradient at the start, ``train(iterations)`` the parameters
and losses of a training loop. To run one with graphad, its source is read with `autograd`
replaced by `graphad.autograd`, and nothing else.
"""
