"""Graphs as networkx graphs and back: for its algorithms, and to edit a graph as data.

Everything is stored in attributes, so the networkx graph
may be copied, pickled or changed; it holds no Variable and no Apply of the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphad.errors import GraphadError, GraphError, UseError
from graphad.ir import walk
from graphad.ir.check import check
from graphad.ir.graph import Graph
from graphad.ir.op import Op
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Shared, Variable
from graphad.libraries import networkx as library
from graphad.viz import labels
from graphad.viz.target import graph_of

if TYPE_CHECKING:
    import networkx

LEAF_KINDS = ("input", "shared", "constant")


def to_networkx(target: Any) -> networkx.MultiDiGraph:
    """The graph of `target` (as in `to_dot`) as a networkx.MultiDiGraph.

    One node for each leaf and each Apply, numbered from 0: leaves first, then Applies in order
    of evaluation, so that numbers along every edge rise. Edges run along the data.

    Attributes of leaves: kind ("input", "shared", "constant"), name, label, type; value of a
    constant, cell of a shared variable. Attributes of Applies: kind ("apply"), op, label, types,
    names, scope, site, backward, and the forward node as origin (its number, or None) or as
    foreign_origin (op, types, site, scope) where it is not part of the graph. Attributes of edges:
    position (of the operand; also the key), output (index of the source's output), type. Of the
    graph: inputs (numbers), outputs (pairs of number and output index).

    Raises MissingLibraryError without networkx, UseError for another target.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> g = to_networkx(ga.exp(x) * x)
    >>> [g.nodes[n]["label"] for n in g]
    ['x', 'exp', 'multiply']
    >>> list(g.edges(keys=True))
    [(0, 1, 0), (0, 2, 1), (1, 2, 0)]
    """
    made = library().MultiDiGraph()
    graph = graph_of(target)
    source: dict[Variable, tuple[int, int]] = {}
    for variable in [*graph.inputs, *_constants(graph)]:
        source[variable] = (len(source), 0)
        made.add_node(source[variable][0], **_leaf_attributes(variable))
    number = {node: len(source) + i for i, node in enumerate(graph.nodes)}
    for node, n in number.items():
        made.add_node(n, **_apply_attributes(node, number))
        for position, variable in enumerate(node.inputs):
            tail, output = source[variable]
            made.add_edge(tail, n, position, position=position, output=output, type=variable.type)
        for variable in node.outputs:
            source.setdefault(variable, (n, variable.index))
    made.graph["inputs"] = [source[v][0] for v in graph.inputs]
    made.graph["outputs"] = [source[v] for v in graph.outputs]
    return made


def _constants(graph: Graph) -> list[Variable]:
    """The constants of a graph, in order of use."""
    fed = frozenset(graph.inputs)
    return [v for v in walk.leaves(graph.outputs, fed) if v not in fed]


def _leaf_attributes(variable: Variable) -> dict[str, Any]:
    lines = labels.leaf_lines(variable)
    found: dict[str, Any] = {
        "kind": "input", "name": variable.name, "label": " ".join(lines), "type": variable.type,
    }  # fmt: skip
    if isinstance(variable, Constant):
        found |= {"kind": "constant", "value": variable.value}
    elif isinstance(variable, Shared):
        found |= {"kind": "shared", "cell": variable.cell}
    return found


def _apply_attributes(node: Apply, number: Mapping[Apply, int]) -> dict[str, Any]:
    origin = node.origin
    foreign = None
    if origin is not None and origin not in number:
        foreign = (origin.op, origin.types, origin.site, origin.scope)
    return {
        "kind": "apply", "op": node.op, "label": str(node.op), "types": node.types,
        "names": tuple([v.name for v in node.outputs]), "scope": node.scope, "site": node.site,
        "backward": origin is not None, "foreign_origin": foreign,
        "origin": number.get(origin) if origin is not None else None,
    }  # fmt: skip


# ---- and back -------------------------------------------------------------------------------
def from_networkx(graph: networkx.MultiDiGraph) -> Graph:
    """The inverse of `to_networkx`: ``from_networkx(to_networkx(g)) == g``.

    The Graph has new Variables; shared variables keep their cells, so their values stay common
    with the original (a pickled graph has cells of its own). Nodes on which no output depends
    are dropped. Raises GraphError for a cycle, missing or contradictory attributes, gaps among
    the operands of a node, and types that do not follow from the ops.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> graph = ga.Graph([x], [ga.exp(x) * x])
    >>> from_networkx(to_networkx(graph)) == graph
    True
    """
    if not (hasattr(graph, "is_multigraph") and graph.is_multigraph() and graph.is_directed()):
        raise UseError(
            f"from_networkx: {type(graph).__name__} is no networkx.MultiDiGraph",
            remedy="pass what ga.viz.to_networkx returned, or a copy of it",
        )
    reader = _Reader(graph)
    try:
        return check(reader.read(), "from_networkx")
    except GraphError:
        raise
    except GraphadError as error:
        raise GraphError(f"from_networkx: {error.what}", cause=error.cause) from error


class _Reader:
    """Rebuilds variables from attributes, each node after those it reads from."""

    def __init__(self, graph: networkx.MultiDiGraph) -> None:
        self.graph = graph
        self.variables: dict[tuple[Any, int], Variable] = {}
        self.nodes: dict[Any, Apply] = {}

    def read(self) -> Graph:
        for name in self._order():
            if self._get(name, "kind") == "apply":
                self._apply(name)
            else:
                self.variables[name, 0] = self._leaf(name)
        inputs = [self._variable(name, 0, "inputs") for name in self._of_graph("inputs")]
        pairs = self._of_graph("outputs")
        if any([not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs]):
            raise GraphError(
                f"the graph attribute 'outputs' is {pairs!r}",
                remedy="make it a list of pairs (node, index of its output)",
            )
        return Graph(inputs, [self._variable(name, i, "outputs") for name, i in pairs])

    def _order(self) -> list[Any]:
        """Every node after its predecessors, and an Apply after its origin."""
        waits: dict[Any, int] = {}
        releases: dict[Any, list[Any]] = {name: [] for name in self.graph}
        for name in self.graph:
            before = list(self.graph.predecessors(name))
            origin = self.graph.nodes[name].get("origin")
            if origin is not None and origin not in releases:
                raise GraphError(f"node {name!r} has the origin {origin!r}, which is no node")
            before += [origin] if origin is not None else []
            waits[name] = len(before)
            for source in before:
                releases[source].append(name)
        order = [name for name, count in waits.items() if not count]
        for name in order:  # grows while it is walked
            for later in releases[name]:
                waits[later] -= 1
                if not waits[later]:
                    order.append(later)
        if len(order) < len(waits):
            stuck = [name for name, count in waits.items() if count]
            raise GraphError(
                f"the networkx graph has a cycle through or before node {stuck[0]!r}",
                cause=f"{len(stuck)} nodes wait for each other",
                remedy="networkx.find_cycle(graph) shows it; remove one of its edges",
            )
        return order

    # -- pieces -------------------------------------------------------------------------------
    def _leaf(self, name: Any) -> Variable:
        kind, title = self._get(name, "kind"), self.graph.nodes[name].get("name")
        if kind not in LEAF_KINDS:
            raise GraphError(
                f"node {name!r} is of the unknown kind {kind!r}",
                remedy=f"kind is one of apply, {', '.join(LEAF_KINDS)}",
            )
        if self.graph.in_degree(name):
            raise GraphError(f"node {name!r} is of the kind {kind!r} and has edges into it")
        if kind == "constant":
            return Constant(self._get(name, "value"), name=title)
        type = self._get(name, "type")
        if not isinstance(type, TensorType):
            raise GraphError(f"the type of node {name!r} is {type!r}, not a TensorType")
        if kind == "shared":
            return Shared(type, self._get(name, "cell"), name=title)
        return Variable(type, name=title)

    def _apply(self, name: Any) -> None:
        attributes = self.graph.nodes[name]
        op, types = self._get(name, "op"), tuple(self._get(name, "types"))
        if not isinstance(op, Op):
            raise GraphError(f"the op of node {name!r} is {op!r}, not an Op")
        node = Apply(
            op, self._operands(name), types, attributes.get("site"), attributes.get("scope", ""),
            self._origin(attributes),
        )  # fmt: skip
        self.nodes[name] = node
        outputs = node.outputs
        titles = attributes.get("names") or (None,) * len(outputs)
        for i, (variable, title) in enumerate(zip(outputs, titles, strict=False)):
            variable.name = title
            self.variables[name, i] = variable

    def _operands(self, name: Any) -> tuple[Variable, ...]:
        found: dict[int, Variable] = {}
        for source, _, data in self.graph.in_edges(name, data=True):
            missing = [key for key in ("position", "output") if key not in data]
            if missing:
                raise GraphError(
                    f"the edge {source!r} → {name!r} has no attribute {missing[0]!r}",
                    remedy="give edges position= (of the operand) and output= (of the source)",
                )
            if data["position"] in found:
                raise GraphError(f"node {name!r} has two operands at position {data['position']}")
            found[data["position"]] = self._variable(source, data["output"], f"node {name!r}")
        if sorted(found) != list(range(len(found))):
            raise GraphError(
                f"node {name!r} has operands at positions {sorted(found)}",
                remedy=f"positions are 0 … {len(found) - 1} without gaps",
            )
        return tuple([found[position] for position in range(len(found))])

    def _origin(self, attributes: Mapping[str, Any]) -> Apply | None:
        origin, foreign = attributes.get("origin"), attributes.get("foreign_origin")
        if origin is not None:
            return self.nodes.get(origin)
        if foreign is None:
            return None
        op, types, site, scope = foreign
        return Apply(op, (), types, site, scope, None)

    # -- look-ups with messages ---------------------------------------------------------------
    def _get(self, name: Any, key: str) -> Any:
        if key not in self.graph.nodes[name]:
            raise GraphError(
                f"node {name!r} of the networkx graph has no attribute {key!r}",
                remedy="ga.viz.to_networkx lists the attributes that a graph needs",
            )
        return self.graph.nodes[name][key]

    def _of_graph(self, key: str) -> Any:
        if not isinstance(self.graph.graph.get(key), list | tuple):
            raise GraphError(
                f"the networkx graph has no list graph[{key!r}]",
                remedy=f"set graph.graph[{key!r}] as ga.viz.to_networkx does",
            )
        return self.graph.graph[key]

    def _variable(self, name: Any, output: Any, reader: str) -> Variable:
        found = self.variables.get((name, output))
        if found is None:
            raise GraphError(
                f"{reader} refers to output {output!r} of node {name!r}: there is none"
            )
        return found
