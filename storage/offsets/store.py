"""OffsetStore: how far each consumer group has read, and which transactions are committed.

Both in one journal, so that a transaction and the positions it commits are one record: there is no moment at which one
of them holds and the other does not. (Kafka writes the positions to a topic of their own, with a marker like others'.)

A commit of several partitions is one journal record, so it is durable and atomic. Commits that wait at the same
time share one record and its fsync, as appends to logs do (`log/commit.py`). Positions stay until their group or
their topic is dropped; Kafka's are forgotten seven days after a group's last member left, which has cost many a
user who came back later. Must not check that topics exist.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.errors import StorageError
from storage.journal import Journal

# The journal is rewritten when it has this many records, and so many times more than there are groups.
_REWRITE_RECORDS = 1024
_REWRITE_FACTOR = 4


Decision = dict[str, Any]
"""The journal record of a transaction: `transaction` (its id), `state` (committed, prepared or aborted), `name`,
`since_us`, and `groups`: the records of the commits that become valid with it.
"""


@dataclass
class _Group:
    """Positions by (topic, partition) and the metadata of the newest commit."""

    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    metadata: str = ""


@dataclass
class _Waiting:
    """A change that somebody waits for: `done` when it is durable, or when `error` says why it is not.

    `allowed` raises if the change must not be made after all.
    """

    record: dict[str, Any]
    allowed: Callable[[], None] | None
    done: bool = False
    error: BaseException | None = None


class OffsetStore:
    """Offsets by group. A position is the offset of the next record to read."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._write_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Waiting] = []
        self._groups: dict[str, _Group] = {}
        self._decisions: dict[str, Decision] = {}
        self._records = 0
        for record in journal.replay():
            self._records += 1
            self._apply(record)

    def commit(
        self,
        group: str,
        positions: dict[tuple[str, int], int],
        metadata: str = "",
        *,
        allowed: Callable[[], None] | None = None,
    ) -> None:
        """Store positions by (topic, partition); others of the group stay. Durable and atomic when this
        returns.

        `allowed` is asked at the last moment and raises if the commit is too late: a `fetch` that begins after it
        was asked waits for the commit.
        """
        self._record(group_record(group, positions, metadata), allowed)

    def decide(self, decision: Decision, *, allowed: Callable[[], None] | None = None) -> None:
        """Record what becomes of a transaction, and if it is committed store its positions, as one atomic and durable
        change. `allowed` as for `commit`.
        """
        self._record(dict(decision), allowed)

    def decisions(self) -> list[Decision]:
        """The transactions that are committed, or prepared, and not forgotten yet."""
        with self._write_lock:
            return list(self._decisions.values())

    def forget_decisions(self, transactions: Collection[str]) -> None:
        """Drop decisions that nobody will ask for again."""
        with self._write_lock:
            for each in transactions:
                self._decisions.pop(each, None)

    def fetch(self, group: str) -> dict[tuple[str, int], int]:
        """Committed positions by (topic, partition); empty for an unknown group."""
        with self._write_lock:
            known = self._groups.get(group)
            return dict(known.positions) if known else {}

    def metadata(self, group: str) -> str:
        """Metadata of the group's newest commit, empty for an unknown group."""
        with self._write_lock:
            known = self._groups.get(group)
            return known.metadata if known else ""

    def groups(self) -> list[str]:
        """Names of all groups, sorted."""
        with self._write_lock:
            return sorted(self._groups)

    def delete(self, group: str, *, allowed: Callable[[], None] | None = None) -> None:
        """Forget a group; no error if it is unknown. `allowed` as for `commit`."""
        self._record({"group": group, "deleted": True}, allowed)

    def forget_topic(self, topic: str) -> None:
        """Remove a dropped topic's positions from all groups, so that a new one starts afresh."""
        with self._write_lock:
            concerned = any(name == topic for g in self._groups.values() for name, _ in g.positions)
        if concerned:
            self._record({"dropped": topic})

    def close(self) -> None:
        """Release the file."""
        self._journal.close()

    def _record(self, record: dict[str, Any], allowed: Callable[[], None] | None = None) -> None:
        """Journal a change, then apply it; one of those who wait writes for all."""
        mine = _Waiting(record, allowed)
        with self._queue_lock:
            self._queue.append(mine)
        with self._write_lock:
            if not mine.done:
                self._write_queue()
        if mine.error is not None:
            raise mine.error

    def _write_queue(self) -> None:
        """Write the changes that wait; call with the write lock held."""
        with self._queue_lock:
            waiting, self._queue = self._queue, []
        try:
            records = [each.record for each in waiting if _is_allowed(each)]
            if records:
                joined = records[0] if len(records) == 1 else {"together": records}
                self._journal.append(joined)
                self._records += 1
                self._apply(joined)
        except BaseException as error:
            for each in waiting:
                each.error = each.error or error
        finally:
            for each in waiting:
                each.done = True
        living = len(self._groups) + len(self._decisions)
        if self._records > max(_REWRITE_RECORDS, _REWRITE_FACTOR * living):
            # The longer journal holds as well: what is recorded is recorded, and the next change tries this again.
            with contextlib.suppress(StorageError):
                self._journal.rewrite(self._current())
                self._records = living

    def _apply(self, record: dict[str, Any]) -> None:
        """Bring the groups up to date with one journal record."""
        if "together" in record:
            for each in record["together"]:
                self._apply(each)
        elif "transaction" in record:
            self._apply_decision(record)
        elif "dropped" in record:
            for known in self._groups.values():
                known.positions = {k: v for k, v in known.positions.items() if k[0] != record["dropped"]}
        elif record.get("deleted"):
            self._groups.pop(record["group"], None)
        else:
            known = self._groups.setdefault(record["group"], _Group())
            known.positions.update({(topic, partition): offset for topic, partition, offset in record["positions"]})
            known.metadata = record["metadata"]

    def _apply_decision(self, decision: Decision) -> None:
        """Take in what becomes of a transaction."""
        if decision["state"] == "aborted":
            self._decisions.pop(decision["transaction"], None)
            return
        if decision["state"] == "committed":
            for each in decision["groups"]:
                self._apply(each)
            decision = decision | {"groups": []}
        self._decisions[decision["transaction"]] = decision

    def _current(self) -> list[dict[str, Any]]:
        """One record per group and per decision: the state as a journal."""
        groups = [group_record(name, g.positions, g.metadata) for name, g in self._groups.items()]
        return [*groups, *self._decisions.values()]


def group_record(group: str, positions: Mapping[tuple[str, int], int], metadata: str = "") -> dict[str, Any]:
    """The journal record of a commit."""
    rows = [[topic, partition, offset] for (topic, partition), offset in positions.items()]
    return {"group": group, "positions": rows, "metadata": metadata}


def _is_allowed(waiting: _Waiting) -> bool:
    """Whether the change may be made; the reason why not is kept with it."""
    if waiting.allowed is None:
        return True
    try:
        waiting.allowed()
    except Exception as error:
        waiting.error = error
        return False
    return True
