"""Random numbers inside a graph: NumPy's Generator, whose draws are nodes.

>>> import graphad as ga
>>> rng = ga.random.default_rng(0)
>>> noise = ga.function([], rng.normal(size=2))
>>> noise().round(4), noise().round(4)
(array([ 0.1257, -0.1321]), array([0.6404, 0.1049]))
"""

from graphad.random.generator import Generator, default_rng

__all__ = ["Generator", "default_rng"]
