"""The table of what is supported: what it says of functions whose state is known."""

from __future__ import annotations

import numpy as np
import pytest

from graphad.ir.op import OPS
from graphad.testing import coverage


def test_derivatives_are_tried_out() -> None:
    assert set(coverage.modes_of(OPS.entries["tanh"]).values()) == {"yes"}
    assert set(coverage.modes_of(OPS.entries["full_like"]).values()) == {"zero"}
    assert set(coverage.modes_of(OPS.entries["argmax"]).values()) == {"-"}


def test_every_name_has_one_row() -> None:
    rows = {row.name: row for row in coverage.numpy_rows(np)}
    assert set(rows) == {name for name in dir(np) if not name.startswith("_")}
    assert rows["sin"].supported and not rows["savetxt"].supported
    assert rows["savetxt"].note.startswith("reads or writes")
    assert rows["float32"].note.startswith("a type")
    assert str(rows["sin"]) == "| `sin` | yes | yes | yes | yes |  |"


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    coverage.main([])
    printed = capsys.readouterr().out
    assert "| `linalg.inv` | yes | yes | yes | yes |" in printed
    assert " names: " in printed.splitlines()[-1]


def test_nothing_is_missing() -> None:
    """Every name of NumPy's that is no function here has a reason."""
    missing = [row.name for row in coverage.rows() if row.note == "MISSING"]
    assert not missing
