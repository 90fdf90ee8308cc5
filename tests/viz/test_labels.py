"""Text in pictures: legible, short, and never code or markup."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphad.ir.make import constant, matrix, scalar, shared
from graphad.ir.op import OPS, Op
from graphad.viz import labels

NASTY = [
    'say "hi"', r"\N \G \l \\", "<b>bold</b>", "&lt;&amp;", "line\nbreak", "nul\x00", "\u202eevil",
    '"]; n0 [label="x', "a\tb", "`code` *b* _i_", "#quot;", "1. item", "- item", "[x](http://y)",
    "größe 数据", "\ud800", "%% comment", "end",
]  # fmt: skip


def read_dot(quoted: str) -> str:
    """What Graphviz draws for a quoted string: escapes and entities undone, lines joined by |."""
    assert quoted[0] == quoted[-1] == '"'
    marks = {'\\"': '"', "\\\\": "\\", "\\n": "|", "&amp;": "&"}
    return re.sub(r'\\"|\\\\|\\n|&amp;', lambda found: marks[found[0]], quoted[1:-1])


def read_mermaid(quoted: str) -> str:
    """What Mermaid draws for a quoted label."""
    assert quoted[0] == quoted[-1] == '"'
    text = quoted[1:-1].replace("<br/>", "|")
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


# ---- escaping -------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(alphabet=st.characters()) | st.sampled_from(NASTY))
def test_visible_is_one_printable_line(text: str) -> None:
    shown = labels.visible(text)
    assert shown.isprintable() and len(shown) <= labels.NAME_WIDTH
    shown.encode("utf-8")


@settings(deadline=None)
@given(st.text() | st.sampled_from(NASTY))
def test_dot_shows_text_letter_by_letter(text: str) -> None:
    shown = labels.visible(text)
    quoted = labels.dot_string([shown, shown])
    assert read_dot(quoted) == f"{shown}|{shown}"
    assert not re.search(r'(?<!\\)(\\\\)*"', quoted[1:-1])
    assert not re.search(r"&(?!amp;)", quoted)


@settings(deadline=None)
@given(st.text() | st.sampled_from(NASTY))
def test_mermaid_shows_text_letter_by_letter(text: str) -> None:
    shown = labels.visible(text)
    quoted = labels.mermaid_string([shown, shown])
    assert read_mermaid(quoted) == f"{shown}|{shown}"
    assert not re.search(r'["<>&`\\*{}|;#%]|\b_|_\b', re.sub(r"#\d+;|<br/>", "", quoted[1:-1]))


def test_markdown_lists_and_links_are_no_markup() -> None:
    shown = labels.mermaid_string(["1. a", "- b", "[x](http://y)"])
    assert labels.mermaid_string(["_a_b_"]) == '"#95;a_b#95;"'
    assert shown == '"1#46; a<br/>#45; b<br/>[x]#40;http:#47;/y)"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", r"a\nb"), ("\u202e", r"\u202e"), ("x" * 41, "x" * 39 + "…"), ("x" * 40, "x" * 40)],
)
def test_visible(text: str, shown: str) -> None:
    assert labels.visible(text) == shown


# ---- leaves ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1, "0.1"), (1 / 3, "0.333333"), (2.0, "2.0"), (1e-30, "1e-30"), (3, "3"),
        (True, "True"), (float("nan"), "nan"), (-float("inf"), "-inf"), (1 + 2j, "1+2j"),
        (np.float32(0.1), "0.1"), (-5.0, "-5.0"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: object, shown: str) -> None:
    assert labels.scalar_text(constant(value)) == shown


def test_only_small_scalars_stand_in_the_op() -> None:
    assert labels.scalar_text(constant([1.0])) is None
    assert labels.scalar_text(constant(1.0, name="a name longer than that")) is None
    assert labels.scalar_text(constant(1.0, name="rate")) == "rate"
    assert labels.scalar_text(shared(1.0)) is None
    assert labels.scalar_text(scalar("x")) is None


def test_leaves() -> None:
    assert labels.leaf_lines(scalar("x")) == ["x"]
    assert labels.leaf_lines(scalar()) == ["input"]
    assert labels.leaf_lines(shared(1.0)) == ["shared"]
    assert labels.leaf_lines(constant([1, 2], name="pair")) == ["pair", "[1, 2]"]
    assert labels.leaf_lines(constant(np.zeros(5))) == ["constant"]
    assert labels.leaf_lines(constant(np.zeros(5), name="zeros")) == ["zeros"]
    assert labels.leaf_lines(constant(2.5)) == ["2.5"]


# ---- ops ------------------------------------------------------------------------------------


def test_op_shows_scalars_name_and_parameters() -> None:
    x = matrix("x", shape=(3, 4))
    difference = 1.0 - x
    assert labels.op_lines(difference.owner, {0: "1.0"}) == ["subtract(1.0, ·)"]
    difference.name = "d<1>"
    assert labels.op_lines(difference.owner, {0: "1.0"}) == ["d<1> = subtract(1.0, ·)"]
    total = OPS["sum"](x, axis=1, keepdims=True)
    assert labels.op_lines(total.owner, {}) == ["sum", "axis=1, keepdims"]
    assert labels.op_lines(x.astype("float32").owner, {}) == ["astype", "dtype=float32"]
    assert labels.op_lines(OPS["transpose"](x).owner, {}) == ["transpose", "axes=(1, 0)"]


def test_family_words_its_own_parameters(split_pair: object) -> None:
    node = split_pair(scalar("x"))[0].owner  # type: ignore[operator]

    class Wordy(type(node.op.family)):  # type: ignore[misc]
        def label(self, params: object) -> str:
            return "split_pair(in my words)"

    node.op = Op(Wordy())
    assert labels.parameter_text(node) == "in my words"


def test_tally() -> None:
    x = scalar("x")
    node = x.exp().owner if hasattr(x, "exp") else OPS["exp"](x).owner
    assert labels.tally([node] * 3) == ["3 ops", "exp ×3"]


@pytest.mark.parametrize("name", sorted(labels.SYMMETRIC))
def test_symmetric_ops_exist(name: str) -> None:
    assert name in OPS
