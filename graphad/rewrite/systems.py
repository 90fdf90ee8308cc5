"""Linear systems: what the graph tells of their matrices, and factorizations that several share.

    solve(L, b)                → solve(L, b, triangle="lower")   L from a Cholesky factorization
    solve(A, b)                → by L where cholesky(A) is wanted anyway and A is symmetric
    solve(A, b), solve(Aᵀ, c)  → one LU factorization of A, used twice, for large A
    inv(A) @ b                 → solve(A, b)                     where nothing else reads inv(A)

All of them round in another way than what they replace. Looked at once for a whole graph, since
they depend on who reads what.
"""

from __future__ import annotations

from collections import Counter

from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable
from graphad.libraries import has_scipy
from graphad.rewrite.replacing import New, follow, replace_nodes
from graphad.rewrite.symmetry import is_symmetric

SHARED = 128  # rows from which a factorization is worth sharing
TRIANGLES = 32  # rows from which two triangular systems are solved faster than one other


def improve(graph: Graph) -> Graph:
    """The graph with systems solved in the cheapest way that is known.

    >>> import graphad as ga
    >>> a, b = ga.matrix("a", shape=(50, 50)), ga.matrix("b", shape=(50, 2))
    >>> [n.op.name for n in improve(ga.Graph([a, b], [ga.linalg.inv(a) @ b])).nodes]
    ['solve']
    """
    return _Systems(graph).run()


class _Systems:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.new: New = {}
        self.readers = Counter([v for node in graph.nodes for v in node.inputs])
        self.readers.update(graph.outputs)
        matrices = [node.inputs[0] for node in graph.nodes if node.op.name == "solve"]
        self.shared = Counter([_root(a)[0] for a in matrices if not triangle(a)])
        self.factors: dict[Variable, tuple[Variable, ...]] = {}
        self.roots = {n.inputs[0]: n for n in graph.nodes if n.op.name == "cholesky"}
        self.symmetric: dict[Variable, bool] = {}

    def run(self) -> Graph:
        return replace_nodes(self.graph, self._replaced, self.new)

    def _replaced(self, node: Apply) -> Variable | None:
        if node.op.name == "solve":
            return self._solve(node)
        if node.op.name == "matmul" and not node.op.params.get("strong"):
            return self._times_inverse(node)
        return None

    def _solve(self, node: Apply) -> Variable | None:
        """By triangles: the matrix itself is one, or its factors are wanted more than once."""
        a, b = (self.new.get(v, v) for v in node.inputs)
        known = triangle(node.inputs[0])
        params = node.op.params
        if known:
            return node.op.family(a, b, **{**params, "triangle": known})  # type: ignore[operator]
        root, transposed = _root(node.inputs[0])
        if self._has_cholesky(root) and b.ndim == 2:
            return self._by_cholesky(node, root, b)
        if self.shared[root] < 2 or not has_scipy() or not _is_large(root) or b.ndim != 2:
            return None
        if root not in self.factors:
            self.factors[root] = OPS.families["lu"](self.new.get(root, root))  # type: ignore[operator]
        packed, _, rows = self.factors[root]
        return _substituted(packed, rows, b, transposed, bool(params.get("strong")))

    def _has_cholesky(self, root: Variable) -> bool:
        """Is this a symmetric matrix whose Cholesky factor the graph computes as well?"""
        if root not in self.roots or root.ndim != 2 or not has_scipy():
            return False
        size = root.type.shape[-1]
        if isinstance(size, int) and size < TRIANGLES:
            return False
        if root not in self.symmetric:
            self.symmetric[root] = is_symmetric(root)
        return self.symmetric[root]

    def _by_cholesky(self, node: Apply, root: Variable, b: Variable) -> Variable:
        """x with A x = b from A = L Lᵀ."""
        owner = self.roots[root]
        follow(owner, self.new)  # it may stand behind
        lower = self.new.get(owner.output(0), owner.output(0))
        params, by_triangle = node.op.params, node.op.family
        first = by_triangle(lower, b, **{**params, "triangle": "lower"})  # type: ignore[operator]
        found: Variable = by_triangle(lower.mT, first, **{**params, "triangle": "upper"})  # type: ignore[operator]
        return found

    def _times_inverse(self, node: Apply) -> Variable | None:
        """inv(A) @ b and b @ inv(A)."""
        first, second = node.inputs
        solve = OPS.families["solve"]
        if first.ndim == second.ndim == 2:
            if self._is_inverse(first):
                a, b = first.owner.inputs[0], second  # type: ignore[union-attr]
                return solve(self.new.get(a, a), self.new.get(b, b))  # type: ignore[operator]
            if self._is_inverse(second):
                a, b = second.owner.inputs[0], first  # type: ignore[union-attr]
                return solve(self.new.get(a, a).mT, self.new.get(b, b).mT).mT  # type: ignore[operator]
        if first.ndim == 2 and second.ndim == 1 and self._is_inverse(first):
            a, b = first.owner.inputs[0], second  # type: ignore[union-attr]
            found = solve(self.new.get(a, a), self.new.get(b, b)[:, None])  # type: ignore[operator]
            return OPS["squeeze"](found, 1)
        return None

    def _is_inverse(self, variable: Variable) -> bool:
        owner = variable.owner
        return owner is not None and owner.op.name == "inv" and self.readers[variable] == 1


def _substituted(
    packed: Variable, rows: Variable, b: Variable, transposed: bool, strong: bool
) -> Variable:
    """x with A x = b, or Aᵀ x = b, from the LU factorization of A."""
    by_triangle = OPS.families["solve_triangular"]
    if transposed:
        first = by_triangle(packed.mT, b, lower=True, unit=False, strong=strong)  # type: ignore[operator]
        second = by_triangle(packed.mT, first, lower=False, unit=True, strong=strong)  # type: ignore[operator]
        return OPS["take"](second, OPS["argsort"](rows), axis=0)
    first = by_triangle(packed, OPS["take"](b, rows, axis=0), lower=True, unit=True, strong=strong)  # type: ignore[operator]
    found: Variable = by_triangle(packed, first, lower=False, unit=False, strong=strong)  # type: ignore[operator]
    return found


def _root(a: Variable) -> tuple[Variable, bool]:
    """(matrix, False), or (the one that it is the transpose of, True)."""
    owner = a.owner
    if owner is not None and owner.op.name == "transpose" and a.ndim == 2:
        return owner.inputs[0], True
    return a, False


def _is_large(a: Variable) -> bool:
    """Does a factorization take longer than handing one on?"""
    size = a.type.shape[-1]
    return a.ndim == 2 and isinstance(size, int) and size >= SHARED


def triangle(a: Variable) -> str:
    """ "lower" or "upper" for a matrix that is known to have zeros elsewhere, else "".

    >>> import graphad as ga
    >>> lower = ga.linalg.cholesky(ga.matrix("a", shape=(3, 3)))
    >>> triangle(lower), triangle(lower.T), triangle(ga.matrix("a"))
    ('lower', 'upper', '')
    """
    turned = False
    while a.owner is not None and a.ndim == 2:
        name = a.owner.op.name
        if name == "transpose":
            turned = not turned
        elif name == "cholesky":
            return "upper" if turned else "lower"
        elif name != "conj":
            return ""
        a = a.owner.inputs[0]
    return ""
