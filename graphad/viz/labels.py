"""What a node of a picture says, and how text is made safe for DOT and Mermaid.

Everything that a user may have chosen (names of variables, scopes, dims, keys of containers)
goes through `visible` and then through `dot_string` or `mermaid_string`: it is shown letter by
letter and never becomes code or markup.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.op import Family
from graphad.ir.text import constant_text
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Shared, Variable

NAME_WIDTH = 40  # characters of a name, a type, a line of parameters
SCALAR_WIDTH = 12  # characters of a constant that is written inside the op's label

# For these the order of the operands does not matter, so edges carry no position.
SYMMETRIC = frozenset(
    "add multiply maximum minimum equal not_equal logical_and logical_or logical_xor".split()
)


# What Mermaid, Markdown or HTML might take for syntax: all marks but a few, underscores around
# words, list bullets and numbers, links.
_MERMAID = re.compile(
    r"""[^\w .,:=()\[\]+\-/?'×·…→]|(?<![^\W_])_|_(?![^\W_])|^[-+]|\.(?= )|(?<=\])\(|(?<=:)/"""
)


# ---- making text safe -----------------------------------------------------------------------
def visible(text: Any, limit: int = NAME_WIDTH) -> str:
    """One line of printable characters: others are written as escapes, long text is cut.

    >>> print(visible("a\\nb"), visible("x" * 50, limit=5))
    a\\nb xxxx…
    """
    shown = "".join(
        [
            c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
            for c in str(text)[: limit + 1]
        ]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def dot_string(lines: Iterable[str]) -> str:
    r"""Lines of text as one quoted string of the DOT language.

    In DOT strings a backslash starts an escape (``\N`` is the node's name) and ``&lt;`` is an
    entity; both are taken away here.

    >>> print(dot_string(['say "hi"', r"\N & <b>"]))
    "say \"hi\"\n\\N &amp; <b>"
    """
    escaped = [
        line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines
    ]
    return '"' + "\\n".join(escaped) + '"'


def mermaid_string(lines: Iterable[str]) -> str:
    """Lines of text as one quoted Mermaid label; whatever may be syntax is a numeric entity.

    >>> print(mermaid_string(['<b> "x"', "2 * y"]))
    "#60;b#62; #34;x#34;<br/>2 #42; y"
    """
    escaped = [_MERMAID.sub(lambda found: f"#{ord(found[0])};", line) for line in lines]
    return '"' + "<br/>".join(escaped) + '"'


# ---- what leaves say ------------------------------------------------------------------------
def kind_of(variable: Variable, is_input: bool = False) -> str:
    """input, shared or constant; what is fed from outside is an input whatever computes it."""
    if isinstance(variable, Shared):
        return "shared"
    return "constant" if isinstance(variable, Constant) and not is_input else "input"


def scalar_text(variable: Variable) -> str | None:
    """The text of a constant so small that it stands inside the label of the op, else None."""
    if not isinstance(variable, Constant) or variable.value.ndim:
        return None
    text = visible(variable.name) if variable.name else number_text(variable.value[()])
    return text if len(text) <= SCALAR_WIDTH else None


def number_text(value: Any) -> str:
    """A number in at most six digits.

    >>> number_text(np.float64(1) / 3), number_text(np.int64(3)), number_text(np.True_)
    ('0.333333', '3', 'True')
    """
    if isinstance(value, np.floating):
        text = f"{float(value):.6g}"
        return text if not text.lstrip("-").isdigit() else text + ".0"
    if isinstance(value, np.complexfloating):
        return f"{complex(value):.6g}"
    return str(value)


def leaf_lines(variable: Variable) -> list[str]:
    """Name and, for a constant of at most four elements, value."""
    if isinstance(variable, Constant):
        lines = [visible(variable.name)] if variable.name else []
        if variable.value.ndim == 0:
            return [*lines, number_text(variable.value[()])]
        if variable.value.size <= 4:
            return [*lines, visible(constant_text(variable))]
        return lines or ["constant"]
    return [visible(variable.name or kind_of(variable))]


def type_text(type: TensorType) -> str:
    """dtype and shape, as on edges: ``float64[batch, 64]``."""
    return visible(type)


# ---- what ops say ---------------------------------------------------------------------------
def op_lines(
    node: Apply, scalars: Mapping[int, str], given: Mapping[Variable, str] | None = None
) -> list[str]:
    """Name of the op with its scalar operands, name of the result, parameters.

    `scalars` maps input positions to the constants written in place: ``subtract(1.0, ·)``;
    `given` names results that may have no name of their own.
    """
    head = visible(node.op.name)
    if scalars:
        operands = [scalars.get(i, "·") for i in range(len(node.inputs))]
        head += f"({', '.join(operands)})"
    known = given or {}
    names = [known.get(v) or (visible(v.name) if v.name else "_") for v in node.outputs]
    if any(name != "_" for name in names):
        head = f"{', '.join(names)} = {head}"
    parameters = parameter_text(node)
    return [head, parameters] if parameters else [head]


def parameter_text(node: Apply) -> str:
    """The op's parameters in one short line, as its family words them."""
    family, params = node.op.family, node.op.params
    if type(family).label is not Family.label:
        label = family.label(params)
        return visible(label.removeprefix(family.name).removeprefix("(").removesuffix(")"))
    shown = [_parameter(k, v) for k, v in params.items() if v is not None and v is not False]
    return visible(", ".join(shown))


def _parameter(key: str, value: Any) -> str:
    if value is True:
        return key
    if key == "dtype":
        return f"dtype={np.dtype(value)}"
    if isinstance(value, tuple) and len(value) == 1 and not isinstance(value[0], tuple | str):
        value = value[0]
    if isinstance(value, np.ndarray):
        value = f"array{value.shape}"
    return f"{key}={value}"


def tally(nodes: Sequence[Apply], kinds: int = 3) -> list[str]:
    """How many nodes a collapsed box stands for, and the most frequent ops among them."""
    counts = Counter([node.op.name for node in nodes])
    top = [f"{visible(op)} ×{n}" if n > 1 else visible(op) for op, n in counts.most_common(kinds)]
    more = ["…"] if len(counts) > kinds else []
    return [plural(len(nodes), "op"), visible(", ".join(top + more), 60)]


def plural(count: int, noun: str) -> str:
    """
    >>> plural(1, "op"), plural(1200, "op")
    ('1 op', '1,200 ops')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def phase_title(title: str, order: int) -> str:
    """The title of a scope's forward or backward part.

    >>> phase_title("loss", 0), phase_title("loss", 1), phase_title("loss", 2)
    ('loss', 'gradient of loss', '2nd derivative of loss')
    """
    if order == 0:
        return title
    if order == 1:
        return f"gradient of {title}"
    return f"{order}{'nd' if order == 2 else 'rd' if order == 3 else 'th'} derivative of {title}"
