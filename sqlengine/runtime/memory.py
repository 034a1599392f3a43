"""Memory given back to the system: what a large piece of work needed for a while and the allocators kept.

Why: catching up with millions of rows takes arrays far larger than what is kept of them.  glibc keeps freed blocks
below its growing threshold, Arrow's pool its pages; nobody would use them again before the next such piece of work.
It must not know whose memory it is.
"""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def give_back() -> None:
    """Return freed memory; some ten milliseconds a gigabyte, so not for a tick."""
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)
