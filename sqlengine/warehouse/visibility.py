"""What readers of this process see of a table while others change it: the files of one moment.

A reader lists files and begins to read each under the table's lock, which a commit holds while it moves files. What the
commit takes away stays on disk under another name, as long as somebody may read it who listed it before.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping


class _Place:
    """One table's directory. `taken`: (number of the change, path -> where the file is now)."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changes = 0
        self.readers: Counter[int] = Counter()
        self.taken: list[tuple[int, Mapping[str, str]]] = []
        self.cleanups: list[tuple[int, Callable[[], None]]] = []

    def clean(self) -> None:
        """Let go of what no reader can want any more."""
        oldest = min(self.readers, default=self.changes)
        due = [work for number, work in self.cleanups if number <= oldest]
        self.cleanups = [entry for entry in self.cleanups if entry[0] > oldest]
        self.taken = [entry for entry in self.taken if entry[0] > oldest]
        for work in due:
            work()


_places: dict[str, _Place] = {}
_places_lock = threading.Lock()


def _place(location: str) -> _Place:
    with _places_lock:
        return _places.setdefault(os.path.realpath(location), _Place())


class View:
    """A reader's view of a table."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._seen: int | None = None

    @contextlib.contextmanager
    def listing(self) -> Iterator[None]:
        """While files are listed, nothing changes; the view is of this moment."""
        with self._place.lock:
            self._seen = self._place.changes
            self._place.readers[self._seen] += 1
            yield

    @contextlib.contextmanager
    def opening(self, path: str) -> Iterator[str]:
        """Where a file of the listing is now; it stays there until it has been opened."""
        with self._place.lock:
            seen = self._seen if self._seen is not None else self._place.changes
            later = (moved[path] for number, moved in self._place.taken if number > seen and path in moved)
            yield next(later, path)

    def end(self) -> None:
        """The reader has finished."""
        with self._place.lock:
            if self._seen is not None:
                self._place.readers[self._seen] -= 1
                self._place.readers += Counter()  # drops those at zero
                self._seen = None
            self._place.clean()


@contextlib.contextmanager
def shown(location: str) -> Iterator[View]:
    """A view of the table at a location."""
    view = View(_place(location))
    try:
        yield view
    finally:
        view.end()


class Change:
    """A change of files under the lock."""

    def __init__(self, place: _Place) -> None:
        self._place = place

    def taken(self, moved: Mapping[str, str], cleanup: Callable[[], None]) -> None:
        """Files have been moved away (path -> where they are); `cleanup` removes them when no reader is left who may
        want them, perhaps at once."""
        self._place.changes += 1
        self._place.taken.append((self._place.changes, dict(moved)))
        self._place.cleanups.append((self._place.changes, cleanup))


@contextlib.contextmanager
def changing(location: str) -> Iterator[Change]:
    """Nobody lists or opens files of the table meanwhile."""
    place = _place(location)
    with place.lock:
        yield Change(place)
        place.clean()
