"""The threads that kernels share: one pool for each number of threads, started when first used."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any


def wait_for(futures: Sequence[Any]) -> None:
    """Wait for all, come what may: threads still read the parameters of the call."""
    interrupted: BaseException | None = None
    for future in futures:
        while not future.done():
            try:
                future.exception()
            except BaseException as error:
                interrupted = error
    if interrupted is not None:
        raise interrupted


@functools.cache
def pool(threads: int) -> Any:
    """The executor for calls that use up to `threads` threads, the caller among them."""
    from concurrent.futures import ThreadPoolExecutor  # takes a while to load

    return ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="graphad")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # threads do not survive a fork


def available_threads() -> int:
    """How many threads this process may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (
        os.cpu_count() or 1)  # fmt: skip
