"""`pages.pyx` for systems without it: no addresses can be reserved, so arrays are copied as they grow and stay in
memory; what is in files is mapped by the standard library.
"""

from __future__ import annotations

import mmap
import os
import threading
from itertools import count
from typing import Any, Protocol
from weakref import WeakValueDictionary

PAGE = mmap.ALLOCATIONGRANULARITY
IN_PLACE = False
"""Whether reservations can leave for files here."""
ROUND_MS = 10
"""How often it is looked how much memory there is."""


class Pages(Protocol):
    """A reservation; given back when nothing refers to it or its memory any more."""

    @property
    def memory(self) -> memoryview:
        """Its bytes, to be written to."""

    @property
    def spilled_bytes(self) -> int:
        """Bytes of it that are in files."""

    def promise(self, bytes_: int) -> None:
        """The first `bytes_` bytes are written from now on."""

    def expect(self, used: int, more: int) -> None:
        """Before `more` bytes are written behind the first `used`: much at a time is given large pages."""

    def spill(self, file: SpillFile) -> int:
        """What has been promised goes to the end of the file, as far as it is worth it: how many bytes; OSError when
        they could not.  Nobody writes meanwhile."""


class SpillFile:
    """A file that memory leaves for: `size` bytes of it are in use.  What brings less than `least` bytes stays."""

    def __init__(self, descriptor: int, least: int) -> None:
        self.descriptor = descriptor
        self.size = 0
        self.least = least

    def map(self, bytes_: int) -> Any:
        """Pages of what was written to the file, `bytes_` bytes behind the first `size`, now in use too."""
        mapped = mmap.mmap(self.descriptor, bytes_, offset=self.size)
        self.size += -(-bytes_ // PAGE) * PAGE
        _mapped[next(_numbers)] = mapped
        return mapped


def reserve(wanted: int) -> Pages | None:
    """None: there is nothing to reserve addresses for `wanted` bytes with."""
    return None


_mapped: WeakValueDictionary[int, mmap.mmap] = WeakValueDictionary()
"""By a running number: whose turn to be let go comes first."""
_numbers = count()


def let_go(bytes_: int) -> int:
    """Let go the pages of so many bytes that are in files, all of the process taken in turn; how many there were."""
    done = 0
    for number, mapped in list(_mapped.items()):
        if done >= bytes_:
            break
        if hasattr(mapped, "madvise"):
            mapped.madvise(mmap.MADV_DONTNEED)
        done += len(mapped)
        _mapped[next(_numbers)] = _mapped.pop(number)
    return done


def resident_bytes(statm: int) -> int:
    """Bytes of the process that are in memory."""
    return int(os.pread(statm, 128, 0).split()[1]) * os.sysconf("SC_PAGESIZE")


_watched = (-1, 0, 0)
_never = threading.Event()


def watch(statm: int, high: int, low: int) -> None:
    """From now on more than `high` bytes of the process in memory, as its open /proc/self/statm says, are too many, and
    `low` are not; 0 for any number."""
    global _watched
    _watched = (statm, high, low)


def breathe() -> bool:
    """Work goes on now: when too many bytes are in memory let go pages that are in files until few are.  True when that
    is not enough."""
    statm, high, low = _watched
    if not high or resident_bytes(statm) <= high:
        return False
    for _ in range(len(_mapped)):
        if resident_bytes(statm) <= low:
            break
        let_go(1)
    return resident_bytes(statm) > high


def breathe_for(milliseconds: int) -> bool:
    """`breathe` now and then for some time."""
    full = False
    for left_ms in range(milliseconds, 0, -ROUND_MS):
        full = breathe()
        _never.wait(min(left_ms, ROUND_MS) / 1000)
    return full
