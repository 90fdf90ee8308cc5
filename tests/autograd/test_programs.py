"""Programs in Autograd's style give with graphad.autograd what they gave with Autograd.

The expected numbers were computed with Autograd 1.9.1, by ``python -m benchmarks.programs
--store`` (the ten programs) and ``python -m benchmarks.agreement --store`` (networks).
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
EXPECTED = json.loads((HERE / "results.json").read_text("utf-8"))
LOSSES = json.loads((HERE / "trajectories.json").read_text("utf-8"))


def _benchmark(name: str) -> Any:
    """A module of `benchmarks`, which is not installed."""
    path = HERE.parent.parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


programs, agreement = _benchmark("programs"), _benchmark("agreement")


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_program(name: str) -> None:
    program = programs.load(name, "graphad.autograd")
    made = {
        "one_shot": programs.one_shot(program, "graphad.autograd"),
        "train": program.train(programs.SHORT),
    }
    for what, expected in EXPECTED[name].items():
        scale = max(1.0, float(np.max(np.abs(expected[2:]))))
        found = programs.digest(made[what])
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * scale)


def test_all_programs_are_there() -> None:
    assert len(programs.PROGRAMS) == 10 and set(EXPECTED) == set(programs.PROGRAMS)


@pytest.mark.parametrize("steps", [300, pytest.param(5000, marks=pytest.mark.full)])
@pytest.mark.parametrize("bend", ["tanh", "relu"])
def test_networks_follow_the_way_of_autograd(bend: str, steps: int) -> None:
    found = agreement.trajectory("graphad.autograd", bend, steps)
    kept = steps // agreement.EVERY + (steps == agreement.STEPS)  # with the loss at the end
    np.testing.assert_allclose(found[:kept], LOSSES[bend][:kept], rtol=1e-8)
