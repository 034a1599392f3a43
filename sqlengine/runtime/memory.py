"""The process's memory: how much of it there is, and what is given back to the system.

Why: catching up with millions of rows takes arrays far larger than what is kept of them.  glibc keeps freed blocks
below its growing threshold, Arrow's pool its pages; nobody would use them again before the next such piece of work.
It must not know whose memory it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys

import pyarrow as pa

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def give_back() -> None:
    """Return freed memory; some ten milliseconds a gigabyte, so not for a tick."""
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)


class Resident:
    """How many bytes of the process are in memory; where the system does not say, how many have been at most."""

    def __init__(self) -> None:
        self.statm = -1
        """The open /proc/self/statm; -1 where there is none."""
        self._page = os.sysconf("SC_PAGESIZE")

    def open(self) -> None:
        """Before `bytes` is asked for."""
        if self.statm < 0:
            with contextlib.suppress(OSError):
                self.statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def bytes(self) -> int:
        """Now."""
        return self._pages()[0] * self._page if self.statm >= 0 else self._most()

    def own_bytes(self) -> int:
        """Of them those that are not in files, and stay until they are freed."""
        if self.statm < 0:
            return self._most()
        resident, in_files = self._pages()
        return (resident - in_files) * self._page

    def _pages(self) -> tuple[int, int]:
        _, resident, in_files, *_ = os.pread(self.statm, 128, 0).split()
        return int(resident), int(in_files)

    @staticmethod
    def _most() -> int:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024

    def close(self) -> None:
        """Nothing is asked any more."""
        if self.statm >= 0:
            os.close(self.statm)
            self.statm = -1
