"""`Record` makes what `typing.NamedTuple` makes."""

import copy
import pickle
from typing import Any

import pytest

from graphad.records import Record


class Place(Record):
    """A line of a file."""

    file: str
    line: int = 1
    marks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return self.text


class Marked(Place):
    """A subclass is a plain class."""

    __slots__ = ()

    def __new__(cls, file: str, *marks: str) -> Any:
        return super().__new__(cls, file, 7, marks)


def test_fields_defaults_and_methods() -> None:
    place = Place("a.py", marks=("x",))
    assert place == ("a.py", 1, ("x",)) and hash(place) == hash(("a.py", 1, ("x",)))
    assert Place._fields == ("file", "line", "marks") and place._replace(line=3).line == 3
    assert str(place) == place.text == "a.py:1"
    assert repr(place) == "Place(file='a.py', line=1, marks=('x',))"
    assert (Place.__doc__, Place.__module__) == ("A line of a file.", __name__)
    with pytest.raises(AttributeError):
        place.line = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        Place()  # type: ignore[call-arg]


def test_derived_classes() -> None:
    found = Marked("b.py", "u", "v")
    assert found.text == "b.py:7" and found.marks == ("u", "v") and isinstance(found, Place)
    assert repr(found).startswith("Marked(file='b.py'")
    assert not hasattr(found, "__dict__")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy,
                                    lambda p: pickle.loads(pickle.dumps(p))])  # fmt: skip
def test_copies(copied: Any) -> None:
    place = Place("a.py", 2)
    assert copied(place) == place and type(copied(place)) is Place
