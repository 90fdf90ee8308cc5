"""SHA-256 without OpenSSL: `hashlib` takes longer to load than a cached program to start."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Sha256 = Callable[[bytes], Any]


@functools.cache
def _sha256() -> Sha256:
    for name in ("_sha2", "_sha256"):  # CPython's own, since 3.12 and before
        try:
            made: Sha256 = __import__(name).sha256
        except (ImportError, AttributeError):
            continue
        return made
    import hashlib

    return hashlib.sha256


def digest(data: bytes) -> bytes:
    """32 bytes.

    >>> digest(b"").hex()[:8]
    'e3b0c442'
    """
    made: bytes = _sha256()(data).digest()
    return made


def hexdigest(data: bytes) -> str:
    """64 digits."""
    return digest(data).hex()
