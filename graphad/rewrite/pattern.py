"""Rules, and patterns for writing them as arrows.

``"log(1 + x) -> log1p(x)"`` is a rule: the left side is matched against a node and its operands,
names stand for any variable (the same name for the same variable), numbers for constants with
that value, functions and operators for ops; the right side is built in its place. Addition,
multiplication and other commutative ops match in both orders.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.op import OPS, freeze
from graphad.ir.variable import Apply, Constant, Variable
from graphad.records import Record

MARKS = ("exact", "rounding", "stabilising", "unsafe")
NUMBER_BYTES = 4096  # constant arrays up to this size are recognised as one number, repeated
COMMUTATIVE = frozenset(
    {"add", "multiply", "maximum", "minimum", "equal", "not_equal", "logical_and", "logical_or"}
)
Bindings = dict[str, Variable]


class Rule(Record):
    """One rewrite: the name of the op at its root, what builds the replacement (or returns None),
    and its mark: exact (same bits), rounding (last bits may differ), stabilising (more exact),
    unsafe (may lose a NaN or infinity; never applied by default). `needs` spares calls of `apply`:
    kinds of operands, as `operand_kinds` gives them, without which the rule cannot fire."""

    arrow: str
    root: str
    apply: Callable[[Apply, Any], Variable | None]
    mark: str = "exact"
    needs: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"{self.arrow}  [{self.mark}]"


class Row:
    """A rule of a table, whose arrow is read when it is first tried.

    `ops` says where that is: the op at the root of the arrow, and what else the rule `needs`, ops
    and numbers. Most programs have few of those for which there are rules, and reading all takes
    milliseconds.
    """

    __slots__ = ("_rule", "arrow", "kinds", "mark", "needs", "root")

    def __init__(self, ops: str, arrow: str, mark: str, kinds: str | None) -> None:
        self.root, *needs = ops.split()
        self.needs = frozenset(needs)
        self.arrow, self.mark, self.kinds = arrow, mark, kinds
        self._rule: Rule | None = None

    def __repr__(self) -> str:
        return f"{self.arrow}  [{self.mark}]"

    def read(self) -> Rule:
        """The rule, the same at each call."""
        if self._rule is None:
            left, right = _sides(self.arrow)
            made = Arrow(left, right, self.kinds)
            self._rule = Rule(self.arrow, self.root, made, self.mark, self.needs)
        return self._rule

    def apply(self, node: Apply, context: Any) -> Variable | None:
        """What stands for the node's result; None: the rule does not fit."""
        if self.kinds is not None and node.types[0].dtype.kind not in self.kinds:
            return None
        return self.read().apply(node, context)


CONSTANT = "constant"
# numbers that are kinds of their own
_OFTEN: dict[float, str] = {0: "0", 1: "1", -1: "-1", 2: "2", 3: "3", 4: "4"}
_SEEN_THROUGH = ("broadcast_to", "expand_dims")  # between a constant and its use as a number


def operand_kinds(node: Apply) -> set[str]:
    """The names of the ops that the operands come from; CONSTANT if one is a constant, seen
    through broadcasts, or if there are none; and such a number, if it is one of rules."""
    found = set() if node.inputs else {CONSTANT}
    for variable in node.inputs:
        owner = variable.owner
        if owner is not None:
            found.add(owner.op.name)
            if owner.op.name not in _SEEN_THROUGH:
                continue
        elif not isinstance(variable, Constant):
            continue
        found.add(CONSTANT)
        number = number_of(variable)
        if number is not None and number in _OFTEN:
            found.add(_OFTEN[number])
    return found


# ---- patterns --------------------------------------------------------------------------------
class Wild(Record):
    """Any variable; equal names, equal variable."""

    name: str


class Number(Record):
    """A constant all of whose elements have this value.

    0.0 and -0.0 are told apart, in both parts of a complex number.
    """

    value: float


class Call(Record):
    """An application of the op `name` to operands that match."""

    name: str
    arguments: tuple[Any, ...]


Pattern = Wild | Number | Call

_OPERATORS: dict[type, str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide",
    ast.Pow: "power", ast.MatMult: "matmul", ast.USub: "negative", ast.UAdd: "positive",
    ast.Invert: "invert", ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less",
    ast.LtE: "less_equal", ast.Eq: "equal", ast.NotEq: "not_equal",
}  # fmt: skip


def parse(text: str) -> Pattern:
    """The pattern of an expression.

    >>> parse("log(1 + x)")
    Call(name='log', arguments=(Call(name='add', arguments=(Number(value=1), Wild(name='x'))),))
    """
    try:
        return _convert(ast.parse(text.strip(), mode="eval").body, text)
    except SyntaxError as error:
        raise UseError(
            f"{text!r} is no pattern", cause=str(error), remedy='write for example "log(1 + x)"'
        ) from None


def _sides(arrow: str) -> list[Any]:
    """The patterns of both sides, which are known to be right, read as one expression."""
    both = f"({arrow.replace('->', '), (')})"
    tree = compile(both, "<rule>", "eval", ast.PyCF_ONLY_AST)
    return [_convert(side, arrow) for side in tree.body.elts]  # type: ignore[attr-defined]


def _convert(node: ast.expr, text: str) -> Pattern:
    if isinstance(node, ast.Name):
        return Wild(node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Number(node.value)
    if isinstance(node, ast.UnaryOp):
        inner = _convert(node.operand, text)
        if isinstance(inner, Number) and isinstance(node.op, ast.USub):
            return Number(-inner.value if inner.value else -0.0)
        return Call(_OPERATORS[type(node.op)], (inner,))
    if isinstance(node, ast.BinOp):
        return Call(
            _OPERATORS[type(node.op)], (_convert(node.left, text), _convert(node.right, text))
        )
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sides = (_convert(node.left, text), _convert(node.comparators[0], text))
        return Call(_OPERATORS[type(node.ops[0])], sides)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id not in OPS.families:
            raise UseError(
                f"{text!r}: there is no op {node.func.id!r}", remedy="see graphad's list of ops"
            )
        return Call(node.func.id, tuple([_convert(a, text) for a in node.args]))
    raise UseError(f"{text!r} is no pattern", remedy="use names, numbers, operators and op names")


ALIKE = 6  # levels of ops compared by `alike`


def alike(a: Variable, b: Variable, depth: int = ALIKE) -> bool:
    """Are these the same variable, or the same few ops of the same variables?

    Where equal nodes were not merged yet, ``exp(x) / (1 + exp(x))`` holds two exp(x).
    """
    if a is b:
        return True
    first, second = a.owner, b.owner
    if first is None or second is None:
        constants = isinstance(a, Constant) and isinstance(b, Constant)
        return constants and freeze(a.value) == freeze(b.value)  # type: ignore[attr-defined]
    if not depth or a.index != b.index or first.op != second.op:
        return False
    return len(first.inputs) == len(second.inputs) and all(
        [alike(v, w, depth - 1) for v, w in zip(first.inputs, second.inputs, strict=True)]
    )


def match(pattern: Pattern, variable: Variable, bindings: Bindings) -> Bindings | None:
    """The bindings under which `pattern` stands for `variable`, or None."""
    if isinstance(pattern, Wild):
        known = bindings.get(pattern.name)
        if known is None:
            return {**bindings, pattern.name: variable}
        return bindings if alike(known, variable) else None
    if isinstance(pattern, Number):
        return bindings if is_number(variable, pattern.value) else None
    node = variable.owner
    if node is None or node.op.name != pattern.name or node.op.params:
        return None
    return _match_operands(pattern, node.inputs, bindings)


def _match_operands(
    pattern: Call, operands: tuple[Variable, ...], bindings: Bindings
) -> Bindings | None:
    if len(operands) != len(pattern.arguments):
        return None
    orders = [operands]
    if pattern.name in COMMUTATIVE:
        orders.append(operands[::-1])
    for order in orders:
        found: Bindings | None = bindings
        for inner, operand in zip(pattern.arguments, order, strict=True):
            if found is not None:
                found = match(inner, operand, found)
        if found is not None:
            return found
    return None


def number_of(variable: Variable) -> Any:
    """The one value of a constant of equal elements (seen through broadcasts), or None."""
    while variable.owner is not None and variable.owner.op.name in _SEEN_THROUGH:
        variable = variable.owner.inputs[0]
    if not isinstance(variable, Constant) or not 0 < variable.value.nbytes <= NUMBER_BYTES:
        return None
    value = variable.value
    first = value.flat[0]
    return first if value.tobytes() == first.tobytes() * value.size else None


def is_number(variable: Variable, value: float) -> bool:
    """Is this a constant with `value` everywhere, sign of zero included?"""
    found = number_of(variable)
    if found is None or found != value:
        return False
    parts = {"f": [found], "c": [found.real, found.imag]}.get(found.dtype.kind, [])
    return bool(value) or all(np.signbit(part) == np.signbit(value) for part in parts)


def build(pattern: Pattern, bindings: Mapping[str, Variable]) -> Any:
    """The right side of a rule for given bindings."""
    if isinstance(pattern, Wild):
        return bindings[pattern.name]
    if isinstance(pattern, Number):
        return pattern.value
    return OPS[pattern.name](*[build(a, bindings) for a in pattern.arguments])


def _names(pattern: Pattern) -> set[str]:
    if isinstance(pattern, Wild):
        return {pattern.name}
    return set().union(*map(_names, pattern.arguments)) if isinstance(pattern, Call) else set()


def _filled(node: Apply, value: float) -> Variable | None:
    """A number in the dtype and shape of the node's result; the shape is that of an operand."""
    type = node.types[0]
    number = Constant(np.asarray(value).astype(type.dtype))
    if number.value != value and type.dtype.kind not in "fc":
        return None
    if not type.ndim:
        return number
    like = next((v for v in node.inputs if v.type.shape == type.shape), None)
    filled: Variable | None = None if like is None else OPS["broadcast_to"](number, like.shape)
    return filled


class Arrow:
    """What an arrow does to a node: match the left side, build the right side in its place.

    `kinds`: every variable of the left side must have the dtype of the node's result, and that
    must be of one of these kinds; None: any dtypes.
    """

    def __init__(self, left: Call, right: Pattern, kinds: str | None = None) -> None:
        self.left, self.right, self.kinds = left, right, kinds

    def _content(self) -> tuple[Any, ...]:
        return self.left, self.right, self.kinds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arrow) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def __call__(self, node: Apply, context: Any) -> Variable | None:
        if node.op.params:
            return None
        found = _match_operands(self.left, node.inputs, {})
        if found is None or not self._fits(found, node.types[0].dtype):
            return None
        if isinstance(self.right, Number):
            return _filled(node, self.right.value)
        try:
            built: Variable = build(self.right, found)
        except (DTypeError, ShapeError):
            return None  # the right side is not defined for these operands
        return built

    def _fits(self, bindings: Bindings, dtype: np.dtype) -> bool:
        if self.kinds is None:
            return True
        return dtype.kind in self.kinds and all(v.dtype == dtype for v in bindings.values())


def rule(
    pattern: str,
    replacement: str | None = None,
    *,
    mark: str = "rounding",
    kinds: str | None = None,
) -> Rule:
    """A rule from an arrow ``"left -> right"``, or from its two sides.

    The right side may use only names of the left side. `kinds` limits the rule to operands that
    have the dtype of the result, of one of these kinds ("f" float, "i" integer, "u" unsigned, "b"
    boolean, "c" complex). Raises UseError for unknown ops, marks and names, and a left side that
    is no op.

    >>> rule("log(1 + x) -> log1p(x)", mark="stabilising")
    log(1 + x) -> log1p(x)  [stabilising]
    """
    if replacement is None:
        pattern, arrow, replacement = pattern.replace("→", "->").partition("->")
        if not arrow:
            raise UseError(f"{pattern!r} has no arrow", remedy='write "left -> right"')
    if mark not in MARKS:
        raise UseError(f"mark={mark!r}", remedy=f"choose one of {', '.join(MARKS)}")
    if kinds is not None and not (isinstance(kinds, str) and set(kinds) <= set("biufc")):
        raise UseError(f"kinds={kinds!r}", remedy='write letters of "biufc", such as "f" or "fc"')
    left, right = parse(pattern), parse(replacement)
    if not isinstance(left, Call):
        raise UseError(f"{pattern!r}: the left side must be an op", remedy='such as "x * 1"')
    unknown = sorted(_names(right) - _names(left))
    if unknown:
        raise UseError(f"{replacement!r} uses {unknown[0]!r}, which the left side does not bind")
    arrow = f"{pattern.strip()} -> {replacement.strip()}"
    needs = [_needs(argument) for argument in left.arguments if not isinstance(argument, Wild)]
    return Rule(arrow, left.name, Arrow(left, right, kinds), mark, frozenset(needs))


def _needs(argument: Call | Number) -> str:
    return argument.name if isinstance(argument, Call) else _OFTEN.get(argument.value, CONSTANT)


def is_outer(node: Apply) -> bool:
    """Is it a product of a column and a row, or of stacks of them?"""
    if node.op.name != "matmul":
        return False
    a, b = [v.type.shape for v in node.inputs]
    return min(len(a), len(b)) > 1 and a[-1] == 1 == b[-2]
