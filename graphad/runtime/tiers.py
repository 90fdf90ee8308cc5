"""Tiers of one function: the NumPy program at once, machine code when it has proved worth it.

With backend "auto", calls are answered by the program that was generated at once (NumPy, or plain
floats), and their time is added up. When a function has spent `WORTH` seconds, its native program
is compiled by a thread of its own and takes over between two calls. The last digits of results
may differ between tiers; backend "numpy" or "llvm" keeps to one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

WORTH = 0.05  # seconds of running after which machine code is worth its compilation

_queue: list[Tiers] = []
_lock = threading.Lock()
_worker: threading.Thread | None = None


class Tiers:
    """Counts the time of calls; `ready` is called with the native program once it is there."""

    def __init__(self, make: Callable[[], Any], ready: Callable[[Any], None]) -> None:
        self.make, self.ready = make, ready
        self.spent = 0.0
        self.problem: BaseException | None = None
        self._asked = False
        self._done = threading.Event()

    def timed(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """`run`, with its time added up."""

        def counted(*arguments: Any) -> Sequence[Any]:
            start = time.perf_counter()
            results: Sequence[Any] = run(*arguments)
            self.spent += time.perf_counter() - start
            if self.spent > WORTH and not self._asked:
                self.ask()
            return results

        return counted

    def ask(self) -> None:
        """Have the native program compiled, in the background."""
        global _worker
        with _lock:
            if self._asked:
                return
            self._asked = True
            _queue.append(self)
            if _worker is None or not _worker.is_alive():
                _worker = threading.Thread(target=_work, name="graphad compiler")
                _worker.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the native program, asking for it if need be; False at the timeout."""
        self.ask()
        return self._done.wait(timeout)

    def compile(self) -> None:
        """Make the native program; without it, whatever the reason, the first tier stays."""
        try:
            made = self.make()
            if made is not None:
                self.ready(made)
        except Exception as error:
            self.problem = error
        finally:
            self._done.set()


def _work() -> None:
    """Compile what is asked for; the thread ends when nothing is left, so it delays no exit."""
    global _worker
    while True:
        with _lock:
            if not _queue:
                _worker = None
                return
            tiers = _queue.pop(0)
        tiers.compile()
