"""The nouns: types, variables, ops, graphs; how to walk, print, check and interpret them.

Graph      = inputs (Variable …), outputs (Variable …)           immutable, closed
Variable   = input | Constant(value) | Shared(cell) | i-th output of an Apply; type, name
Apply      = op, inputs, outputs, site (file:line), scope, origin (forward node)
Op         = family (rules), parameters                          compares by parameters' bits
TensorType = dtype, shape                                        interned
shape      = (int | Dim, …);  Dim = named | anonymous | arithmetic of them
"""
