"""Faults that a process may have; each must be found.

None of them shows while the process lives: what is wrong is what the next one makes of what it left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from sqlengine.connectors.file.stage import Stage
from sqlengine.operators import group_aggregate
from sqlengine.runtime.checkpoint import Checkpoint
from sqlengine.runtime.outputs import TopicOutput
from sqlengine.runtime.scheduler import Scheduler
from sqlengine.state import join_side, row_store
from sqlengine.state.section import Changed
from sqlengine.statements import write

Do = Callable[[], str | None]


class Acknowledging:
    """When a unit is done and when that is said; `early`: the wrong way round."""

    def __init__(self) -> None:
        self.early = False
        self._later: list[Do] = []

    def __call__(self, do: Do) -> str | None:
        if not self.early:
            return do()
        self.finish()
        self._later.append(do)
        return None

    def finish(self) -> None:
        """Do what was put off."""
        while self._later:
            self._later.pop()()


acknowledging = Acknowledging()


class Deaf(Changed):
    """Does not notice what changes."""

    def mark(self, positions: Any) -> None:
        """Nothing."""


def plant(name: str) -> None:
    """Put a fault into this process."""
    if name:
        FAULTS[name]()


def _set(owner: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(owner, name, value)


def _only_counted(scheduler: Scheduler, record: Any) -> None:
    scheduler.tick_number = record.tick


def _one_record_further(place: Callable[[Checkpoint], None]) -> Callable[[Checkpoint], None]:
    def placed(checkpoint: Checkpoint) -> None:
        place(checkpoint)
        for source in checkpoint._instance.scheduler.sources.values():
            for partition, log in enumerate(source.reader.topic.partitions):
                if source.store is None and source.reader.positions[partition] < log.end_offset:
                    source.reader.positions[partition] += 1

    return placed


def _held_at_the_end(hold: Callable[..., None]) -> Callable[..., None]:
    return lambda scheduler, query, positions=None: hold(scheduler, query)


def _piece_by_piece(context: Any, pending: Iterable[Any]) -> None:
    """Each frame by itself, and not at once."""
    for item in pending:
        for log, batch in write._placed(context, item.target, item.batch):
            log.append(batch)
            time.sleep(0.02)
    context.instance.pump.wake()


FAULTS: dict[str, Callable[[], None]] = {
    "a unit is acknowledged before it is done": _set(acknowledging, "early", True),
    "ticks are not run again": _set(Scheduler, "run_again", _only_counted),
    "outputs are not cut to where the last tick began": _set(TopicOutput, "cut", lambda output, end: None),
    "a checkpoint misses changed groups": _set(group_aggregate, "Changed", Deaf),
    "a checkpoint misses changed rows of joins": _set(join_side, "Changed", Deaf),
    "a checkpoint misses deletions from contents": _set(row_store, "Changed", Deaf),
    "a record behind the checkpoint is skipped": _set(
        Checkpoint, "place_sources", _one_record_further(Checkpoint.place_sources)
    ),
    "a paused query forgets where it stood": _set(Scheduler, "hold", _held_at_the_end(Scheduler.hold)),
    "a file sink does not know which ticks it has": _set(Stage, "told", property(lambda stage: -1)),
    "a transaction is written piece by piece": _set(write, "flush", _piece_by_piece),
}
