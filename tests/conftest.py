"""What all tests share: settings of hypothesis (the same examples in every run, no time limit for
one example), no cache on disk, and `run`, which has a test run by the interpreter and by compiled
functions."""

import os

import pytest
from hypothesis import HealthCheck, settings

from graphad.testing import compiled, interpret
from graphad.testing.gradients import Runner

os.environ["GRAPHAD_CACHE_DIR"] = ""  # nothing that was compiled before

settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


@pytest.fixture(params=["interpreter", "compiled"])
def run(request: pytest.FixtureRequest) -> Runner:
    """``run(inputs, outputs)(*arrays)`` gives the values of the outputs."""
    return {"interpreter": interpret, "compiled": compiled}[request.param]
