"""Sphinx: `sphinx-build -W docs docs/_build` (the extra `docs`) writes the documentation.

The API pages are written from the package itself, when the build starts (see `api_pages.py`); the
gallery runs the programs in `examples/`. `-t short` runs these in their short form.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import api_pages

import graphad

project = "graphad"
author = "graphad developers"
copyright = author
version = release = graphad.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "**/*.py"]

default_role = "code"  # `text` in the gallery means what it means in docstrings
suppress_warnings = ["config.cache"]  # the gallery's settings hold a function

html_theme = "furo"
html_title = "graphad"
html_copy_source = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say it with shapes and dtypes
autodoc_preserve_defaults = True


def arguments_of_examples(gallery_conf: Any, script_vars: Any) -> list[str]:
    """The command line on which an example runs while the gallery is built."""
    return ["--short"] if tags.has("short") else []  # type: ignore[name-defined]  # noqa: F821


sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "reset_argv": arguments_of_examples,
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "matplotlib_animations": False,
}


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", api_pages.write)
    app.connect("autodoc-process-docstring", api_pages.as_rst)
