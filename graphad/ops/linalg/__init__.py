"""Linear algebra on stacks of matrices, by LAPACK."""
