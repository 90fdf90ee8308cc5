"""Special functions, with SciPy's values and derivatives stated as graph."""
