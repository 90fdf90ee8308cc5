"""The lock of whoever makes machine code, apart from it: it is needed before any is made."""

from __future__ import annotations

import threading

# LLVM's global state: symbols, and one context for all modules. Also held at a fork, so that the
# child does not find anything half done.
compiling = threading.RLock()
