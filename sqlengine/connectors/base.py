"""What a connector is: options as a frozen dataclass, partitions, readers that poll, sinks that commit.

A source never sleeps and never knows the time: `poll` is given it.  A source is replayable: `open` at a position it
once reported yields the same records again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

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


class Sink(Protocol):
    """Where a query's changes go; two-phase so that a checkpoint can make them visible exactly once."""

    def write(self, batch: pa.RecordBatch, weights: Any | None) -> None:
        """Stage rows (with int64 weights, None = all +1)."""
        ...

    def prepare(self, epoch: int) -> None:
        """Make everything staged durable but not yet visible."""
        ...

    def commit(self, epoch: int) -> None:
        """Make what was prepared for `epoch` visible; idempotent."""
        ...

    def close(self) -> None:
        """Release resources; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Connector:
    """One entry of connectors.CONNECTORS.

    `options` is the frozen dataclass type of its WITH options: field name = option name; field metadata holds `help`
    and, where options are words, `choices`.  `source(options, schema)` and `sink(options, schema)` build;
    None = cannot.  `reach`: what it touches outside the database: "nothing", "files", or anything else ("network"),
    which only superusers may have the server do.
    """

    name: str
    description: str
    options: type[Any]
    source: Any = None
    sink: Any = None
    reach: str = "network"
