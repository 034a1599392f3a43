"""MetaStore: the journal in which a layer above keeps its own records (a catalog, for instance).

Must not interpret the records.
"""

from __future__ import annotations

from typing import Any

from storage.journal import Journal


class MetaStore:
    """Durable JSON records in append order."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, record: dict[str, Any]) -> None:
        """Add a record; it is durable when this returns. Raises DiskFull, LogFailed."""
        self._journal.append(record)

    def replay(self) -> list[dict[str, Any]]:
        """All records, oldest first; the caller may change what it gets."""
        return self._journal.replay()

    def rewrite(self, records: list[dict[str, Any]]) -> None:
        """Atomically replace all records by `records` (compaction)."""
        self._journal.rewrite(records)

    def close(self) -> None:
        """Release the file."""
        self._journal.close()
