"""Pictures of graphs: Graphviz, Mermaid, networkx, notebooks. See `ga.viz.save`.

    target  →  graph (target.py)  →  groups (collapse.py)  →  boxes and arrows (picture.py)
            →  DOT (graphviz.py) | Mermaid (text.py)  →  files (files.py), notebooks (notebook.py)

Beside that, `to_networkx` and `from_networkx` (networkx.py) translate whole graphs as data.
"""

from graphad.viz.files import save
from graphad.viz.graphviz import to_dot, to_svg
from graphad.viz.networkx import from_networkx, to_networkx
from graphad.viz.notebook import mimebundle
from graphad.viz.text import to_mermaid

__all__ = [
    "from_networkx", "mimebundle", "save", "to_dot", "to_mermaid", "to_networkx", "to_svg",
]  # fmt: skip
