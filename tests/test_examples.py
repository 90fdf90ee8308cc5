"""The programs of docs/examples, in short: each asserts its result, prints it and draws it.

An example is found by being there. In one process, because importing matplotlib takes longer
than most of them.
"""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


@pytest.fixture(autouse=True)
def on_paper() -> Iterator[None]:
    """Pictures without a screen, closed afterwards."""
    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    yield
    plt.close("all")
    matplotlib.use(before)


def test_examples_are_found() -> None:
    assert EXAMPLES


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(path), "--short"])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()
    figures = [plt.figure(number) for number in plt.get_fignums()]
    assert figures and all(axis.has_data() for figure in figures for axis in figure.axes)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_asserts_its_result(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert any(line.strip().startswith(("assert ", "np.testing.assert_")) for line in lines)
