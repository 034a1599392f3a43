"""The `nexmark` source: the benchmark's events, whole or one table of them, at full speed or at a pace.

A partition takes every k-th block of event numbers, so partitions move through event time together; a
position is the number of the next event.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.connectors.base import Connector, Polled, Position
from sqlengine.connectors.columns import Selection
from sqlengine.connectors.nexmark.config import NexmarkConfig
from sqlengine.connectors.nexmark.events import TABLES, events, schema
from sqlengine.connectors.pace import Pace
from sqlengine.errors import InvalidParameter
from sqlengine.formats.options import option
from sqlengine.quick_dataclass import dataclass

BLOCK_EVENTS = 5_000
"""Events of a partition's turn where there are several partitions."""


@dataclass(frozen=True, slots=True)
class NexmarkOptions:
    """RisingWave's `nexmark.` spellings and Flink's are accepted beside ours."""

    table: str = option(
        "all", "which events", choices=TABLES, aliases=("nexmark_table_type", "table_type", "nexmark_table")
    )
    number_of_events: int = option(
        0, "stop after so many events of all kinds; 0 = never", minimum=0,
        aliases=("nexmark_event_num", "events_num", "event_num"),
    )  # fmt: skip
    event_rate: int = option(
        100_000, "how densely events lie in event time", unit="events/s", minimum=1,
        aliases=("first_event_rate", "nexmark_event_rate"),
    )  # fmt: skip
    next_event_rate: int | None = option(None, "Flink's second rate; only the same as event_rate", unit="events/s")
    min_event_gap_in_ns: int = option(
        0, "hand out at most one event in so long by the clock; 0 = as fast as possible", unit="ns", minimum=0,
        aliases=("nexmark_min_event_gap_in_ns",),
    )  # fmt: skip
    rate_limited: bool = option(False, "hand out events by the clock at event_rate")
    base_time: int = option(1_436_918_400_000, "when event 0 happens", unit="ms since 1970", minimum=0)
    seed: int = option(0, "another seed makes other events", minimum=0)
    split_num: int = option(1, "how many partitions", minimum=1, aliases=("nexmark_split_num", "partitions"))
    naming: str = option("snake", "columns as date_time or dateTime", choices=("snake", "camel"))
    person_proportion: int = option(1, "persons in each round of events", minimum=1)
    auction_proportion: int = option(3, "auctions in each round of events", minimum=1)
    bid_proportion: int = option(46, "bids in each round of events", minimum=1)
    hot_auction_ratio: int = option(
        2, "all but one in so many bids go to a hot auction", minimum=1,
        aliases=("bid_hot_ratio_auctions", "nexmark_hot_auction_ratio"),
    )  # fmt: skip
    hot_bidder_ratio: int = option(
        4, "all but one in so many bids come from a hot bidder", minimum=1,
        aliases=("bid_hot_ratio_bidders", "nexmark_hot_bidder_ratio"),
    )  # fmt: skip
    hot_seller_ratio: int = option(
        4, "all but one in so many auctions are a hot seller's", minimum=1,
        aliases=("auction_hot_ratio_sellers", "nexmark_hot_seller_ratio"),
    )  # fmt: skip
    max_chunk_size: int = option(0, "accepted for RisingWave, unused", aliases=("nexmark_max_chunk_size",))

    def __post_init__(self) -> None:
        if self.next_event_rate not in (None, self.event_rate):
            raise InvalidParameter("nexmark offers no changing rate: next_event_rate must equal event_rate")

    def config(self) -> NexmarkConfig:
        """What of it shapes the events."""
        return NexmarkConfig(
            seed=self.seed, event_rate=self.event_rate, base_time_ms=self.base_time,
            person_proportion=self.person_proportion, auction_proportion=self.auction_proportion,
            bid_proportion=self.bid_proportion, hot_auction_ratio=self.hot_auction_ratio,
            hot_bidder_ratio=self.hot_bidder_ratio, hot_seller_ratio=self.hot_seller_ratio, naming=self.naming,
        )  # fmt: skip

    def events_per_second(self) -> float:
        """The pace by the clock, all partitions together; 0 = none."""
        if self.min_event_gap_in_ns:
            return 1e9 / self.min_event_gap_in_ns
        return float(self.event_rate) if self.rate_limited else 0.0


class NexmarkSource:
    """See connectors.base.Source."""

    def __init__(self, options: NexmarkOptions, declared: pa.Schema | None = None) -> None:
        self.options = options
        self.config = options.config()
        made = schema(options.table, options.naming)
        self.selection = Selection(made, declared, f"nexmark table {options.table}")

    @property
    def bounded(self) -> bool:
        """Whether there is a last event."""
        return self.options.number_of_events > 0

    def schema(self) -> pa.Schema:
        """The declared columns, or all."""
        return self.selection.schema

    def partitions(self) -> Sequence[str]:
        """Named by number."""
        return [str(i) for i in range(self.options.split_num)]

    def open(self, partition: str, position: Position | None) -> NexmarkReader:
        """At the partition's first event, or at the one the position names."""
        return NexmarkReader(self, int(partition), None if position is None else int(position["event"]))


class NexmarkReader:
    """See connectors.base.Reader."""

    def __init__(self, source: NexmarkSource, split: int, event: int | None) -> None:
        self._source = source
        self._splits = source.options.split_num
        self._split = split
        self._event = split * BLOCK_EVENTS if event is None else event
        self._pace = Pace(source.options.events_per_second() / self._splits)

    def poll(self, max_rows: int, now_us: int) -> Polled:
        """Rows of the next events of this partition's blocks."""
        batches: list[pa.RecordBatch] = []
        rows, paced = 0, False
        while rows < max_rows and not self._done() and not paced:
            last = self._last_event(max_rows - rows)
            allowed = self._pace.allowed(last - self._event, now_us)
            paced = self._event + allowed < last
            if allowed:
                made = events(self._source.options.table, self._event, self._event + allowed, self._source.config)
                self._advance(self._event + allowed)
                self._pace.gave(allowed)
                rows += made.num_rows
                batches.append(made)
        batch = self._source.selection.of(pa.concat_batches(batches)) if rows else None
        wait = self._pace.wait_us(now_us) if paced else None
        return Polled(batch, {"event": self._event}, done=self._done(), retry_after_us=wait)

    def progress(self) -> float | None:
        """The fraction of number_of_events."""
        total = self._source.options.number_of_events
        return min(1.0, self._event / total) if total else None

    def close(self) -> None:
        """Nothing to release."""

    def _done(self) -> bool:
        total = self._source.options.number_of_events
        return bool(total) and self._event >= total

    def _last_event(self, rows: int) -> int:
        """Behind the event with which `rows` rows are complete, within the block and the total."""
        table, config = self._source.options.table, self._source.config
        last = self._event + rows
        if table != "all":
            last = config.event_of(table, config.count_before(table, self._event) + rows - 1) + 1
        if self._splits > 1:
            last = min(last, (self._event // BLOCK_EVENTS + 1) * BLOCK_EVENTS)
        total = self._source.options.number_of_events
        return min(last, total) if total else last

    def _advance(self, event: int) -> None:
        self._event = event
        if self._splits > 1 and event % BLOCK_EVENTS == 0:
            self._event += (self._splits - 1) * BLOCK_EVENTS


NEXMARK = Connector(
    "nexmark",
    "the NEXMark benchmark's persons, auctions and bids, generated",
    NexmarkOptions,
    source=NexmarkSource,
    reach="nothing",
)
