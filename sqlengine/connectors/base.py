"""What a connector is: options as a frozen dataclass, partitions, readers that poll, sinks that show.

A source never sleeps and never knows the time: `poll` is given it.  A source is replayable: `open` at a position it
once reported yields the same records again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass

Position = Mapping[str, Any]
"""Where a reader is in one partition: small, JSON-serialisable, opaque to everyone but the connector."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be understood: goes to the stream's error topic, the rest of its batch proceeds."""

    raw: bytes
    reason: str
    sqlstate: str = "22P02"
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: rows of the declared schema, records that were malformed, and where the reader is now.

    `done` says that the partition will never have more (a file that is not followed).
    `retry_after_us`: when nothing is there yet, a suggestion for the next poll, in microseconds.
    """

    batch: pa.RecordBatch | None
    position: Position
    bad: Sequence[BadRecord] = field(default=())
    done: bool = False
    retry_after_us: int | None = None


class Reader(Protocol):
    """Reads one partition of a source."""

    def poll(self, max_rows: int, now_us: int) -> Polled:
        """Up to `max_rows` rows, or nothing; never blocks for data that is not there yet."""
        ...

    def progress(self) -> float | None:
        """Fraction read so far (0..1) when the end is known, else None."""
        ...

    def close(self) -> None:
        """Release files; idempotent."""
        ...


class Source(Protocol):
    """A replayable input with named partitions."""

    def schema(self) -> pa.Schema:
        """The rows' schema (declared, or inferred when nothing was declared)."""
        ...

    def partitions(self) -> Sequence[str]:
        """The names of the partitions known now."""
        ...

    def open(self, partition: str, position: Position | None) -> Reader:
        """A reader at `position` (None = the beginning)."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """When rows are written: in the tick of that number (numbers rise), at that time. `is_repeatable`: after a restart
    the same rows come again under the same number, so that they may be shown before a checkpoint has them."""

    tick: int
    now_us: int
    is_repeatable: bool = True


class Sink:
    """Where a query's changes go. One method is required.

    A sink that is `exactly_once` is told all ticks after the checkpoint again when the process was killed, and leaves
    out what it has: it need not show rows at once, but what it holds back survives.
    """

    exactly_once: ClassVar[bool] = False

    def write(self, moment: Moment, batch: pa.RecordBatch | None, weights: Any | None) -> None:
        """Take a tick's rows (with int64 weights, None = all +1); None: the tick brings none. After it has raised the
        same rows may come again under the same number."""
        raise AssertionError("write() is the one required method")

    def due_us(self) -> int | None:
        """When rows are to be shown that are held back; None = nothing is to be done by itself."""
        return None

    def show_due(self, now_us: int) -> None:
        """Show what is due."""

    def sync(self) -> None:
        """Make durable what has been taken; other threads may write meanwhile."""

    def note(self) -> Mapping[str, int]:
        """What a checkpoint of the present tick keeps of it; JSON-serialisable."""
        return {}

    def checkpointed(self, tick: int, note: Mapping[str, int]) -> None:
        """A checkpoint of that tick, with the sink's query and that note in it, is durable."""

    def restore(self, tick: int, note: Mapping[str, int]) -> None:
        """Go on from the checkpoint of that tick, which kept that note; the ticks after it come again."""

    def clear(self) -> None:
        """Everything comes anew: forget what is held back."""

    def finish(self, *, for_good: bool) -> None:
        """Show everything that is held back; `for_good`: the sink is dropped, and keeps nothing behind."""

    def close(self) -> None:
        """Release resources; idempotent."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One entry of connectors.CONNECTORS.

    `options` is the frozen dataclass type of its WITH options: field name = option name; field metadata holds `help`
    and, where options are words, `choices`.  `source(options, schema)` and `sink(options, schema,
    identity)` build, None = cannot; `identity`: a word no other sink has, the same across restarts.  `reach`: what it
    touches outside the database: "nothing", "files", or anything else ("network"), which only superusers may have the
    server do.
    """

    name: str
    description: str
    options: type[Any]
    source: Any = None
    sink: Any = None
    reach: str = "network"

    @property
    def guarantee(self) -> str:
        """Of its sink, across restarts."""
        return "exactly once" if self.sink is not None and self.sink.exactly_once else "at least once"
