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
CHARACTERS_MAX = 400_000
"""Of all texts of which something is kept: a syntax tree takes some hundred bytes for each."""

T = TypeVar("T")


class Recent(Generic[T]):
    """What was made for the newest KEPT_MAX keys (of CHARACTERS_MAX together), of those that were asked for twice among
    MET_MAX."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._characters = 0
        self._met: OrderedDict[int, None] = OrderedDict()

    def get(self, text: str, key: Hashable, make: Callable[[], T]) -> T:
        """What was made of a text under a key that tells all it was made of, or is now."""
        if len(text) > LENGTH_MAX:
            return make()
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key][0]
            mark = hash(key)
            again = mark in self._met
            self._met[mark] = None
            self._met.move_to_end(mark)
            if len(self._met) > MET_MAX:
                self._met.popitem(last=False)
        made = make()
        if again:
            self._keep(key, made, len(text))
        return made

    def _keep(self, key: Hashable, made: T, length: int) -> None:
        with self._lock:
            before = self._made.pop(key, None)  # another thread may have been as quick
            self._characters += length - (before[1] if before is not None else 0)
            self._made[key] = (made, length)
            while len(self._made) > KEPT_MAX or self._characters > CHARACTERS_MAX:
                self._characters -= self._made.popitem(last=False)[1][1]
