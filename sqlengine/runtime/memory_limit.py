"""MemoryLimit: the process kept within a number of bytes by having state leave for files.

Why: state grows with the data, memory does not.  After a tick, or a step of a fill, it is looked how much memory the
process takes.  When OWN of the limit is in no file, state leaves for files (state/spill.py).  Pages that are in files,
of state and of topics, are let go beyond HIGH of the limit until there is LOW of it: by a thread, as work brings them
in.  Where state cannot leave (the disk is full) the largest query ends, and what it held is freed.
A directory's files are in its folder `spill`, which is emptied on opening: nothing in it is durable.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sqlengine import duck_memory
from sqlengine.errors import OutOfMemory
from sqlengine.runtime.memory import Resident, give_back
from sqlengine.settings import size_text
from sqlengine.state.spill import LEAST_BYTES, Spill, breathe_for, limit_pages, spillable, spilled_bytes
from storage import let_go_mapped

if TYPE_CHECKING:
    from sqlengine.runtime.query import ContinuousQuery
    from sqlengine.runtime.scheduler import Scheduler

OWN = 0.5
"""State leaves when this part of the limit is in memory and in no file..."""
STEP = 0.05
"""...and not before it has grown by this part since the last time."""
HIGH, LOW = 0.75, 0.55
"""Pages are let go beyond the first part of the limit, until there is the second."""
LEAST_PART = 256
"""What is a smaller part of the limit than this is not worth a file."""
ROW_BYTES = 1 << 17
"""What one row may bring into memory before pages are let go again: the system brings in sixteen pages around each."""
ROWS_LEAST = 1_024
ROUND_MS = 20
"""How long the thread looks at memory before it looks whether it should end."""
DUCK_PART = 4
"""One-shot queries may take this part of the limit for themselves..."""
DUCK_LEAST = 64 << 20
"""...but so much they need."""
IDLE_S = 0.1
"""How long it waits when there is no limit."""
TOLD = 3
"""So many consumers are named in an error."""


class MemoryLimit:
    """Of one database. `settings`: those that all sessions share; `directory`: the database's, None in memory."""

    def __init__(self, scheduler: Scheduler, directory: str | None, settings: Mapping[str, Any]) -> None:
        self.bytes = 0
        self.spills = 0
        """How often state has left."""
        self._scheduler = scheduler
        self._settings = settings
        self._own = directory is None
        self._directory = None if directory is None else f"{directory}/spill"
        self._resident = Resident()
        self._floor = 0
        self._failure: OSError | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._clear()
        self.apply()

    def apply(self) -> None:
        """The setting may have another value."""
        wanted = int(self._settings.get("memory_limit", 0))
        if wanted == self.bytes:
            return
        self._floor = 0
        duck_memory.limit(id(self), max(DUCK_LEAST, wanted // DUCK_PART) if wanted else 0)
        if wanted:
            self._resident.open()
        if self._resident.statm >= 0 and self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="sqlengine-memory", daemon=True)
            self._thread.start()
        self._watch(wanted)
        self.bytes = wanted

    def _watch(self, limit: int) -> None:
        if self._resident.statm >= 0:
            limit_pages(id(self), self._resident.statm, int(HIGH * limit), int(LOW * limit))

    def close(self) -> None:
        """No more state is left; its files go."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        duck_memory.limit(id(self), 0)
        self._watch(0)
        self._clear()
        self._resident.close()

    def rows_at_once(self, most: int) -> int:
        """How many rows to work on at once, at most so many: fewer once state is in files."""
        if not self.spills or not self.bytes:
            return most
        return min(most, max(ROWS_LEAST, self.bytes // ROW_BYTES))

    def put_in_file(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows in a file. OSError."""
        with Spill(self._spill_directory()) as to:
            return to.batches([batch])[0]

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows that stay for a while: in a file, unless the disk has no space."""
        try:
            return self.put_in_file(batch)
        except OSError:
            return batch
        finally:
            give_back()

    # ------------------------------------------------------------ work

    def after_tick(self) -> None:
        """Everything that ticks change may leave; the lock is held."""
        if self._is_due() and not self._relieve(self._of_ticks()):
            self._end_largest()

    def after_step(self, queries: Iterable[ContinuousQuery]) -> None:
        """What a fill has made of these queries may leave. OutOfMemory (53200) when it must and cannot."""
        if not self._is_due():
            return
        members = list(queries)
        roots = [root for query in members for root in (*query.dataflow.own_operators(), query.store)]
        if not self._relieve(roots):
            with self._scheduler.lock:
                raise self._error([*self._scheduler.queries.values(), *members])

    def _is_due(self) -> bool:
        if not self.bytes:
            return False
        own = self._resident.own_bytes()
        self._floor = min(own, self._floor)
        return own > max(OWN * self.bytes, self._floor + STEP * self.bytes)

    def _relieve(self, roots: Sequence[object]) -> bool:
        """Have state leave; False when too much is left that cannot."""
        self._spill(roots)
        give_back()
        self._floor = self._resident.own_bytes()
        if self._floor <= self.bytes:
            return True
        if self._failure is not None:
            return False
        with self._scheduler.lock:  # to size contents settles them, which ticks do too
            queries = list(self._scheduler.queries.values())
            if 2 * sum(map(_held, queries)) <= self.bytes:  # what is in files is dear to count
                return True
            return 2 * sum(map(in_memory, queries)) <= self.bytes

    def _spill(self, roots: Sequence[object]) -> None:
        self._failure = None
        try:
            with Spill(self._spill_directory(), min(LEAST_BYTES, self.bytes // LEAST_PART)) as to:
                for part in spillable(roots):
                    self.spills += part.spill(to) > 0
        except OSError as error:
            self._failure = error

    def _keep(self) -> None:
        """The thread: what work brings in of files does not stay."""
        while not self._stop.is_set():
            if not self.bytes:
                self._stop.wait(IDLE_S)
            elif breathe_for(ROUND_MS):
                let_go_mapped()

    # ------------------------------------------------------------ what holds memory

    def _of_ticks(self) -> list[object]:
        """All that ticks change."""
        scheduler = self._scheduler
        queries = list(scheduler.queries.values())
        operators = [operator for query in queries for operator in query.dataflow.all_operators()]
        stores = [query.store for query in queries] + [source.store for source in scheduler.sources.values()]
        return [*operators, *stores, *(held for tap in scheduler.taps for held in tap.held)]

    def _error(self, queries: Iterable[ContinuousQuery]) -> OutOfMemory:
        """Why memory is not enough, and who takes most of it."""
        failure = self._failure
        why = "" if failure is None else f" ({(failure.strerror or str(failure)).lower()})"
        return OutOfMemory(
            f"the memory limit of {size_text(self.bytes)} is reached and state cannot leave for files{why}; most is "
            f"taken by {told_consumers(queries)}",
            hint="set memory_limit higher, free space on the disk, or drop what takes most",
        )

    def _end_largest(self) -> None:
        """The query that holds most ends, and what it held is freed; the lock is held."""
        queries = [query for query in self._scheduler.queries.values() if query.status != "failed"]
        largest = max(queries, key=in_memory, default=None)
        if largest is None or not in_memory(largest):
            return
        error = self._error(queries)
        for query in queries:
            if query.dataflow is largest.dataflow:
                self._scheduler.end_query(query, error)
        give_back()

    # ------------------------------------------------------------ the directory

    def _spill_directory(self) -> str:
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix="sqlengine-spill-")
        return self._directory

    def _clear(self) -> None:
        """What is in the directory is of nobody."""
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        if self._own:
            self._directory = None


def _held(query: ContinuousQuery) -> int:
    """Bytes of a query's state, wherever they are."""
    return query.dataflow.state_size()["bytes"] + (0 if query.store is None else query.store.num_bytes)


def in_memory(query: ContinuousQuery) -> int:
    """Bytes of a query's state that are not in files."""
    contents = 0 if query.store is None else query.store.spilled_bytes
    return _held(query) - spilled_bytes(query.dataflow.all_operators()) - contents


def told_consumers(queries: Iterable[ContinuousQuery]) -> str:
    """The largest by name, with their bytes in memory."""
    sizes: dict[str, int] = {query.name: in_memory(query) for query in queries}
    largest = sorted(sizes.items(), key=lambda size: -size[1])[:TOLD]
    return ", ".join(f'"{name}" ({size_text(size)})' for name, size in largest)
