"""Where the files of tests are: in memory, where the system has a place for that.

Most of what a disk takes is the wait for its syncs, of which a database that is opened, changed and closed does fifty;
what becomes of bytes that were not synced is tested with simulated machines.  `make soak` (SQLENGINE_DEEP=1) has its
files on a disk, and whoever names a TMPDIR has them there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.depth import DEEP

_MEMORY = Path("/dev/shm")
_FREE_MIN = 4 << 30
"""Bytes; what the tests keep at one time is a small part of it."""


def in_memory() -> Path | None:
    """Make a directory in memory that this process and those it starts take for that of temporary files; None where
    they keep the one they have."""
    if DEEP or "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return None
    for left in _MEMORY.glob("sqlengine-*"):
        number = left.name.partition("-")[2]
        if number.isdigit() and not _lives(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(_MEMORY).free < _FREE_MIN:
        return None
    made = _MEMORY / f"sqlengine-{os.getpid()}"
    made.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(made)
    return made


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True
