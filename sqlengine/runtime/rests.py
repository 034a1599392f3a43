"""Rests: what operators keep in no section, in a checkpoint: whole tables, of which one that is the same is not copied
again, nor written again when it has a file of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field
from weakref import WeakKeyDictionary

import pyarrow as pa

from sqlengine.operators.base import Operator
from sqlengine.quick_dataclass import dataclass

SMALL_BYTES = 16_384
"""Tables of so many bytes and less have no file of their own."""

Seen = tuple[int, ...]
"""What an operator has seen and said, as numbers: while they are the same its state is."""


@dataclass(slots=True)
class Rest:
    """An operator's tables that are in no section: `stored`: the names of those that have files; `fresh`: by that name
    those that are yet to be written."""

    seen: Seen
    stored: dict[str, str] = field(default_factory=dict)
    small: dict[str, pa.Table] = field(default_factory=dict)
    fresh: dict[str, pa.Table] = field(default_factory=dict)

    def is_within(self, files: Collection[str]) -> bool:
        """Whether all of its tables have files, or are to have them."""
        return all(name in files or name in self.fresh for name in self.stored.values())


class Rests:
    """By operator, as they were copied last."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Operator, Rest] = WeakKeyDictionary()

    def of(self, operator: Operator, name: str, seen: Seen, number: int, files: Collection[str]) -> Rest:
        """The rest of a state of some name, copied now unless it is the same as it was; the lock is held. `number`: the
        checkpoint's; `files`: the tables that the one before it has."""
        known = self._known.get(operator)
        if (
            known is not None
            and known.seen == seen
            and all(n in files or n in known.fresh for n in known.stored.values())
        ):
            return known
        rest = self._known[operator] = Rest(seen)
        for key, table in operator.rest().items():
            if table.nbytes <= SMALL_BYTES:
                rest.small[key] = table
            else:
                rest.stored[key] = f"{name}/{key}#{number}"
                rest.fresh[rest.stored[key]] = table
        return rest

    def written(self) -> None:
        """What was fresh has its file, or nobody wants it."""
        for rest in self._known.values():
            rest.fresh = {}

    def clear(self) -> None:
        """What was copied has gone nowhere."""
        self._known.clear()
