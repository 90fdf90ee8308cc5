"""The pages of docs/ without building them: links lead somewhere, the API pages are complete.

That Sphinx builds them without a warning is a step of the continuous integration.
"""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import graphad
from graphad.ir.op import OPS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
MADE_BY_THE_BUILD = ("auto_examples/", "api/")


@pytest.fixture(scope="module")
def api() -> ModuleType:
    """docs/api_pages.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("api_pages", ROOT / "docs" / "api_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_code(text: str) -> str:
    """Markdown without its blocks and spans of code."""
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(without_code(page.read_text("utf-8"))):
        place, _, _ = target.partition("#")
        if place and "://" not in place and not place.startswith(MADE_BY_THE_BUILD):
            assert (page.parent / place).exists(), f"{page.name} links to {target}"


def test_every_public_function_has_an_entry(api: ModuleType) -> None:
    listed = [name for _, _, names in api.pages() for name in names]
    assert len(listed) == len(set(listed))
    core = {n for n in graphad.__all__ if api.documented(getattr(graphad, n)) and n not in OPS}
    expected = {*core, *[n for n in OPS if n not in api.PRIVATE]} - {"__version__"}
    assert {f"graphad.{name}" for name in expected} <= set(listed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the `index`-th output", "the ``index``-th output"),
        ("|x|, *args and shape_ of `a*b`", r"\|x\|, \*args and shape\_ of ``a*b``"),
        ("file:line of ``f(x)``s", r"file\:line of ``f(x)``\ s"),
        ("The plan: steps,\nmemory.", "The plan: steps,\nmemory."),
        ("x: (n,)\ny: (m,)\n   and more", "\n- x: (n,)\n\n- y: (m,)\n  and more"),
        ("a   first\nbc  second   column\nd   third   column",
         "::\n\n    a   first\n    bc  second   column\n    d   third   column"),
        (">>> f(*x)\n`y`", ">>> f(*x)\n`y`"),
    ],
)  # fmt: skip
def test_docstrings_mean_what_they_say(api: ModuleType, text: str, expected: str) -> None:
    lines = text.splitlines()
    api.as_rst(None, "function", "f", None, None, lines)
    assert lines == expected.splitlines()
