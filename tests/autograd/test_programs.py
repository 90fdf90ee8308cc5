"""Ten programs in Autograd's style give with graphad.autograd what they gave with Autograd.

The expected numbers were computed by ``python -m benchmarks.programs --store``.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
EXPECTED = json.loads((HERE / "results.json").read_text("utf-8"))


def _programs() -> Any:
    """`benchmarks.programs`, which is not installed."""
    path = HERE.parent.parent / "benchmarks" / "programs.py"
    spec = importlib.util.spec_from_file_location("programs_side_by_side", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


programs = _programs()


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_program(name: str) -> None:
    program = programs.load(name, "graphad.autograd")
    made = {"one_shot": program.one_shot(), "train": program.train(programs.SHORT)}
    for what, expected in EXPECTED[name].items():
        scale = max(1.0, float(np.max(np.abs(expected[2:]))))
        found = programs.digest(made[what])
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * scale)


def test_all_programs_are_there() -> None:
    assert len(programs.PROGRAMS) == 10 and set(EXPECTED) == set(programs.PROGRAMS)
