"""That nothing has changed of what a function sees, told at a glance.

`purity.State` follows everything that a function can reach, at each call, to have it as a key. On
the way it notes the `Edges` that it went along: which object was found in which variable, list,
dict, attribute. As long as the same objects are there, another walk would find the same.
"""

from __future__ import annotations

import operator
from typing import Any

MISSING = object()  # what is found under a name that is not there
_is = operator.is_


class Edges:
    """Where objects were found, and what cannot be told from their identity."""

    __slots__ = ("arrays", "cells", "dicts", "functions", "instances", "lists", "names")

    def __init__(self) -> None:
        self.cells: list[tuple[Any, Any]] = []  # a variable of an enclosing function, its value
        self.names: list[tuple[Any, str, Any]] = []  # a namespace, a name, the value or MISSING
        self.lists: list[tuple[Any, tuple[Any, ...]]] = []  # a list, its items
        self.dicts: list[tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = []  # keys, values
        self.functions: list[tuple[Any, Any, Any, Any]] = []  # code and both kinds of defaults
        self.instances: list[tuple[Any, Any, Any, Any]] = []  # class, its order, attributes
        self.arrays: list[tuple[Any, Any, Any]] = []  # an array, its dtype and shape

    def a_list(self, value: Any) -> None:
        """Note the items of a list."""
        self.lists.append((value, tuple(value)))

    def a_dict(self, value: Any) -> None:
        """Note the items of a dict."""
        self.dicts.append((value, tuple(value), tuple(value.values())))

    def hold(self) -> bool:
        """Is everything where it was?"""
        try:
            for cell, value in self.cells:
                if cell.cell_contents is not value:
                    return False
        except ValueError:  # empty now
            return False
        for space, name, value in self.names:
            if space.get(name, MISSING) is not value:
                return False
        for array, dtype, shape in self.arrays:
            if array.dtype is not dtype or array.shape != shape:
                return False
        for found, items in self.lists:
            if len(found) != len(items) or not all(map(_is, found, items)):
                return False
        for found, keys, values in self.dicts:
            if len(found) != len(keys) or not (
                all(map(_is, found, keys)) and all(map(_is, found.values(), values))
            ):
                return False
        for function, code, defaults, named in self.functions:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                return False
            if function.__kwdefaults__ is not named:
                return False
        for instance, kind, order, held in self.instances:
            if instance.__class__ is not kind or instance.__dict__ is not held:
                return False
            if kind.__mro__ is not order:
                return False
        return True
