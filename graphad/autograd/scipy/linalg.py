"""The names of `scipy.linalg`: symbolic when an argument is symbolic, plain SciPy otherwise."""

from graphad.autograd.scipy.lookup import module_lookup

__getattr__, __dir__ = module_lookup("linalg", globals())
