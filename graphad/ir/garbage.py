"""While a function is traced or a graph compiled, Python's collector of cyclic garbage runs more
rarely.

That makes tens of thousands of objects in a short time, most of which are freed when it ends,
without the collector's help: graphs have no cycles. The collector, which is called after every 700
new objects, would look through them again and again, and through all modules of the program as
well; that can take longer than the work.
"""

from __future__ import annotations

import gc
import threading

OBJECTS = 100_000  # new objects after which the collector runs even so


class Rarely:
    """A block in which the collector runs rarely; blocks nest, also across threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth, self.before = 0, (0, 0, 0)

    def __enter__(self) -> None:
        with self.lock:
            if self.depth == 0:
                self.before = gc.get_threshold()
                if 0 < self.before[0] < OBJECTS:
                    gc.set_threshold(OBJECTS, *self.before[1:])
            self.depth += 1

    def __exit__(self, *failure: object) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth == 0 and gc.get_threshold()[0] == OBJECTS:
                gc.set_threshold(*self.before)


rarely = Rarely()
