"""NEXMark: every event is a function of its number, and the whole has the benchmark's mix, skew and
selectivities."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.nexmark import TABLES, NexmarkConfig, events, schema
from sqlengine.connectors.nexmark.source import NexmarkSource
from sqlengine.types import TIMESTAMP
from tests.depth import rounds

CONFIG = NexmarkConfig()
N = 500_000


@pytest.fixture(scope="module")
def bids() -> pa.RecordBatch:
    return events("bid", 0, N, CONFIG)


def test_pinned_first_events() -> None:
    """What was once generated stays: seeds name data sets."""
    bid = events("bid", 0, 5, CONFIG).to_pylist()[0]
    assert (bid["auction"], bid["bidder"], bid["price"], bid["channel"]) == (1009, 1001, 421247, "Google")
    assert events("person", 0, 1, CONFIG).to_pylist()[0]["email_address"] == "zuydbvg@kgjzn.com"


@settings(max_examples=rounds(16, 40), deadline=None)
@given(
    st.sampled_from(TABLES), st.integers(0, 10**9), st.integers(0, 120), st.integers(0, 120), st.integers(0, 3),
    st.sampled_from([(1, 3, 46), (2, 5, 7), (1, 1, 0)]),
)  # fmt: skip
def test_a_range_is_its_events_one_by_one(
    table: str, first: int, length: int, cut: int, seed: int, mix: tuple[int, int, int]
) -> None:
    config = NexmarkConfig(seed=seed, person_proportion=mix[0], auction_proportion=mix[1], bid_proportion=mix[2])
    whole = events(table, first, first + length, config)
    whole.validate(full=True)
    alone = [events(table, n, n + 1, config) for n in range(first, first + length)]
    parts = [
        events(table, first, first + min(cut, length), config),
        events(table, first + min(cut, length), first + length, config),
    ]
    assert whole.schema == schema(table)
    for pieces in (alone, parts):
        if pieces:
            assert pa.concat_batches(pieces).equals(whole)


def test_ranges_larger_than_the_pool_of_letters() -> None:
    whole = events("bid", 0, 90_000, CONFIG)
    assert whole.column("extra").slice(80_000).equals(events("bid", 0, 90_000, CONFIG).column("extra").slice(80_000))
    tail = events("bid", 86_957, 90_000, CONFIG)
    assert whole.slice(whole.num_rows - tail.num_rows).equals(tail)


def test_seeds_differ(bids: pa.RecordBatch) -> None:
    other = events("bid", 0, 5_000, dataclasses.replace(CONFIG, seed=1))
    mine = bids.slice(0, other.num_rows)
    same = pc.mean(pc.cast(pc.equal(mine.column("price"), other.column("price")), pa.float64())).as_py()
    assert same < 0.01
    assert mine.column("extra")[0] != other.column("extra")[0]


def test_mix_ids_and_times(bids: pa.RecordBatch) -> None:
    persons, auctions = events("person", 0, N, CONFIG), events("auction", 0, N, CONFIG)
    assert (persons.num_rows, auctions.num_rows, bids.num_rows) == (N // 50, N * 3 // 50, N * 46 // 50)
    assert persons.column("id").to_pylist() == list(range(1000, 1000 + N // 50))
    assert auctions.column("id").to_pylist() == list(range(1000, 1000 + N * 3 // 50))
    times = bids.column("date_time").cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    assert times[-1] - times[0] == (N - 1) * 10 // 1000 * 1000
    kinds = events("all", 0, 1000, CONFIG)
    assert pc.value_counts(kinds.column("event_type")).to_pylist() == [
        {"values": 0, "counts": 20}, {"values": 1, "counts": 60}, {"values": 2, "counts": 920},
    ]  # fmt: skip
    assert kinds.column("bid").drop_null().flatten()[2].equals(bids.column("price").slice(0, 920))


def share(mask: object) -> float:
    return float(np.mean(np.asarray(mask)))


def test_hot_keys(bids: pa.RecordBatch) -> None:
    number = np.arange(bids.num_rows)
    auction = bids.column("auction").to_numpy() - 1000
    bidder = bids.column("bidder").to_numpy() - 1000
    last_auction, last_person = number // 46 * 3 + 2, number // 46
    hot = auction == last_auction // 100 * 100
    assert share(hot) == pytest.approx(0.5, abs=0.01)
    cold = auction[~hot] - last_auction[~hot]
    assert cold.max() == 10 and cold.min() == -100
    hot_bidder = bidder == last_person // 100 * 100 + 1
    assert share(hot_bidder) == pytest.approx(0.75, abs=0.01)
    late = ~hot_bidder & (last_person > 2000)
    assert (bidder - last_person)[late].min() == -999 and (bidder - last_person)[late].max() == 10
    auctions = events("auction", 0, N, CONFIG)
    seller, person = auctions.column("seller").to_numpy() - 1000, np.arange(auctions.num_rows) // 3
    assert share(seller == person // 100 * 100) == pytest.approx(0.75, abs=0.01)
    assert sorted(set(auctions.column("category").to_pylist())) == [10, 11, 12, 13, 14]


def test_prices_and_selectivities(bids: pa.RecordBatch) -> None:
    price = bids.column("price").to_numpy()
    assert price.min() >= 100 and price.max() <= 10**8
    magnitude = np.floor(np.log10(price / 100)).astype(int)
    assert np.bincount(magnitude, minlength=6)[:6] / len(price) == pytest.approx([1 / 6] * 6, abs=0.01)
    converted = price * 0.908
    assert share((converted > 1_000_000) & (converted < 50_000_000)) == pytest.approx(0.283, abs=0.01)  # q14
    everything = events("bid", 0, 5_000_000, CONFIG).column("auction").to_numpy()
    assert share(everything % 123 == 0) == pytest.approx(1 / 123, rel=0.2)  # q2
    states = events("person", 0, N, CONFIG).column("state").to_pylist()
    assert share([s in ("OR", "ID", "CA") for s in states]) == pytest.approx(0.5, abs=0.02)  # q3
    categories = events("auction", 0, N, CONFIG).column("category").to_numpy()
    assert share(categories == 10) == pytest.approx(0.2, abs=0.01)  # q20


def test_channels_and_sizes(bids: pa.RecordBatch) -> None:
    channel, url = bids.column("channel"), bids.column("url")
    hot = pc.is_in(channel, pa.array(["Google", "Facebook", "Baidu", "Apple"]))
    assert share(hot) == pytest.approx(0.5, abs=0.01)
    carries = pc.match_substring(url, "&channel_id=")
    assert share(pc.or_(hot, carries)) == pytest.approx(0.95, abs=0.01)  # q21
    pattern = r"^https://www\.nexmark\.com/[a-z_]{3,4}/[a-z_]{3,4}/[a-z_]{3,4}/item\.htm\?query=1(&channel_id=[0-9]+)?$"
    assert pc.all(pc.match_substring_regex(url, pattern)).as_py()
    pairs = set(zip(channel.slice(0, 50_000).to_pylist(), url.slice(0, 50_000).to_pylist(), strict=True))
    assert len(pairs) == len({c for c, _ in pairs})
    for table, mean in (("person", 135), ("auction", 332), ("bid", 68)):
        lengths = pc.binary_length(events(table, 0, N, CONFIG).column("extra"))
        assert pc.mean(lengths).as_py() == pytest.approx(mean, rel=0.02)


def test_auctions_and_persons_look_right() -> None:
    auctions = events("auction", 0, N, CONFIG)
    length_ms = (
        pc.subtract(
            auctions.column("expires").cast(pa.int64()), auctions.column("date_time").cast(pa.int64())
        ).to_numpy()
        / 1000
    )
    assert length_ms.min() >= 1 and length_ms.max() <= 34 and length_ms.mean() == pytest.approx(17, abs=0.5)
    assert pc.all(pc.greater(auctions.column("reserve"), auctions.column("initial_bid"))).as_py()
    assert set(pc.binary_length(auctions.column("description")).to_pylist()) == {100}
    persons = events("person", 0, N, CONFIG)
    assert pc.all(pc.match_substring_regex(persons.column("email_address"), r"^[a-z]{7}@[a-z]{5}\.com$")).as_py()
    assert pc.all(pc.match_substring_regex(persons.column("credit_card"), r"^\d{4}( \d{4}){3}$")).as_py()
    assert len(set(persons.column("name").to_pylist())) == 99


# --- as a source


def source(declared: pa.Schema | None = None, **options: object) -> NexmarkSource:
    kind = connector("nexmark")
    return kind.source(parse_options(kind, options), declared)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("splits", [1, 3])
def test_source_gives_all_events_and_resumes(table: str, splits: int) -> None:
    made = source(table=table, number_of_events=33_333, split_num=splits)
    rows = []
    for partition in made.partitions():
        reader, done = made.open(partition, None), False
        while not done:
            polled = reader.poll(777, 0)
            assert polled.batch is None or polled.batch.num_rows <= 777
            rows += [] if polled.batch is None else [polled.batch]
            done = polled.done
            reader = made.open(partition, polled.position)
        assert reader.progress() == 1.0
    found = pa.Table.from_batches(rows)
    wanted = pa.Table.from_batches([events(table, 0, 33_333, CONFIG)])
    assert found.num_rows == wanted.num_rows
    if splits == 1:
        assert found.combine_chunks().equals(wanted)
    elif table != "all":
        assert sorted(found.column("extra").to_pylist()) == sorted(wanted.column("extra").to_pylist())


def test_declared_columns_in_either_spelling() -> None:
    declared = pa.schema([("datetime", TIMESTAMP), ("price", pa.int32())])
    assert source(declared, **{"nexmark.table.type": "Bid"}).open("0", None).poll(3, 0).batch.schema == declared
    assert "dateTime" in source(table="bid", naming="camel").schema().names
    nested = pa.schema(
        [("event_type", pa.int64()), ("bid", pa.struct([("dateTime", TIMESTAMP), ("auction", pa.int64())]))]
    )
    rows = source(nested).open("0", None).poll(6, 0).batch.to_pylist()
    assert rows[0]["bid"] is None and rows[5]["bid"]["auction"] >= 1000
    with pytest.raises(errors.UndefinedColumn) as error:
        source(pa.schema([("prize", pa.int64())]), table="bid")
    assert "price" in error.value.hint
    with pytest.raises(errors.DatatypeMismatch):
        source(pa.schema([("price", pa.list_(pa.int64()))]), table="bid")


def test_pace() -> None:
    reader = source(table="all", rate_limited="true", event_rate=1000).open("0", None)
    now, rows = 10**15, 0
    for _ in range(20):
        polled = reader.poll(1000, now)
        rows += polled.batch.num_rows if polled.batch else 0
        assert rows == (now - 10**15) // 1000 + 1
        assert polled.retry_after_us is not None
        now += 7_000
    assert source(**{"nexmark.min.event.gap.in.ns": "1000000"}).open("0", None).poll(50, 0).batch.num_rows == 1


def test_spellings_of_risingwave_and_flink() -> None:
    kind = connector("nexmark")
    risingwave = {"nexmark.table.type": "Auction", "nexmark.event.num": "10", "nexmark.split.num": "2"}
    options = parse_options(kind, risingwave)
    assert (options.table, options.number_of_events, options.split_num) == ("auction", 10, 2)
    flink = {"first-event.rate": "5", "next-event.rate": "5", "events.num": "7", "bid.proportion": "9"}
    options = parse_options(kind, flink)
    assert (options.event_rate, options.number_of_events, options.bid_proportion) == (5, 7, 9)
    for bad in ({"next-event.rate": "6"}, {"table": "offer"}, {"events.num": "1", "number_of_events": "2"}):
        with pytest.raises(errors.InvalidParameter):
            parse_options(kind, bad)
