"""Room: what an operator makes at once is looked at while it grows, so that it fails alone before the system kills.

Why: a cross join, or a key that half of the rows have, answers one tick with more pairs than memory holds; the system
would end the whole process for it.  How much is left it says in /proc/meminfo (MemAvailable), and of a container in its
control group's files; where neither is told nothing is refused.
"""

from __future__ import annotations

from pathlib import Path

from sqlengine.errors import OutOfMemory

LOOK_BYTES = 256 << 20
"""Memory is looked at each time so much more has been made."""
LEAST_PART = 16
"""Nothing more is made when less than this part of all memory would be left."""
_MEMINFO = Path("/proc/meminfo")
_GROUPS = (
    tuple(Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current", "memory.stat")),
    tuple(
        Path("/sys/fs/cgroup/memory") / name
        for name in ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    ),
)


class Room:
    """For what one call makes."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._made = 0
        self._look_at = LOOK_BYTES

    def take(self, bytes_: int) -> None:
        """So much more has been made. OutOfMemory (53200) when there is hardly any left."""
        self._made += bytes_
        if self._made < self._look_at:
            return
        self._look_at = self._made + LOOK_BYTES
        left = left_and_all()
        # what is in pieces is brought together in the end, and then there twice
        if left is not None and left[0] - self._made < left[1] // LEAST_PART:
            raise OutOfMemory(
                f"{self._what} makes more rows at once than memory has room for: {self._made >> 20} MB so far",
                hint="a join needs conditions that few pairs of rows meet; add one, or join smaller parts",
            )


def left_and_all() -> tuple[int, int] | None:
    """Bytes that can still be had, and all there are: the machine's, or the group's where that has fewer left."""
    found = [pair for pair in (_of_machine(), *(_of_group(*files) for files in _GROUPS)) if pair is not None]
    return min(found, default=None)


def _of_machine() -> tuple[int, int] | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return tuple(int(lines[name].split()[0]) << 10 for name in ("MemAvailable", "MemTotal"))  # type: ignore[return-value]
    except (OSError, KeyError, ValueError):
        return None


def _of_group(most: Path, used: Path, stat: Path) -> tuple[int, int] | None:
    try:
        limit = int(most.read_text())
        figures = dict(line.split(" ", 1) for line in stat.read_text().splitlines())
        cached = sum(int(figures.get(name, 0)) for name in ("active_file", "inactive_file"))  # the system gives it back
        return limit - int(used.read_text()) + cached, limit
    except (OSError, ValueError):  # no such group, or "max": it has no limit
        return None
