"""What a notebook shows: a picture, or text where pictures cannot be drawn."""

from __future__ import annotations

from collections import Counter
from typing import Any

from graphad.errors import GraphadError
from graphad.ir.text import listing
from graphad.viz.graphviz import to_svg
from graphad.viz.labels import plural, visible
from graphad.viz.target import graph_of

LINES = 60  # a longer listing is summed up


def mimebundle(target: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """A picture for notebooks, as IPython's ``_repr_mimebundle_`` returns it.

    The keys are "image/svg+xml" and "text/plain"; without the `dot` program only the text, which
    then ends in a hint how to install it. `include` and `exclude` are accepted and ignored, as
    IPython allows.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> "multiply(x, 2.0)" in mimebundle(x * 2.0)["text/plain"]
    True
    """
    text = summary(target)
    try:
        return {"image/svg+xml": to_svg(target), "text/plain": text}
    except (GraphadError, OSError) as error:
        remedy = getattr(error, "remedy", "")
        hint = f"(no picture: {getattr(error, 'what', error)}{'; ' + remedy if remedy else ''})"
        return {"text/plain": f"{text}\n\n{hint}"}


def summary(target: Any) -> str:
    """The listing of a small graph; of a large one the inputs, outputs and most frequent ops.

    >>> import graphad as ga
    >>> print(summary(sum([ga.scalar("x")] * 200)).splitlines()[0])
    200 ops, 1 input, 1 output
    """
    graph = graph_of(target)
    if len(graph) <= LINES:
        return listing(graph)
    sizes = [("op", graph.nodes), ("input", graph.inputs), ("output", graph.outputs)]
    lines = [", ".join([plural(len(items), noun) for noun, items in sizes])]
    counts = Counter([node.op.name for node in graph.nodes])
    lines += [f"  {count:>8,} × {visible(name)}" for name, count in counts.most_common(12)]
    lines += [f"  {sum(counts.values()) - sum(n for _, n in counts.most_common(12)):>8,} × others"
              ] if len(counts) > 12 else []  # fmt: skip
    return "\n".join(lines)
