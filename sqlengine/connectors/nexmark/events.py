"""NEXMark events by number: any range of persons, auctions, bids or all of them, each a function of (seed,
number).

The data model, the mix of 1 person, 3 auctions and 46 bids, the hot keys and the price distribution follow
the benchmark's generator (Apache Beam's and github.com/nexmark/nexmark); the random numbers are our own,
and a person's id is added once to its first id (the Flink generator adds it twice for bidders).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.connectors.nexmark import strings
from sqlengine.connectors.nexmark.config import (
    ACTIVE_PEOPLE,
    AUCTION_ID_LEAD,
    CATEGORIES,
    CHANNELS,
    CITIES,
    FIRST_AUCTION_ID,
    FIRST_CATEGORY_ID,
    FIRST_NAMES,
    FIRST_PERSON_ID,
    HOT_CHANNELS,
    HOT_EVERY,
    IN_FLIGHT_AUCTIONS,
    LAST_NAMES,
    PERSON_ID_LEAD,
    STATES,
    NexmarkConfig,
)
from sqlengine.connectors.noise import I64, U64, below, noise, start_of, unit, upper

TABLES = ("person", "auction", "bid", "all")
_TIME = pa.timestamp("us")
_COLUMNS: dict[str, tuple[tuple[str, pa.DataType], ...]] = {
    "person": (
        ("id", pa.int64()), ("name", pa.string()), ("email_address", pa.string()), ("credit_card", pa.string()),
        ("city", pa.string()), ("state", pa.string()), ("date_time", _TIME), ("extra", pa.string()),
    ),
    "auction": (
        ("id", pa.int64()), ("item_name", pa.string()), ("description", pa.string()), ("initial_bid", pa.int64()),
        ("reserve", pa.int64()), ("date_time", _TIME), ("expires", _TIME), ("seller", pa.int64()),
        ("category", pa.int64()), ("extra", pa.string()),
    ),
    "bid": (
        ("auction", pa.int64()), ("bidder", pa.int64()), ("price", pa.int64()), ("channel", pa.string()),
        ("url", pa.string()), ("date_time", _TIME), ("extra", pa.string()),
    ),
}  # fmt: skip
_EXTRA_LETTERS = {"person": 135, "auction": 332, "bid": 68}
"""What is left of the benchmark's average sizes of 200, 500 and 100 bytes beside the other columns."""
_CARD = b"0000 0000 0000 0000"
_CARD_DIGITS = [i for i, c in enumerate(_CARD) if c != ord(" ")]
_EMAIL = b"aaaaaaa@aaaaa.com"
_EMAIL_LETTERS = [*range(7), *range(8, 13)]


def schema(table: str, naming: str = "snake") -> pa.Schema:
    """The table's columns; `all` has event_type (0 person, 1 auction, 2 bid) and one struct column per
    kind."""
    if table == "all":
        kinds = [pa.field(t, pa.struct(list(schema(t, naming)))) for t in TABLES[:3]]
        return pa.schema([pa.field(_named("event_type", naming), pa.int64()), *kinds])
    return pa.schema([pa.field(_named(name, naming), dtype) for name, dtype in _COLUMNS[table]])


def _named(name: str, naming: str) -> str:
    if naming == "snake":
        return name
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def events(table: str, first_event: int, last_event: int, config: NexmarkConfig) -> pa.RecordBatch:
    """The rows of `table` among the events first_event <= number < last_event, in order."""
    if table == "all":
        return _all(first_event, last_event, config)
    first, last = config.count_before(table, first_event), config.count_before(table, last_event)
    columns = _MAKERS[table](first, last, config)
    return pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=schema(table, config.naming))


def _all(first_event: int, last_event: int, config: NexmarkConfig) -> pa.RecordBatch:
    offset = np.arange(first_event, last_event) % config.round_length
    kind = (offset >= config.kind("auction")[0]).astype(np.int64) + (offset >= config.kind("bid")[0])
    columns = [pa.array(kind)]
    for number, table in enumerate(TABLES[:3]):
        rows = pa.StructArray.from_arrays(
            events(table, first_event, last_event, config).columns, fields=list(schema(table, config.naming))
        )
        mine = kind == number
        columns.append(rows.take(pa.array(np.cumsum(mine) - 1, mask=~mine)))
    return pa.RecordBatch.from_arrays(columns, schema=schema("all", config.naming))


class _Draw:
    """Rows first..last of one table: their rounds and event numbers, and a stream of noise per use."""

    def __init__(self, table: str, first: int, last: int, config: NexmarkConfig) -> None:
        begin, length = config.kind(table)
        ordinal = np.arange(first, last)
        self.round: I64 = ordinal // length
        self.event: I64 = ordinal + self.round * (config.round_length - length) + begin
        self.in_round: I64 = ordinal - self.round * length
        self._seed = config.seed

    def bits(self, stream: int) -> U64:
        """64 random bits per row."""
        return noise(start_of(self._seed, stream), self.event)


def time_us(event: npt.NDArray[np.int64], config: NexmarkConfig) -> I64:
    """When events happen: whole milliseconds, in microseconds since the epoch."""
    return (event * 1000 // config.event_rate + config.base_time_ms) * 1000


def _price(bits: U64) -> I64:
    """100 * 10 ** (6 u): every order of magnitude from 100 to 100,000,000 is equally likely."""
    exponent = unit(bits)
    exponent *= 6 * math.log(10)
    np.exp(exponent, out=exponent)
    exponent *= 100
    return np.rint(exponent).astype(np.int64)


def _hot(bits: U64, ratio: int) -> npt.NDArray[np.bool_]:
    return below(bits, ratio) > 0


def _person(bits: U64, last_person: I64) -> I64:
    """Someone of the last 1,000 people, or of the ten to come (base 0)."""
    active = np.minimum(last_person + 1, ACTIVE_PEOPLE)
    return last_person + 1 - active + below(bits, active + PERSON_ID_LEAD)


def _persons(first: int, last: int, config: NexmarkConfig) -> list[object]:
    draw = _Draw("person", first, last, config)
    rows = last - first
    choice = draw.bits(1)
    names = tuple(f"{a} {b}" for a in FIRST_NAMES for b in LAST_NAMES)
    cards = np.stack([draw.bits(20 + i) for i in range(16)], axis=1)
    emails = np.stack([draw.bits(40 + i) for i in range(12)], axis=1)
    return [
        np.arange(first, last) + FIRST_PERSON_ID,
        strings.words(below(choice, len(names)), names),
        strings.patterned(rows, _EMAIL, _EMAIL_LETTERS, b"abcdefghijklmnopqrstuvwxyz", emails),
        strings.patterned(rows, _CARD, _CARD_DIGITS, b"0123456789", cards),
        strings.words(below(upper(choice), len(CITIES)), CITIES),
        strings.words(below(draw.bits(2), len(STATES)), STATES),
        time_us(draw.event, config).view("M8[us]"),
        strings.extra(config.seed, _EXTRA_LETTERS["person"], first, last),
    ]


def _auctions(first: int, last: int, config: NexmarkConfig) -> list[object]:
    draw = _Draw("auction", first, last, config)
    last_person = (draw.round + 1) * config.person_proportion - 1
    choice = draw.bits(3)
    hot_seller = last_person // HOT_EVERY * HOT_EVERY
    seller = np.where(_hot(choice, config.hot_seller_ratio), hot_seller, _person(upper(choice), last_person))
    initial = _price(draw.bits(4))
    time = time_us(draw.event, config)
    ahead = IN_FLIGHT_AUCTIONS * config.round_length // config.auction_proportion
    horizon_ms = (time_us(draw.event + ahead, config) - time) // 1000
    length_ms = 1 + below(draw.bits(5), np.maximum(2 * horizon_ms, 1))
    return [
        np.arange(first, last) + FIRST_AUCTION_ID,
        strings.fixed(config.seed + 1, 20, first, last),
        strings.fixed(config.seed, 100, first, last),
        initial,
        initial + _price(draw.bits(6)),
        time.view("M8[us]"),
        (time + length_ms * 1000).view("M8[us]"),
        seller + FIRST_PERSON_ID,
        FIRST_CATEGORY_ID + below(draw.bits(7), CATEGORIES),
        strings.extra(config.seed, _EXTRA_LETTERS["auction"], first, last),
    ]


def _bids(first: int, last: int, config: NexmarkConfig) -> list[object]:
    draw = _Draw("bid", first, last, config)
    last_auction = (draw.round + 1) * config.auction_proportion - 1
    last_person = (draw.round + 1) * config.person_proportion - 1
    choice = draw.bits(8)
    oldest = np.maximum(last_auction - IN_FLIGHT_AUCTIONS, 0)
    auction = oldest + below(upper(choice), last_auction - oldest + 1 + AUCTION_ID_LEAD)
    hot = _hot(choice, config.hot_auction_ratio)
    auction = np.where(hot, last_auction // HOT_EVERY * HOT_EVERY, auction)
    choice = draw.bits(9)
    hot_bidder = last_person // HOT_EVERY * HOT_EVERY + 1
    bidder = np.where(_hot(choice, config.hot_bidder_ratio), hot_bidder, _person(upper(choice), last_person))
    choice = draw.bits(10)
    hot_channel = CHANNELS + below(upper(choice), len(HOT_CHANNELS))
    cold_channel = below(upper(choice), CHANNELS)
    channel = pa.array(np.where(_hot(choice, config.hot_channel_ratio), hot_channel, cold_channel))
    names, urls = strings.channel_tables(config.seed)
    return [
        auction + FIRST_AUCTION_ID,
        bidder + FIRST_PERSON_ID,
        _price(draw.bits(11)),
        names.take(channel),
        urls.take(channel),
        time_us(draw.event, config).view("M8[us]"),
        strings.extra(config.seed, _EXTRA_LETTERS["bid"], first, last),
    ]


_MAKERS = {"person": _persons, "auction": _auctions, "bid": _bids}
