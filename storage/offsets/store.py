"""OffsetStore: how far each consumer group has read.

A commit of several partitions is one journal record, so it is durable and atomic. Must not check that topics
exist.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from storage.journal import Journal

# The journal is rewritten when it has this many records, and so many times more than there are groups.
_REWRITE_RECORDS = 1024
_REWRITE_FACTOR = 4


@dataclass
class _Group:
    """Positions by (topic, partition) and the metadata of the newest commit."""

    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    metadata: str = ""


class OffsetStore:
    """Offsets by group. A position is the offset of the next record to read."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._groups: dict[str, _Group] = {}
        self._records = 0
        for record in journal.replay():
            self._apply(record)

    def commit(self, group: str, positions: dict[tuple[str, int], int], metadata: str = "") -> None:
        """Store positions by (topic, partition); others of the group stay. Durable and atomic when this
        returns.
        """
        rows = [[topic, partition, offset] for (topic, partition), offset in positions.items()]
        self._record({"group": group, "positions": rows, "metadata": metadata})

    def fetch(self, group: str) -> dict[tuple[str, int], int]:
        """Committed positions by (topic, partition); empty for an unknown group."""
        with self._lock:
            known = self._groups.get(group)
            return dict(known.positions) if known else {}

    def metadata(self, group: str) -> str:
        """Metadata of the group's newest commit, empty for an unknown group."""
        with self._lock:
            known = self._groups.get(group)
            return known.metadata if known else ""

    def groups(self) -> list[str]:
        """Names of all groups, sorted."""
        with self._lock:
            return sorted(self._groups)

    def delete(self, group: str) -> None:
        """Forget a group; no error if it is unknown."""
        self._record({"group": group, "deleted": True})

    def forget_topic(self, topic: str) -> None:
        """Remove a dropped topic's positions from all groups, so that a new one starts afresh."""
        with self._lock:
            concerned = any(name == topic for g in self._groups.values() for name, _ in g.positions)
        if concerned:
            self._record({"dropped": topic})

    def close(self) -> None:
        """Release the file."""
        self._journal.close()

    def _record(self, record: dict[str, Any]) -> None:
        """Journal a change, then apply it."""
        with self._lock:
            self._journal.append(record)
            self._apply(record)
            if self._records > max(_REWRITE_RECORDS, _REWRITE_FACTOR * len(self._groups)):
                self._journal.rewrite(self._current())
                self._records = len(self._groups)

    def _apply(self, record: dict[str, Any]) -> None:
        """Bring the groups up to date with one journal record."""
        self._records += 1
        if "dropped" in record:
            for known in self._groups.values():
                known.positions = {k: v for k, v in known.positions.items() if k[0] != record["dropped"]}
        elif record.get("deleted"):
            self._groups.pop(record["group"], None)
        else:
            known = self._groups.setdefault(record["group"], _Group())
            known.positions.update({(topic, partition): offset for topic, partition, offset in record["positions"]})
            known.metadata = record["metadata"]

    def _current(self) -> list[dict[str, Any]]:
        """One record per group: the state as a journal."""
        return [
            {"group": name, "positions": [[*k, v] for k, v in g.positions.items()], "metadata": g.metadata}
            for name, g in self._groups.items()
        ]
