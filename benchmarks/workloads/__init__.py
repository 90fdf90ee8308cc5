"""What is computed: one file for each workload, listed here by name.

A workload gives the loss once for each library, side by side: ``loss(xp, *arguments)`` with xp the
library's namespace of functions. Libraries that spell it the same share one function.
"""

from benchmarks.workloads import logistic, network, rosenbrock, scalar
from benchmarks.workloads.table import Workload

WORKLOADS: dict[str, Workload] = {
    module.WORKLOAD.name: module.WORKLOAD for module in (scalar, logistic, network, rosenbrock)
}

__all__ = ["WORKLOADS", "Workload"]
