"""ProducerIds: which producer id and epoch is whose. Durable, so that no two producers ever get the same.

What Kafka's InitProducerId does: a producer without a name gets a new id; one with a name (Kafka's transactional id)
gets the id of its name with the next epoch, which fences whoever had it before. Names are kept until they are
forgotten by `forget`, where Kafka drops them after a week. Must not know topics.
"""

from __future__ import annotations

import threading
from typing import Any

from storage.config import MAX_EPOCH
from storage.errors import ProducerFenced
from storage.journal import Journal

# Ids without a name are taken from blocks, so that one record serves many producers (KIP-730).
_BLOCK = 1000
_REWRITE_RECORDS = 1024
_REWRITE_FACTOR = 4


class ProducerIds:
    """Ids from 0 on, and the (id, epoch) of each name."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._reserved = 0
        self._names: dict[str, tuple[int, int]] = {}
        self._records = 0
        for record in journal.replay():
            self._apply(record)
        self._next = self._reserved

    def acquire(self, name: str | None = None) -> tuple[int, int]:
        """(id, epoch) of a producer that begins; nobody else has them or had them. Durable when it returns."""
        with self._lock:
            if name is None:
                return self._new_id(), 0
            producer, epoch = self._names.get(name, (-1, MAX_EPOCH))
            producer, epoch = (producer, epoch + 1) if epoch < MAX_EPOCH else (self._new_id(), 0)
            self._record({"name": name, "id": producer, "epoch": epoch})
            return producer, epoch

    def check_current(self, name: str, producer: int, epoch: int) -> None:
        """ProducerFenced if the name has been acquired by another since."""
        newest = self._names.get(name)
        if newest != (producer, epoch):
            raise ProducerFenced(
                f'producer "{name}" with epoch {epoch} is fenced',
                hint="another producer of this name has taken over, or the name was forgotten",
            )

    def names(self) -> dict[int, str]:
        """Names by producer id."""
        with self._lock:
            return {producer: name for name, (producer, _) in self._names.items()}

    def forget(self, name: str) -> None:
        """Forget a name: the next producer of it begins with a new id. No error if it is unknown."""
        with self._lock:
            if name in self._names:
                self._record({"forgotten": name})

    def close(self) -> None:
        """Release the file."""
        self._journal.close()

    def _new_id(self) -> int:
        """The next id; call with the lock held."""
        if self._next == self._reserved:
            self._record({"reserved": self._reserved + _BLOCK})
        self._next += 1
        return self._next - 1

    def _record(self, record: dict[str, Any]) -> None:
        """Journal a change, then apply it."""
        self._journal.append(record)
        self._apply(record)
        if self._records > max(_REWRITE_RECORDS, _REWRITE_FACTOR * len(self._names)):
            named = [{"name": n, "id": producer, "epoch": epoch} for n, (producer, epoch) in self._names.items()]
            self._journal.rewrite([{"reserved": self._reserved}, *named])
            self._records = 1 + len(named)

    def _apply(self, record: dict[str, Any]) -> None:
        """Take a journal record in."""
        self._records += 1
        if "reserved" in record:
            self._reserved = record["reserved"]
        elif "forgotten" in record:
            self._names.pop(record["forgotten"], None)
        else:
            self._names[record["name"]] = (record["id"], record["epoch"])
