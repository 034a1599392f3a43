"""A table by class: what is said of a class holds of those that inherit from it, until they say otherwise.

Why: planning asks the same few questions of every node and expression some thousand times a query.  A `match` over
classes asks one after the other; here the class of the object is looked up, its bases only the first time.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


class ByClass(dict[type, T]):
    """Class -> what is said of its instances: `table[type(thing)]`; KeyError where nothing is said of any base."""

    def __missing__(self, cls: type) -> T:
        for base in cls.__mro__[1:]:
            if base in self:
                found = self[cls] = self[base]
                return found
        raise KeyError(cls)
