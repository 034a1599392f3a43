"""Any sequence of transactions, plain appends, restarts, maintenance and compaction against a plain model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import storage
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, quick

PLACES = [("a", 0), ("a", 1), ("k", 0)]
FUTURE_MS = 10**13


class Model(RuleBasedStateMachine):
    """What a reader must see: per partition the rows in the order of their appends, up to the first undecided one.

    A row is (number, key); of the compacted topic k only the latest of each key counts.
    """

    path: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory(dir=self._memory())
        self.path = f"{self.scratch.name}/data" if self.on_disk else None
        self.opened = quick(self.path)
        self.opened.create_topic("a", SCHEMA, storage.TopicConfig(partitions=2, segment_bytes=4096))
        keyed = storage.TopicConfig(segment_bytes=4096, cleanup="compact", key_columns=("s",), min_dirty_ratio=0.0)
        self.opened.create_topic("k", SCHEMA, keyed)
        self.live: dict[str, storage.Transaction] = {}
        self.fates: dict[str, str] = {}
        self.rows: dict[tuple[str, int], list[tuple[str, int, str]]] = {place: [] for place in PLACES}
        # Of each transaction the offset after its last row in a partition.
        self.ends: dict[str, dict[tuple[str, int], int]] = {}
        self.number = 0

    on_disk = True

    @staticmethod
    def _memory() -> str | None:
        return "/dev/shm" if Path("/dev/shm").is_dir() else None

    def teardown(self) -> None:
        """Close what is open."""
        self.opened.close()
        self.scratch.cleanup()

    # --- what users do ---

    def _batch(self, owner: str, place: tuple[str, int], count: int) -> pa.RecordBatch:
        """The next rows, noted in the model."""
        numbers = list(range(self.number, self.number + count))
        self.number += count
        keys = [f"key {n % 3}" for n in numbers]
        self.rows[place] += [(owner, n, key) for n, key in zip(numbers, keys, strict=True)]
        return pa.record_batch([pa.array(numbers), pa.array(keys)], SCHEMA)

    @rule(place=st.sampled_from(PLACES), count=st.integers(1, 40))
    def append(self, place: tuple[str, int], count: int) -> None:
        """Without a transaction."""
        log = self.opened.topic(place[0]).partitions[place[1]]
        log.append(self._batch("", place, count))

    @precondition(lambda self: len(self.live) < 4)
    @rule()
    def begin(self) -> None:
        """One more."""
        t = self.opened.transaction()
        self.live[t.id] = t
        self.fates[t.id] = "open"

    @precondition(lambda self: "open" in self.fates.values())
    @rule(data=st.data(), place=st.sampled_from(PLACES), count=st.integers(1, 40))
    def write(self, data: st.DataObject, place: tuple[str, int], count: int) -> None:
        """Into one that is open."""
        name = data.draw(st.sampled_from(self._in("open")))
        base = self.live[name].append(place[0], self._batch(name, place, count), partition=place[1])
        self.ends.setdefault(name, {})[place] = base + count

    @precondition(lambda self: bool(self.live))
    @rule(data=st.data(), fate=st.sampled_from(["committed", "committed", "aborted", "prepared"]))
    def decide(self, data: st.DataObject, fate: str) -> None:
        """The end of one."""
        name = data.draw(st.sampled_from(sorted(self.live)))
        if fate == "prepared":
            if self.fates[name] == "open":
                self.live[name].prepare()
                self.fates[name] = "prepared"
            return
        t = self.live.pop(name)
        t.commit() if fate == "committed" else t.abort()
        self.fates[name] = fate

    def _in(self, fate: str) -> list[str]:
        """Ids of the transactions with that fate."""
        return sorted(name for name in self.live if self.fates[name] == fate)

    # --- what happens to them ---

    @rule()
    def maintain(self) -> None:
        """As whoever runs the storage does."""
        self.opened.maintain()

    @rule()
    def compact(self) -> None:
        """The topic k."""
        self.opened.topic("k").partitions[0].compact(FUTURE_MS)

    @precondition(lambda self: self.on_disk)
    @rule(loses_indexes=st.booleans())
    def restart(self, loses_indexes: bool) -> None:
        """What is open is aborted, what is prepared stays."""
        self.opened.close()
        assert self.path is not None
        if loses_indexes:
            for index in Path(self.path).rglob("*.index"):
                index.unlink()
        self.opened = quick(self.path)
        for name in list(self.live):
            if self.fates[name] == "open":
                self.fates[name] = "aborted"
                del self.live[name]
            else:
                self.live[name] = self.opened.transactions.prepared(name)

    # --- what readers see ---

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        """In each partition, up to the first row of an undecided transaction."""
        for place, rows in self.rows.items():
            log = self.opened.topic(place[0]).partitions[place[1]]
            first = next((i for i, row in enumerate(rows) if self.fates.get(row[0]) in ("open", "prepared")), len(rows))
            expected = [(n, key) for owner, n, key in rows[:first] if not owner or self.fates[owner] == "committed"]
            found, offset, last = [], log.start_offset, -1
            while frames := log.read(offset, max_rows=50):
                for frame in frames:
                    assert frame.base_offset == offset, "no gap"
                    offset = frame.next_offset
                    assert all(at > last for at in frame.offsets())
                    last = offset - 1
                    found += list(zip(*(frame.batch.column(name).to_pylist() for name in ("n", "s")), strict=True))
            if place[0] == "k":
                assert {key: n for n, key in found} == {key: n for n, key in expected}
                assert set(found) <= set(expected)
            else:
                assert found == expected
            assert offset == log.last_stable_offset
        logs = [self.opened.topic(topic).partitions[number] for topic, number in PLACES]
        cut = dict(zip(PLACES, self.opened.transactions.cut(logs), strict=True))
        assert all(end <= log.last_stable_offset for end, log in zip(cut.values(), logs, strict=True))
        for name, ends in self.ends.items():
            if self.fates[name] == "committed":
                assert len({end <= cut[place] for place, end in ends.items()}) == 1, "in part at one moment"
        if not self.live:
            assert list(cut.values()) == [log.last_stable_offset for log in logs]
        assert {info.id for info in self.opened.transactions.unfinished()} == set(self.live)


class MemoryModel(Model):
    """The same without a directory."""

    on_disk = False


TestOnDisk = Model.TestCase
TestOnDisk.settings = settings(max_examples=rounds(24, 60), stateful_step_count=40, deadline=None)
TestInMemory = MemoryModel.TestCase
TestInMemory.settings = settings(max_examples=rounds(16, 40), stateful_step_count=40, deadline=None)
