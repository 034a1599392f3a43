"""What was made of the texts that were met again lately: who polls sends the same text each time.

A text is kept from its second time on, so that statements with their values written out (each a text of its own) do
not push out what is asked again and again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KEPT_MAX = 256
MET_MAX = 4_096
LENGTH_MAX = 16_384
"""Characters; longer texts are mostly data."""

T = TypeVar("T")


class Recent(Generic[T]):
    """What was made for the newest KEPT_MAX keys, of those that were asked for twice among MET_MAX."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, T] = OrderedDict()
        self._met: OrderedDict[int, None] = OrderedDict()

    def get(self, text: str, key: Hashable, make: Callable[[], T]) -> T:
        """What was made of a text under a key that tells all it was made of, or is now."""
        if len(text) > LENGTH_MAX:
            return make()
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
            mark = hash(key)
            again = mark in self._met
            self._met[mark] = None
            self._met.move_to_end(mark)
            if len(self._met) > MET_MAX:
                self._met.popitem(last=False)
        made = make()
        if again:
            with self._lock:
                self._made[key] = made
                if len(self._made) > KEPT_MAX:
                    self._made.popitem(last=False)
        return made
