"""Two printed forms of a graph: a listing with one line per node, and a tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphad.ir import walk
from graphad.ir.families.inner import InnerFamily
from graphad.ir.graph import Graph
from graphad.ir.variable import Apply, Constant, Shared, Variable


def constant_text(variable: Constant) -> str:
    """A constant in few characters."""
    value = variable.value
    if value.ndim == 0:
        return str(value[()])
    if value.size <= 4:
        return str(value.tolist())
    return f"<{variable.type}>"


def leaf_text(variable: Variable, bare: bool = False) -> str:
    """Name of an input or shared variable, or the value of a constant."""
    if isinstance(variable, Constant):
        return (not bare and variable.name) or constant_text(variable)
    return variable.name or f"<{'shared' if isinstance(variable, Shared) else 'input'}>"


def _site_text(node: Apply) -> str:
    site = node.site
    place = f"{site.filename.rsplit('/', 1)[-1]}:{site.line}" if site else ""
    marks = [node.scope] if node.scope else []
    marks += [place] if place else []
    marks += [f"gradient of {node.origin.op.name}"] if node.origin is not None else []
    return "  # " + ", ".join(marks) if marks else ""


def listing(graph: Graph | Variable | Sequence[Variable], *, bare: bool = False) -> str:
    """One line per node in order of evaluation, with types, file:line and scope.

    bare: without what plays no role in the equality of graphs (names, file:line, scopes).

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> print(listing(ga.Graph([x], [x * 2.0])).split("  #")[0])
    input  x                float64[]
    %0     multiply(x, 2.0) float64[]
    """
    rows = _rows(_as_graph(graph), bare)
    widths = [max([len(row[i]) for row in rows], default=0) for i in range(2)]
    return "\n".join(
        f"{mark:<{max(widths[0], 6)}} {call:<{widths[1]}} {kind}{note}".rstrip()
        for mark, call, kind, note in rows
    )


def _rows(found: Graph, bare: bool) -> list[tuple[str, str, str, str]]:
    """Mark, call, type and note of each line; those of inner graphs are indented."""
    names: dict[Variable, str] = {}
    for i, variable in enumerate(found.inputs):
        names[variable] = (not bare and variable.name) or f"in{i}"
    rows = [
        ("shared" if isinstance(v, Shared) else "input", names[v], str(v.type), "")
        for v in found.inputs
    ]
    for i, node in enumerate(found.nodes):
        operands = ", ".join([names.get(v) or leaf_text(v, bare) for v in node.inputs])
        label = str(node.op)
        call = f"{label[:-1]}; {operands})" if label.endswith(")") else f"{label}({operands})"
        for output in node.outputs:
            mark = f"%{i}" if len(node.types) == 1 else f"%{i}.{output.index}"
            names.setdefault(output, mark)
            title = f"{mark} {output.name}" if output.name and not bare else mark
            rows.append((title, call, str(output.type), "" if bare else _site_text(node)))
        rows += _inner_rows(node, bare)
    for v in found.outputs:
        rows.append(("output", names.get(v) or leaf_text(v, bare), str(v.type), ""))
    return rows


def _inner_rows(node: Apply, bare: bool) -> list[tuple[str, str, str, str]]:
    """The lines of the graphs that an op holds; they nest as deep as bodies do."""
    family = node.op.family
    if not isinstance(family, InnerFamily):
        return []
    rows = []
    params = node.op.params
    for title, graph in zip(family.titles(params), family.graphs(params), strict=True):
        rows.append((f"  {title}:", "", "", ""))
        rows += [(f"    {mark}", a, b, c) for mark, a, b, c in _rows(graph, bare)]
    return rows


def tree(outputs: Variable | Iterable[Variable]) -> str:
    """The graph as a tree, results above operands; a node shown before is marked, not repeated.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> y = ga.exp(x)
    >>> print(tree(y * y))
    multiply float64[]
    ├─ exp float64[] *1
    │  └─ x float64[] input
    └─ *1 (exp)
    """
    roots = [outputs] if isinstance(outputs, Variable) else list(outputs)
    uses: dict[Variable, int] = {}
    for variable in roots:
        uses[variable] = uses.get(variable, 0) + 1
    for node in walk.toposort(roots):
        for variable in node.inputs:
            uses[variable] = uses.get(variable, 0) + 1
    marks: dict[Variable, int] = {}
    lines: list[str] = []
    stack: list[tuple[Variable, str, str]] = [(v, "", "") for v in reversed(roots)]
    while stack:
        variable, head, tail = stack.pop()
        if variable in marks:
            lines.append(f"{head}*{marks[variable]} ({_title(variable)})")
            continue
        shared = variable.owner is not None and uses.get(variable, 0) > 1
        if shared:
            marks[variable] = len(marks) + 1
        mark = f" *{marks[variable]}" if shared else ""
        lines.append(f"{head}{_title(variable)} {variable.type}{_kind(variable)}{mark}")
        operands = variable.owner.inputs if variable.owner is not None else ()
        for i, operand in reversed(list(enumerate(operands))):
            last = i == len(operands) - 1
            stack.append(
                (operand, tail + ("└─ " if last else "├─ "), tail + ("   " if last else "│  "))
            )
    return "\n".join(lines)


def debugprint(outputs: Variable | Graph | Iterable[Variable]) -> None:
    """Print `outputs` as a tree; see `tree`."""
    print(tree(outputs.outputs if isinstance(outputs, Graph) else outputs))


def _title(variable: Variable) -> str:
    if variable.owner is None:
        return leaf_text(variable)
    label = str(variable.owner.op)
    return f"{label} '{variable.name}'" if variable.name else label


def _kind(variable: Variable) -> str:
    if variable.owner is not None:
        return ""
    if isinstance(variable, Constant):
        return " constant"
    return " shared" if isinstance(variable, Shared) else " input"


def _as_graph(graph: Graph | Variable | Sequence[Variable]) -> Graph:
    if isinstance(graph, Graph):
        return graph
    return Graph.of([graph] if isinstance(graph, Variable) else graph)
