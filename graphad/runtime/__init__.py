"""Program → arrays: the compiled callable, its checks of arguments, and shared cells."""

from graphad.runtime.function import Function

__all__ = ["Function"]
