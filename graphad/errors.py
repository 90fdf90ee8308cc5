"""Exception classes: what failed, why, how to repair it, and where the node was built.

Every error that graphad raises for its user is one of these; each is also the built-in
exception (`TypeError`, `ValueError`, …) that a NumPy user would expect and may catch.
"""

from __future__ import annotations

FROM_CALLBACK = "raised in the callback"  # how the note of such an exception begins
NEVER_STRETCHED = "a name has one value in each call, and named sizes are never stretched"


class GraphadError(Exception):
    """Base of all errors of this package.

    The message has up to four parts, in this order: *what* failed, with the user's own
    input; the *cause*; the *remedy*; and *where* the failing node was built (file:line).

    >>> print(GraphadError("x has 2 axes", remedy="use axis=0 or axis=1", where="model.py:3"))
    x has 2 axes
      remedy: use axis=0 or axis=1
      built at: model.py:3
    """

    def __init__(self, what: str, *, cause: str = "", remedy: str = "", where: str = "") -> None:
        self.what, self.cause, self.remedy, self.where = what, cause, remedy, where
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"  cause: {self.cause}"] if self.cause else []
        parts += [f"  remedy: {self.remedy}"] if self.remedy else []
        parts += [f"  built at: {self.where}"] if self.where else []
        return "\n".join(parts)

    def __reduce__(self) -> tuple:
        return _rebuild, (type(self), self.what, self.cause, self.remedy, self.where)


class GraphadWarning(UserWarning):
    """What works, but probably not as it is meant: slower, or with less effect."""


def _rebuild(
    kind: type[GraphadError], what: str, cause: str, remedy: str, where: str
) -> GraphadError:
    return kind(what, cause=cause, remedy=remedy, where=where)


class ShapeError(GraphadError, ValueError):
    """Shapes that do not fit each other or the operation."""


class DTypeError(GraphadError, TypeError):
    """A dtype that the operation does not accept, or an unsafe cast."""


class AxisError(GraphadError, ValueError, IndexError):
    """An axis that the array does not have."""


class IndexingError(GraphadError, IndexError):
    """An index that does not fit the array."""


class UseError(GraphadError, TypeError):
    """A symbolic Variable used where Python needs a value, or a value that is no array."""


class MissingAttributeError(UseError, AttributeError):
    """An attribute or method that arrays have and symbolic variables cannot have."""


class TracerError(UseError):
    """A value from inside a traced function that is used where it has no meaning."""


class GraphError(GraphadError, ValueError):
    """A graph that is not closed, has a cycle, or breaks the grammar of the IR."""


class ParameterError(GraphadError, ValueError):
    """A parameter of a random distribution outside its range."""


class FailedAssertionError(GraphadError, AssertionError):
    """A condition of `ga.assert_` that does not hold."""


class GradientError(GraphadError, ValueError):
    """A derivative that was asked for wrongly or does not exist."""


class DisconnectedError(GradientError):
    """A derivative with respect to a variable on which the cost does not depend."""


class ConvergenceError(GraphadError, RuntimeError):
    """An iteration that did not find a solution."""


class InputError(GraphadError, TypeError):
    """Arguments of a compiled function: missing, extra, or of the wrong type."""


class InputDTypeError(InputError, DTypeError):
    """An argument of a compiled function whose dtype does not fit the declared one."""


class InputShapeError(InputError, ValueError):
    """An argument of a compiled function whose shape does not fit the declared one."""


class MissingLibraryError(GraphadError, ImportError):
    """An optional library or program that is not installed; the message names the extra."""


class InternalError(GraphadError, RuntimeError):
    """A broken invariant inside graphad: a defect of the package, not of the user's program."""
