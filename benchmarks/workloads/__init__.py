"""What is computed: one file for each workload, listed here by name.

A workload gives the loss once for each library, side by side: ``loss(xp, *arguments)`` with xp the
library's namespace of functions. Libraries that spell it the same share one function.
"""

from benchmarks.workloads import (
    attention,
    convolution,
    distances,
    elementwise,
    layernorm,
    logistic,
    loops,
    network,
    polynomial,
    process,
    recurrent,
    rosenbrock,
    scalar,
    small,
    softmax,
)
from benchmarks.workloads.table import Workload

ALL = (
    scalar.WORKLOAD, small.WORKLOAD, logistic.WORKLOAD, network.WORKLOAD, rosenbrock.WORKLOAD,
    elementwise.SMALL, elementwise.LARGE, elementwise.HUGE, polynomial.WORKLOAD, softmax.WORKLOAD,
    layernorm.WORKLOAD, distances.WORKLOAD, attention.WORKLOAD, recurrent.WORKLOAD,
    process.WORKLOAD, convolution.WORKLOAD, *loops.WORKLOADS,
)  # fmt: skip
WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in ALL}

__all__ = ["WORKLOADS", "Workload"]
