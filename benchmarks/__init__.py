"""graphad beside Autograd, JAX, PyTensor and PyTorch: the same formulas, timed in turn.

workloads/  what is computed: data, and the formula as each library's user writes it
libraries   how each library makes value and gradient of a formula
measure     timing: interleaved rounds in one process, first results in fresh processes
run         the command line: ``python -m benchmarks``
scaling     seconds and bytes of one library, graphad, over the length of a chain of operations
"""
