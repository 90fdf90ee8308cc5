"""Linear algebra on stacks of matrices, by LAPACK."""

from graphad.ops.linalg import chains, decompositions, inverses, norms, systems

__all__ = ["chains", "decompositions", "inverses", "norms", "systems"]
