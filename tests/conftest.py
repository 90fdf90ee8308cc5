"""What all tests share: settings of hypothesis (the same examples in every run, no time limit for
one example), no cache on disk, programs from the first call on, and `run`, which has a test run by
the interpreter and by compiled functions."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from graphad.compiler import Compiled
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


@pytest.fixture(autouse=True, scope="session")
def programs_at_once() -> Iterator[None]:
    """Most tests call a function once, and mean its program; not so `runtime/test_opening.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compiled, "opens", False)
        yield


@pytest.fixture(params=["interpreter", "compiled"])
def run(request: pytest.FixtureRequest) -> Runner:
    """``run(inputs, outputs)(*arrays)`` gives the values of the outputs."""
    return {"interpreter": interpret, "compiled": compiled}[request.param]
