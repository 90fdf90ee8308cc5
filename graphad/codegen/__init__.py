"""Plan → Program: straight-line Python source over NumPy, and over plain floats for scalars.

recording   the namespace `xp` that writes down what an op's formula calls
vocabulary  how each NumPy function is written in a line of source: arrays, and floats
statements  recorded calls as statements; where they come from
program     source of a whole plan, compiled and registered for tracebacks

Kernels for fused groups (`blocked`, `llvm`) will be further makers of the same kind of callable.
"""
