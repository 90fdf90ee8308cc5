"""Runs every example: in the docstrings of the package, in the README and in the documentation.

Each module is imported under its own name, once for all tests, so that what it registers on
import is there once.
"""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from graphad.ir.op import OPS

ROOT = Path(__file__).resolve().parent.parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def with_examples(*patterns: str) -> list[str]:
    """Paths of the files that hold a doctest prompt."""
    files = sorted(file for pattern in patterns for file in ROOT.glob(pattern))
    return [str(f.relative_to(ROOT)) for f in files if ">>> " in f.read_text("utf-8")]


@pytest.mark.parametrize("path", with_examples("graphad/**/*.py"))
def test_docstrings(path: str) -> None:
    name = ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")
    result = doctest.testmod(import_module(name), optionflags=FLAGS)
    assert not result.failed, f"{path}: see the printed report"


@pytest.mark.parametrize("name", sorted(OPS))
def test_functions_of_the_table(name: str) -> None:
    """Also of those that are made by a declaration, which doctest does not find in a module."""
    example = doctest.DocTestParser().get_doctest(OPS[name].__doc__ or "", {}, name, None, 0)
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example)
    assert result.attempted and not result.failed, f"{name}: see the printed report"


@pytest.mark.parametrize("path", with_examples("README.md", "docs/**/*.md"))
def test_pages(path: str) -> None:
    lines = (ROOT / path).read_text("utf-8").splitlines()
    text = "\n".join("" if line.startswith("```") else line for line in lines)
    page = doctest.DocTestParser().get_doctest(text, {}, path, path, 0)
    result = doctest.DocTestRunner(optionflags=FLAGS).run(page)
    assert result.attempted and not result.failed, f"{path}: see the printed report"
