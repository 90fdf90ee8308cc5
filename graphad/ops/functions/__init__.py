"""The rest of NumPy's elementwise functions and their neighbours."""
