"""Tiers of one function: the NumPy program at once, machine code when it has proved worth it.

With backend "auto", calls are answered by the program that was generated at once (NumPy, or plain
floats), and their time is added up, without what was spent waiting for a processor. Soon the
native program is looked for among what other processes have left on disk, from where it comes
within milliseconds. When a function has run for about as long as compiling may take, its native
program is compiled by a thread of its own: whenever the calls end, they took at most twice what
they would have with the better choice at the start. From then on calls go to the two in turn,
until each has been timed a few times on arguments of one size; the faster one stays. The last
digits of results may differ between tiers; ``deterministic=True``, or backend "numpy" or "llvm",
keeps to one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from graphad.codegen.lock import compiling

WORTH = 0.05  # seconds of running after which machine code is worth its compilation,
STEPS = 100  # for programs of up to so many steps; for longer ones in proportion
LOADING = 4  # lengths more for the first machine code in a process: it loads the compiler
LOOK = 0.01  # seconds of running, for 100 steps, after which it is looked for on disk
AGAIN = 1000  # calls after which a refused program is tried again, then twice as many
ENOUGH = (3, 0.002, 30)  # a tier is known after so many calls, if they took as long, or so many
PAUSE = 0.001  # seconds in which the call that asks for machine code goes on and returns

Run = Callable[..., Sequence[Any]]
_queue: list[Tiers] = []
_lock = threading.Lock()
_worker: threading.Thread | None = None


class Tiers:
    """Counts the time of calls, has the native program made by `make`, and picks the faster one.

    `install` is a method; it is called with what shall answer calls from now on, and the native
    program if that takes part. `steps` says how long the program is. `recall` finds the native
    program on disk, for `make` to give: it says whether it did. `tell` leaves it there.
    """

    def __init__(
        self,
        first: Run,
        make: Callable[[], Any],
        install: Callable[[Run, Any], None],
        steps: int = 0,
        recall: Callable[[], bool] | None = None,
        tell: Callable[[], None] | None = None,
    ) -> None:
        self.first, self.make, self.length = first, make, max(1.0, steps / STEPS)
        self._install = weakref.WeakMethod(install)  # no cycle
        self.native: Any = None
        self.spent = 0.0
        self.began = time.process_time()
        self.problem: BaseException | None = None
        self.refused = -1  # arguments of at most so many bytes are faster without machine code
        self.patience = self.left = AGAIN
        self.shapes: list[tuple[int, ...]] | None = None  # of the arguments at that time
        self._recall, self._tell, self._only_look = recall, tell, False
        self.limit = (WORTH if recall is None else min(LOOK, WORTH)) * self.length
        self._asked = False
        self._done = threading.Event()

    # -- calls ---------------------------------------------------------------------------------
    def counted(self, *arguments: Any) -> Sequence[Any]:
        """The first tier, as long as it is alone."""
        start = time.perf_counter()
        results = self.first(*arguments)
        self.spent += time.perf_counter() - start
        if self.spent > self.limit and not self._asked and self._has_computed():
            self.shapes = [getattr(a, "shape", ()) for a in arguments]
            self.ask(self._recall is not None)
        return results

    def _has_computed(self) -> bool:
        """Was the time spent computing, and enough? On a busy machine much is spent waiting."""
        now = time.process_time()
        self.began = self.began if self.began <= now else 0.0  # the clock of a forked child
        self.spent = min(self.spent, now - self.began)
        if self._recall is not None:
            return self.spent > self.limit
        more = 0 if "llvmlite" in sys.modules else LOADING
        return self.spent > WORTH * (self.length + more)

    def refusing(self, *arguments: Any) -> Sequence[Any]:
        """The first tier, being faster on arguments of this size; larger ones are a new try. So
        are many calls: the machine may have been busy with something else at the last one."""
        self.left -= 1
        if self.left <= 0:
            self.patience *= 2
            self.left = self.patience
            self._try()
        elif _bytes(arguments) > 4 * self.refused:
            self._try()
        return self.first(*arguments)

    def _try(self) -> None:
        self._answer(_Trial(self), self.native)

    def _answer(self, run: Run, native: Any = None) -> None:
        install = self._install()
        if install is not None:
            install(run, native)

    def settle(self, native: bool, size: int) -> None:
        """Which program was faster on arguments of `size` bytes."""
        if native:
            self._answer(self.native.run, self.native)
        else:
            self.refused = max(self.refused, size)
            self._answer(self.refusing)

    # -- compiling -----------------------------------------------------------------------------
    def ask(self, only_look: bool = False) -> None:
        """Have the native program compiled in the background, or only looked for on disk."""
        global _worker
        with _lock:
            if self._asked:
                self._only_look = self._only_look and only_look
                return
            self._asked, self._only_look = True, only_look
            _queue.append(self)
            if _worker is None or not _worker.is_alive():
                _worker = threading.Thread(target=_work, name="graphad compiler")
                try:
                    _worker.start()
                except RuntimeError:  # no more threads, or the interpreter is ending
                    _queue.clear()
                    self._asked, _worker = False, None
                    self.spent = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the native program, asking for it if need be; False at the timeout."""
        if compiling.acquire(blocking=False):  # else the thread that has it will come to this
            mine = found = False
            try:
                with _lock:
                    mine, self._asked = not self._asked, True
                found = mine and self._is_found()
            finally:
                if mine and not found:
                    self._asked = False
                compiling.release()
        self.ask()
        return self._asked and self._done.wait(timeout)

    def _is_found(self) -> bool:
        """Look for the native program on disk, once; from now on it is compiled."""
        with compiling:
            recall, self._recall = self._recall, None
            self.limit = WORTH * self.length
            try:
                found = recall is not None and recall()
            except Exception:
                found = False
            if found:
                self._make()
            return found

    def compile(self) -> None:
        """Make the native program, or look for it; the call that comes to it waits for nothing."""
        if self._is_found():
            return
        with _lock:
            if self._only_look and not self._has_computed():  # nor has anybody asked for more
                self._asked = False
                return
        self._make()

    def _make(self) -> None:
        """Make the native program; without it, whatever the reason, the first tier stays."""
        try:
            with compiling:
                self.native = self.make() if self._install() is not None else None
                if self.shapes is not None and hasattr(self.native, "prepare"):
                    self.native.prepare(self.shapes)
        except Exception as error:
            self.problem = error
        finally:
            if self.native is None:
                self._answer(self.first)
            else:
                self._try()
            self._done.set()
            if self._tell is not None:
                with compiling, contextlib.suppress(Exception):
                    self._tell()

    def forget(self) -> None:
        """In a forked child the thread that was compiling is gone: begin again."""
        if not self._done.is_set():
            self._asked, self.spent = False, 0.0
            self._done = threading.Event()


class _Trial:
    """Both programs in turn; a few calls of each on arguments of one size decide."""

    __slots__ = ("known", "tiers")

    def __init__(self, tiers: Tiers) -> None:
        self.tiers = tiers
        self.known: dict[int, tuple[list[float], list[float]]] = {}

    def __call__(self, *arguments: Any) -> Sequence[Any]:
        size = _bytes(arguments)
        times = self.known.setdefault(size.bit_length(), ([], []))
        which = len(times[1]) <= len(times[0])  # in turn, the native one first
        if _is_known(times[which]):
            which = not which
        tiers = self.tiers
        run = tiers.native.run if which else tiers.first
        start = time.perf_counter()
        try:
            results: Sequence[Any] = run(*arguments)
        finally:
            times[which].append(time.perf_counter() - start)
        if all(_is_known(found) for found in times):
            # the best of one call is least disturbed by whatever else the machine does
            tiers.settle(min(times[1]) < min(times[0]), size)
        return results


def _is_known(times: Sequence[float]) -> bool:
    calls, seconds, most = ENOUGH
    count = len(times)
    return count >= most or (count >= calls and sum(times) > seconds)


def _bytes(arguments: Sequence[Any]) -> int:
    """How large the arguments are together; plain floats count as 8 bytes."""
    return sum([getattr(a, "nbytes", 8) for a in arguments])


def _work() -> None:
    """Compile what is asked for; the thread ends when nothing is left, so it delays no exit."""
    global _worker
    time.sleep(PAUSE)
    while True:
        with _lock:
            if not threading.main_thread().is_alive():  # the interpreter is about to end
                _queue.clear()
            if not _queue:
                _worker = None
                return
            tiers = _queue[0]
        tiers.compile()
        with _lock:
            del _queue[0]


# ---- forks -----------------------------------------------------------------------------------
# A child has the memory of its parent, but none of its threads. So nothing is being compiled at
# the moment of a fork, and the child asks anew for what was not finished.
def _before() -> None:
    compiling.acquire()
    _lock.acquire()


def _after_in_parent() -> None:
    _lock.release()
    compiling.release()


def _after_in_child() -> None:
    global _worker
    for tiers in _queue:
        tiers.forget()
    _queue.clear()
    _worker = None
    _after_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
