"""What several tests of machine code need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphad.codegen import gemm, llvm


@pytest.fixture(params=[128, 256, 512])
def bits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Registers of so many bits, as far as the processor has them."""
    if request.param > llvm.width():
        pytest.skip("wider than the registers of this processor")
    monkeypatch.setattr(llvm, "width", lambda: request.param)
    return int(request.param)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Even the smallest products are shared by threads."""
    monkeypatch.setattr(gemm, "SHARE", 0)
    _forget_products()
    yield
    _forget_products()


def _forget_products() -> None:
    for known in (gemm._library, gemm._entries):
        known.cache_clear()
