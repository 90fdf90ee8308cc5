"""The threads that kernels share: one crew for each number of threads, started when first used."""

from __future__ import annotations

import _thread
import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queue import SimpleQueue
else:
    try:
        from _queue import SimpleQueue  # without the other queues, and what these load
    except ImportError:
        from queue import SimpleQueue


class Task:
    """A call that is made once, by the first thread that comes to it."""

    __slots__ = ("_begun", "_done", "arguments", "error", "function", "result", "seen")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments
        self.result: Any = None
        self.error: BaseException | None = None
        self.seen = False  # by a thread of the crew
        self._begun, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._done.acquire()

    def run(self) -> None:
        """Make the call, unless somebody has begun with it."""
        if self._begun.acquire(blocking=False):
            try:
                self.result = self.function(*self.arguments)
            except BaseException as error:
                self.error = error
            finally:
                self._done.release()

    def wait(self) -> None:
        """Wait until the call has ended."""
        with self._done:
            pass


class Crew:
    """Up to `count` threads that take tasks in turn; they end with the process, which does not
    wait for them. Where none can be started, whoever waits for a task does it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.started = 0
        self.tasks: SimpleQueue[Task] = SimpleQueue()

    def share(self, tasks: Sequence[Task], own: Callable[[], Any]) -> Any:
        """Have the tasks done while `own` is called, whose result this is; nothing of it runs any
        more when this returns or raises. A task that raised has its `error`."""
        try:
            for task in tasks:
                self.tasks.put(task)
                self._start()
            return own()
        finally:
            finish(tasks)

    def _start(self) -> None:
        if self.started < self.count:
            self.started += 1
            try:
                _thread.start_new_thread(self._work, ())
            except RuntimeError:  # no more threads, or the interpreter is ending
                self.started -= 1

    def _work(self) -> None:
        while True:
            task = self.tasks.get()
            task.seen = True
            task.run()
            del task  # and the arrays of the call


def finish(tasks: Sequence[Task]) -> None:
    """Do what nobody has begun and wait for the rest, come what may: threads still read what
    belongs to the call."""
    interrupted: BaseException | None = None
    for action in (Task.run, Task.wait):
        for task in tasks:
            while interrupted is None or task.seen:  # else no other thread has begun with it
                try:
                    action(task)
                    break
                except BaseException as error:
                    interrupted = error
    if interrupted is not None:
        raise interrupted


@functools.cache
def crew(threads: int) -> Crew:
    """The threads that help in calls that use up to `threads` threads, the caller among them."""
    return Crew(max(1, threads - 1))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=crew.cache_clear)  # threads do not survive a fork


def available_threads() -> int:
    """How many threads this process may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (
        os.cpu_count() or 1)  # fmt: skip
